import { DateTime } from "effect"
import type { Card } from "../domain/Card.ts"
import type { CardId } from "../domain/CardId.ts"
import { done, type KeyframePart, statusNumbers } from "./keyframeCodec.ts"

/** A card without its texts, and the positions of its first and its last event. */
export interface PastState {
  readonly card: Card
  readonly createdPosition: number
  readonly position: number
}

const noCount = -1

/**
 * All cards of a moment without their texts, in about 75 bytes each: an array for each field instead of an object for each card. A card is
 * named by its ordinal: its place in the order of creation, from 0.
 */
export class CardColumns {
  /** The position of the last event that is included. */
  position = 0
  count = 0
  createdPositions: Float64Array<ArrayBuffer>
  createdAt: Float64Array<ArrayBuffer>
  positions: Float64Array<ArrayBuffer>
  completedAt: Float64Array<ArrayBuffer>
  notBefore: Float64Array<ArrayBuffer>
  expiresAt: Float64Array<ArrayBuffer>
  priorities: Int32Array<ArrayBuffer>
  statuses: Uint8Array<ArrayBuffer>
  /** Indexes into `names`; -1 for none. */
  phases: Int32Array<ArrayBuffer>
  owners: Int32Array<ArrayBuffer>
  /** Indexes into `labelSets`. */
  labels: Int32Array<ArrayBuffer>
  /** The dependencies of a card are `edgeCounts` values of `targets`, from `edgeStarts`. */
  edgeStarts: Uint32Array<ArrayBuffer>
  edgeCounts: Uint32Array<ArrayBuffer>
  /** Ordinals of dependencies; -1 - n for number n of `missing`. */
  targets: Int32Array<ArrayBuffer>
  #targetCount = 0
  readonly names: Array<string> = []
  readonly labelSets: Array<ReadonlyArray<string>> = []
  /** Ids that cards depend on and that no card had when the edge was stored. */
  readonly missing: Array<string> = []
  /** The ordinals of cards that were created later with these ids; -1 for none. */
  readonly #resolved: Array<number> = []
  readonly #missingNumbers = new Map<string, number>()
  readonly #nameNumbers = new Map<string, number>()
  readonly #labelNumbers = new Map<string, number>()
  #idBytes: Uint8Array<ArrayBuffer>
  #idEnds: Float64Array<ArrayBuffer>
  #idLength = 0

  constructor(capacity: number) {
    this.createdPositions = new Float64Array(capacity)
    this.createdAt = new Float64Array(capacity)
    this.positions = new Float64Array(capacity)
    this.completedAt = new Float64Array(capacity)
    this.notBefore = new Float64Array(capacity)
    this.expiresAt = new Float64Array(capacity)
    this.priorities = new Int32Array(capacity)
    this.statuses = new Uint8Array(capacity)
    this.phases = new Int32Array(capacity)
    this.owners = new Int32Array(capacity)
    this.labels = new Int32Array(capacity)
    this.edgeStarts = new Uint32Array(capacity)
    this.edgeCounts = new Uint32Array(capacity)
    this.targets = new Int32Array(capacity)
    this.#idBytes = new Uint8Array(capacity * 16)
    this.#idEnds = new Float64Array(capacity)
    this.labelNumber([])
  }

  /** The bytes that the arrays take. */
  get size(): number {
    return this.createdPositions.length * 85 + this.targets.length * 4 + this.#idBytes.length
  }

  /** The ordinal of the card that was created at a position, or -1. */
  ordinalOf(createdPosition: number): number {
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = (low + high) >>> 1
      const found = this.createdPositions[middle] as number
      if (found === createdPosition) return middle
      if (found < createdPosition) low = middle + 1
      else high = middle
    }
    return -1
  }

  idOf(ordinal: number): CardId {
    const start = ordinal === 0 ? 0 : (this.#idEnds[ordinal - 1] as number)
    return Buffer.from(this.#idBytes.buffer, start, (this.#idEnds[ordinal] as number) - start).toString() as CardId
  }

  /** The number of a name, or undefined when no card has had it. */
  findName(name: string): number | undefined {
    return this.#nameNumbers.get(name)
  }

  nameNumber(name: string): number {
    const known = this.#nameNumbers.get(name)
    if (known !== undefined) return known
    const number = this.names.push(name) - 1
    this.#nameNumbers.set(name, number)
    return number
  }

  labelNumber(labels: ReadonlyArray<string>): number {
    const key = labels.join("\n")
    const known = this.#labelNumbers.get(key)
    if (known !== undefined) return known
    const number = this.labelSets.push(labels) - 1
    this.#labelNumbers.set(key, number)
    return number
  }

  /** The number of an id that no card has, for `targets`. */
  missingNumber(id: string): number {
    const known = this.#missingNumbers.get(id)
    if (known !== undefined) return known
    const number = this.missing.push(id) - 1
    this.#resolved.push(noCount)
    this.#missingNumbers.set(id, number)
    return number
  }

  /** The number of an id among those that no card had when a card depended on it; undefined for all others. */
  findMissing(id: string): number | undefined {
    return this.#missingNumbers.get(id)
  }

  /** The ordinal that a value of `targets` means; -1 - n while no card has the id of number n. */
  resolve(target: number): number {
    if (target >= 0) return target
    const ordinal = this.#resolved[-1 - target] ?? noCount
    return ordinal === noCount ? target : ordinal
  }

  /** The id that a value of `targets` means. */
  targetId(target: number): CardId {
    return target >= 0 ? this.idOf(target) : (this.missing[-1 - target] as CardId)
  }

  /** Calls a function with the resolved targets of a card until it returns true. Returns whether it did. */
  someTarget(ordinal: number, test: (target: number) => boolean): boolean {
    const start = this.edgeStarts[ordinal] as number
    const end = start + (this.edgeCounts[ordinal] as number)
    for (let edge = start; edge < end; edge++) if (test(this.resolve(this.targets[edge] as number))) return true
    return false
  }

  isDone(ordinal: number): boolean {
    return this.statuses[ordinal] === done
  }

  /** A card as far as columns have it. Texts are empty, and claims have no token. */
  stateOf(ordinal: number): PastState {
    const at = (column: Float64Array): DateTime.Utc | null => {
      const millis = column[ordinal] as number
      return Number.isNaN(millis) ? null : DateTime.makeUnsafe(millis)
    }
    const start = this.edgeStarts[ordinal] as number
    const targets = this.targets.subarray(start, start + (this.edgeCounts[ordinal] as number))
    const createdAt = DateTime.makeUnsafe(this.createdAt[ordinal] as number)
    return {
      createdPosition: this.createdPositions[ordinal] as number,
      position: this.positions[ordinal] as number,
      card: {
        id: this.idOf(ordinal),
        title: "",
        body: null,
        phase: this.names[this.phases[ordinal] as number] ?? null,
        labels: this.labelSets[this.labels[ordinal] as number] ?? [],
        priority: this.priorities[ordinal] as number,
        status: statusNumbers[this.statuses[ordinal] as number] ?? "ready",
        dependsOn: Array.from(targets, (target) => this.targetId(target)),
        claimOwner: this.names[this.owners[ordinal] as number] ?? null,
        claimTtlSeconds: null,
        claimedAt: null,
        claimExpiresAt: at(this.expiresAt),
        claimToken: null,
        attempts: 0,
        notBefore: at(this.notBefore),
        idempotencyKey: null,
        acceptance: null,
        result: null,
        blockedReason: null,
        noteCount: 0,
        lastNote: null,
        createdAt,
        updatedAt: createdAt,
        completedAt: at(this.completedAt),
        version: 1
      }
    }
  }

  /** The cards from one ordinal up to another, as a part that creates them. */
  toPart(from: number, to: number): KeyframePart {
    const names = new Numbers<string>()
    const labelSets = new Numbers<ReadonlyArray<string>>()
    const missing = new Numbers<string>()
    const numbers = (column: Int32Array): Float64Array =>
      Float64Array.from(column.subarray(from, to), (number) => {
        const name = this.names[number]
        return name === undefined ? Number.NaN : names.of(name, name)
      })
    const targets: Array<number> = []
    for (let ordinal = from; ordinal < to; ordinal++) {
      this.someTarget(ordinal, (target) => {
        const id = target >= 0 ? undefined : this.targetId(target)
        targets.push(id === undefined ? target : -1 - missing.of(id, id))
        return false
      })
    }
    const createdPositions = this.createdPositions.slice(from, to)
    const createdAt = this.createdAt.slice(from, to)
    const idEnds = this.#idEnds.subarray(from, to)
    const idStart = from === 0 ? 0 : (this.#idEnds[from - 1] as number)
    return {
      ordinals: createdAt.map((_, index) => from + index),
      created: to - from,
      idLengths: idEnds.map((end, index) => end - (index === 0 ? idStart : (idEnds[index - 1] as number))),
      idBytes: this.#idBytes.subarray(idStart, idEnds.at(-1) ?? idStart),
      createdPositions,
      createdAt,
      status: Float64Array.from(this.statuses.subarray(from, to)),
      priority: Float64Array.from(this.priorities.subarray(from, to)),
      position: this.positions.slice(from, to).map((position, index) => position - (createdPositions[index] as number)),
      completedAt: this.completedAt.slice(from, to).map((time, index) => time - (createdAt[index] as number)),
      notBefore: this.notBefore.slice(from, to),
      expiresAt: this.expiresAt.slice(from, to),
      phase: numbers(this.phases),
      owner: numbers(this.owners),
      labels: Float64Array.from(this.labels.subarray(from, to), (number) => {
        const labels = this.labelSets[number] ?? []
        return labelSets.of(labels.join("\n"), labels)
      }),
      edgeCounts: Float64Array.from(this.edgeCounts.subarray(from, to)),
      targets: Float64Array.from(targets),
      names: names.values,
      labelSets: labelSets.values,
      missing: missing.values
    }
  }

  /** Stores a part that was read. Returns whether it is one that can follow; these columns must not be used after one that cannot. */
  tryApply(part: KeyframePart): boolean {
    const { created, createdAt, createdPositions, edgeCounts, idLengths, ordinals, targets } = part
    const isWhole =
      [part.status, part.priority, part.position, part.completedAt, part.notBefore, part.expiresAt].every(
        ({ length }) => length === ordinals.length
      ) &&
      [part.phase, part.owner, part.labels, edgeCounts].every(({ length }) => length === ordinals.length) &&
      [createdAt, createdPositions, idLengths].every(({ length }) => length === created) &&
      sum(edgeCounts) === targets.length &&
      sum(idLengths) === part.idBytes.length &&
      isAscendingBelow(ordinals, this.count + created) &&
      (created === 0 || ordinals[ordinals.length - created] === this.count)
    if (isWhole) this.apply(part)
    return isWhole
  }

  /** Stores a part of a keyframe over these cards. */
  apply(part: KeyframePart): void {
    const { created, edgeCounts, idBytes, idLengths, ordinals } = part
    const changed = ordinals.length - created
    this.#reserve(this.count + created)
    this.#reserveIds(idBytes.length)
    this.#idBytes.set(idBytes, this.#idLength)
    const firstNew = this.count
    let idEnd = this.#idLength
    this.createdPositions.set(part.createdPositions, firstNew)
    this.createdAt.set(part.createdAt, firstNew)
    for (let index = 0; index < created; index++) {
      idEnd += idLengths[index] as number
      this.#idEnds[firstNew + index] = idEnd
    }
    this.#idLength = idEnd
    this.count += created
    if (this.missing.length > 0) {
      for (let ordinal = firstNew; ordinal < this.count; ordinal++) {
        const number = this.#missingNumbers.get(this.idOf(ordinal))
        if (number !== undefined) this.#resolved[number] = ordinal
      }
    }
    const names = Int32Array.from(part.names, (name) => this.nameNumber(name))
    const labelSets = Int32Array.from(part.labelSets, (labels) => this.labelNumber(labels))
    const missing = Int32Array.from(part.missing, (id) => -1 - this.missingNumber(id))
    const targetsFrom = this.#targetCount
    this.#reserveTargets(part.targets.length)
    for (let index = 0; index < part.targets.length; index++) {
      const target = part.targets[index] as number
      this.targets[targetsFrom + index] = target >= 0 ? target : (missing[-1 - target] as number)
    }
    this.#targetCount += part.targets.length
    store(this.statuses, part, firstNew, part.status)
    store(this.priorities, part, firstNew, part.priority)
    store(this.positions, part, firstNew, part.position, this.createdPositions)
    store(this.completedAt, part, firstNew, part.completedAt, this.createdAt)
    store(this.notBefore, part, firstNew, part.notBefore)
    store(this.expiresAt, part, firstNew, part.expiresAt)
    storeNumbers(this.phases, part, firstNew, part.phase, names)
    storeNumbers(this.owners, part, firstNew, part.owner, names)
    storeNumbers(this.labels, part, firstNew, part.labels, labelSets)
    store(this.edgeCounts, part, firstNew, edgeCounts)
    let edge = targetsFrom
    for (let index = 0; index < ordinals.length; index++) {
      this.edgeStarts[index < changed ? (ordinals[index] as number) : firstNew + index - changed] = edge
      edge += edgeCounts[index] as number
    }
  }

  #reserve(count: number): void {
    if (count <= this.createdPositions.length) return
    const capacity = Math.max(1024, count, this.createdPositions.length * 2)
    this.createdPositions = grown(this.createdPositions, new Float64Array(capacity))
    this.createdAt = grown(this.createdAt, new Float64Array(capacity))
    this.positions = grown(this.positions, new Float64Array(capacity))
    this.completedAt = grown(this.completedAt, new Float64Array(capacity))
    this.notBefore = grown(this.notBefore, new Float64Array(capacity))
    this.expiresAt = grown(this.expiresAt, new Float64Array(capacity))
    this.priorities = grown(this.priorities, new Int32Array(capacity))
    this.statuses = grown(this.statuses, new Uint8Array(capacity))
    this.phases = grown(this.phases, new Int32Array(capacity))
    this.owners = grown(this.owners, new Int32Array(capacity))
    this.labels = grown(this.labels, new Int32Array(capacity))
    this.edgeStarts = grown(this.edgeStarts, new Uint32Array(capacity))
    this.edgeCounts = grown(this.edgeCounts, new Uint32Array(capacity))
    this.#idEnds = grown(this.#idEnds, new Float64Array(capacity))
  }

  #reserveIds(more: number): void {
    const length = this.#idLength + more
    if (length > this.#idBytes.length) {
      this.#idBytes = grown(this.#idBytes, new Uint8Array(Math.max(length, this.#idBytes.length * 2)))
    }
  }

  #reserveTargets(more: number): void {
    const length = this.#targetCount + more
    if (length > this.targets.length) {
      this.targets = grown(this.targets, new Int32Array(Math.max(length, this.targets.length * 2)))
    }
  }
}

/** Stores a column of a part, added to another column of the same cards if there is one. */
const store = (
  target: Float64Array | Int32Array | Uint32Array | Uint8Array,
  { created, ordinals }: KeyframePart,
  firstNew: number,
  values: Float64Array,
  added?: Float64Array
): void => {
  const changed = ordinals.length - created
  for (let index = 0; index < changed; index++) {
    const ordinal = ordinals[index] as number
    target[ordinal] = (values[index] as number) + (added === undefined ? 0 : (added[ordinal] as number))
  }
  if (added === undefined) target.set(changed === 0 ? values : values.subarray(changed), firstNew)
  else {
    for (let index = 0; index < created; index++) {
      target[firstNew + index] = (values[changed + index] as number) + (added[firstNew + index] as number)
    }
  }
}

/** Stores a column of indexes: NaN as -1, any other index as its number. */
const storeNumbers = (
  target: Int32Array,
  { created, ordinals }: KeyframePart,
  firstNew: number,
  indexes: Float64Array,
  numbers: Int32Array
): void => {
  const changed = ordinals.length - created
  for (let place = 0; place < ordinals.length; place++) {
    const index = indexes[place] as number
    // NaN is not equal to itself.
    const number = index === index ? (numbers[index] as number) : -1
    target[place < changed ? (ordinals[place] as number) : firstNew + place - changed] = number
  }
}

const sum = (values: Float64Array): number => {
  let total = 0
  for (let index = 0; index < values.length; index++) total += values[index] as number
  return total
}

const isAscendingBelow = (values: Float64Array, end: number): boolean => {
  let last = -1
  for (let index = 0; index < values.length; index++) {
    const value = values[index] as number
    if (!(value > last)) return false
    last = value
  }
  return last < end
}

const grown = <A extends { set(values: A): void }>(old: A, larger: A): A => {
  larger.set(old)
  return larger
}

/**
 * Encodes cards as a part. `states` are in the order of their ordinals; those from `firstNew` on are created by this part. `targetOf`
 * returns the ordinal of a dependency, or undefined while no card has the id.
 */
export const toPart = (
  states: ReadonlyArray<readonly [ordinal: number, state: PastState]>,
  firstNew: number,
  targetOf: (id: CardId) => number | undefined
): KeyframePart => {
  const names = new Numbers<string>()
  const labelSets = new Numbers<ReadonlyArray<string>>()
  const missing = new Numbers<string>()
  const fresh = states.filter(([ordinal]) => ordinal >= firstNew)
  const ids = fresh.map(([, { card }]) => Buffer.from(card.id))
  const column = (value: (state: PastState) => number): Float64Array =>
    Float64Array.from(states, ([, state]) => value(state))
  const nameOf = (name: string | null): number => (name === null ? Number.NaN : names.of(name, name))
  const millis = (time: DateTime.Utc | null): number => (time === null ? Number.NaN : DateTime.toEpochMillis(time))
  const targets: Array<number> = []
  for (const [, { card }] of states) {
    for (const id of card.dependsOn) targets.push(targetOf(id) ?? -1 - missing.of(id, id))
  }
  return {
    ordinals: Float64Array.from(states, ([ordinal]) => ordinal),
    created: fresh.length,
    idLengths: Float64Array.from(ids, (id) => id.length),
    idBytes: Buffer.concat(ids),
    createdPositions: Float64Array.from(fresh, ([, state]) => state.createdPosition),
    createdAt: Float64Array.from(fresh, ([, { card }]) => DateTime.toEpochMillis(card.createdAt)),
    status: column(({ card }) => statusNumbers.indexOf(card.status)),
    priority: column(({ card }) => card.priority),
    position: column(({ createdPosition, position }) => position - createdPosition),
    completedAt: column(({ card }) => millis(card.completedAt) - DateTime.toEpochMillis(card.createdAt)),
    notBefore: column(({ card }) => millis(card.notBefore)),
    expiresAt: column(({ card }) => millis(card.claimExpiresAt)),
    phase: column(({ card }) => nameOf(card.phase)),
    owner: column(({ card }) => nameOf(card.claimOwner)),
    labels: column(({ card }) => labelSets.of(card.labels.join("\n"), card.labels)),
    edgeCounts: column(({ card }) => card.dependsOn.length),
    targets: Float64Array.from(targets),
    names: names.values,
    labelSets: labelSets.values,
    missing: missing.values
  }
}

/** Numbers values by the order in which they first appear. */
class Numbers<A> {
  readonly values: Array<A> = []
  readonly #numbers = new Map<string, number>()

  of(key: string, value: A): number {
    const known = this.#numbers.get(key)
    if (known !== undefined) return known
    const number = this.values.push(value) - 1
    this.#numbers.set(key, number)
    return number
  }
}
