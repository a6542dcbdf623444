import type { FlowGrouping } from "../domain/Flow.ts"
import { type Cells, type FlowKind, flowKinds, type FlowTally } from "../domain/FlowTally.ts"
import type { CardEventPlace, FlowPage } from "../events/FlowReader.ts"
import type { FlowCardRows } from "./flowCards.ts"

/** What is needed to count a completion. */
interface Completion {
  readonly card: number
  readonly version: number
}

/**
 * The events of a part of the log, and what is known of their cards. Cards have numbers, so that each event costs one search for
 * its card, and everything else is in arrays.
 */
export class FlowWindow {
  readonly #pages: ReadonlyArray<FlowPage>
  readonly #tally: FlowTally
  readonly #by: FlowGrouping | undefined
  readonly #numbers = new Map<string, number>()
  readonly #ids: Array<string> = []
  /** The number of the card of each event of each page; -1 for events whose card is not needed. */
  readonly #cards: ReadonlyArray<Int32Array>
  readonly #claimCounts: Int32Array
  readonly #claimVersions: Int32Array
  readonly #claimTimes: Float64Array
  readonly #isCompleted: Uint8Array
  readonly #isKnown: Uint8Array
  readonly #attempts: Int32Array
  readonly #createdAt: Float64Array
  readonly #groups: Array<ReadonlyArray<Cells>>
  /** The cells of each combination of groups. */
  readonly #cells = new Map<string, ReadonlyArray<Cells>>()

  constructor(pages: ReadonlyArray<FlowPage>, by: FlowGrouping | undefined, tally: FlowTally) {
    this.#pages = pages
    this.#tally = tally
    this.#by = by
    this.#cards = pages.map(({ ids }) => {
      const cards = new Int32Array(ids.length)
      for (let index = 0; index < cards.length; index++) cards[index] = this.#numberOf(ids[index] as string)
      return cards
    })
    const count = this.#ids.length
    this.#claimCounts = new Int32Array(count)
    this.#claimVersions = new Int32Array(count)
    this.#claimTimes = new Float64Array(count)
    this.#isCompleted = new Uint8Array(count)
    this.#isKnown = new Uint8Array(count)
    this.#attempts = new Int32Array(count)
    this.#createdAt = new Float64Array(count)
    this.#groups = Array.from({ length: count })
    this.#forEach((kind, card, version, time) => {
      if (kind === flowKinds.claimed) this.#addClaim(card, version, time)
      else if (kind === flowKinds.completed) this.#isCompleted[card] = 1
    })
  }

  #numberOf(id: string): number {
    if (id === "") return -1
    let number = this.#numbers.get(id)
    if (number === undefined) {
      number = this.#ids.push(id) - 1
      this.#numbers.set(id, number)
    }
    return number
  }

  #forEach(
    visit: (kind: FlowKind, card: number, version: number, time: number, owner: string | undefined) => void
  ): void {
    for (const [page, { kinds, owners, times, versions }] of this.#pages.entries()) {
      const cards = this.#cards[page] as Int32Array
      for (let index = 0; index < cards.length; index++) {
        visit(
          kinds[index] as FlowKind,
          cards[index] as number,
          versions[index] as number,
          times[index] as number,
          owners?.[index]
        )
      }
    }
  }

  #addClaim(card: number, version: number, time: number): void {
    const count = this.#claimCounts[card] as number
    this.#claimCounts[card] = count + 1
    if (count > 0 && (this.#claimVersions[card] as number) < version) return
    this.#claimVersions[card] = version
    this.#claimTimes[card] = time
  }

  /** Adds cards. Those without events in the window are ignored. */
  addCards({ attempts, createdAt, groups, ids }: FlowCardRows): void {
    for (let index = 0; index < ids.length; index++) {
      const card = this.#numbers.get(ids[index] as string)
      if (card === undefined) continue
      this.#isKnown[card] = 1
      this.#attempts[card] = attempts[index] as number
      this.#createdAt[card] = createdAt[index] as number
      if (groups !== undefined) this.#groups[card] = this.#cellsOf(groups[index] as string)
    }
  }

  /** The cells of groups that are joined with tabs. */
  #cellsOf(joined: string): ReadonlyArray<Cells> {
    let cells = this.#cells.get(joined)
    if (cells === undefined) {
      const groups = joined === "" ? [null] : joined.split("\t")
      this.#cells.set(joined, (cells = groups.map((group) => this.#tally.cellsOf(group))))
    }
    return cells
  }

  /** The cards that are not known and that were completed, or the others. */
  unknownCards(completed: boolean): ReadonlyArray<string> {
    return this.#ids.filter((_, card) => this.#isKnown[card] === 0 && (this.#isCompleted[card] === 1) === completed)
  }

  /**
   * The time of a card's first claim before one of its events, or NaN if there is none. `undefined` if the window does not
   * contain it. The first claim in the window is the first of all if it follows the creation of the card, or if all claims of the
   * card are in the window.
   */
  #firstClaim({ card, version }: Completion): number | undefined {
    const attempts = this.#attempts[card] as number
    if (attempts === 0) return Number.NaN
    const count = this.#claimCounts[card] as number
    const claimVersion = this.#claimVersions[card] as number
    if (count === 0 || (claimVersion > 2 && count !== attempts)) return undefined
    return claimVersion < version ? this.#claimTimes[card] : Number.NaN
  }

  /** The completions whose first claim is not known. All completed cards must be known. */
  unknownClaims(): ReadonlyArray<CardEventPlace> {
    const places: Array<CardEventPlace> = []
    this.#forEach((kind, card, version) => {
      if (kind !== flowKinds.completed) return
      if (this.#isKnown[card] === 0) failMissing(this.#ids[card] as string)
      if (this.#firstClaim({ card, version }) === undefined) places.push({ id: this.#ids[card] as string, version })
    })
    return places
  }

  /** Counts all events. `firstClaims` has the times of the claims that `unknownClaims` lists, in the same order. */
  count(firstClaims: ReadonlyArray<number>): void {
    let lookedUp = 0
    this.#forEach((kind, card, version, time, owner) => {
      const groups = this.#groupsOf(card, owner)
      if (kind !== flowKinds.completed) {
        this.#tally.add(kind, time, groups, Number.NaN, Number.NaN)
        return
      }
      const first = this.#firstClaim({ card, version }) ?? firstClaims[lookedUp++] ?? Number.NaN
      const lead = Math.max(0, time - (this.#createdAt[card] as number))
      this.#tally.add(kind, time, groups, lead, Math.max(0, time - first))
    })
  }

  #groupsOf(card: number, owner: string | undefined): ReadonlyArray<Cells> {
    if (this.#by === undefined) return noCells
    if (owner !== undefined) return this.#cellsOf(owner)
    return this.#groups[card] ?? failMissing(this.#ids[card] as string)
  }
}

const noCells: ReadonlyArray<Cells> = []

const failMissing = (id: string): never => {
  throw new Error(
    `the read model has no card ${JSON.stringify(id)}, although the log has: verify and rebuild the backlog`
  )
}
