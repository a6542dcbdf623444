import { DateTime, Effect, Stream } from "effect"
import type { SqlClient } from "effect/sql"
import { createHash } from "node:crypto"
import type { Card } from "../domain/Card.ts"
import { streamPages } from "../sql/pages.ts"
import { CardColumns, type PastState } from "./CardColumns.ts"
import type { Divergences } from "./Divergence.ts"
import { continuesKeyframe, decodeKeyframe, keyframeColumns, type KeyframeRow } from "./Keyframes.ts"
import { keyframeFormat } from "./keyframeCodec.ts"

interface KeyframeHead {
  readonly position: number
  /** Whether it has all cards, and not only those that changed since `previous`. */
  readonly isWhole: boolean
  readonly previous: number
  readonly isOfLog: boolean
}

/** Rows that one statement reads. */
const rowsPerPage = 8

const wordsPerSum = 4

/**
 * The sum of the hashes of the states in each keyframe. A sum does not depend on the order, so the states can come card by card, as the log
 * is verified.
 */
class StateSums {
  readonly #sums: Uint32Array

  constructor(count: number) {
    this.#sums = new Uint32Array(count * wordsPerSum)
  }

  add(index: number, { card, createdPosition, position }: PastState): void {
    const hash = createHash("sha256")
      .update(stateText(card, createdPosition, position))
      .digest()
    for (let word = 0; word < wordsPerSum; word++) {
      const place = index * wordsPerSum + word
      this.#sums[place] = (this.#sums[place] as number) + hash.readUInt32LE(word * 4)
    }
  }

  at(index: number): string {
    return Buffer.from(
      Uint32Array.from(this.#sums.subarray(index * wordsPerSum, (index + 1) * wordsPerSum)).buffer
    ).toString("hex")
  }
}

/** Everything that a keyframe has of a card. */
const stateText = (card: Card, createdPosition: number, position: number): string => {
  const millis = (time: DateTime.Utc | null): number | null => (time === null ? null : DateTime.toEpochMillis(time))
  return JSON.stringify([
    card.id,
    createdPosition,
    millis(card.createdAt),
    position,
    card.status,
    card.priority,
    card.phase,
    card.labels,
    card.claimOwner,
    millis(card.completedAt),
    millis(card.notBefore),
    millis(card.claimExpiresAt),
    card.dependsOn
  ])
}

/** Checks that the keyframes are what the log leads to. */
export class KeyframeCheck {
  readonly #heads: ReadonlyArray<KeyframeHead>
  readonly #positions: ReadonlyArray<number>
  readonly #whole: ReadonlyArray<number>
  readonly #expected: StateSums

  constructor(heads: ReadonlyArray<KeyframeHead>) {
    this.#heads = heads
    this.#positions = heads.map(({ position }) => position)
    this.#whole = heads.flatMap(({ isWhole }, index) => (isWhole ? [index] : []))
    this.#expected = new StateSums(heads.length)
  }

  /** Adds a state that a card had from its position on, up to the position of its next event. */
  add(state: PastState, next: number): void {
    const index = firstFrom(this.#positions, state.position)
    const head = this.#heads[index]
    if (head === undefined || head.position >= next) return
    if (!head.isWhole && state.position > head.previous) this.#expected.add(index, state)
    for (const whole of this.#whole) {
      if (whole < index) continue
      if ((this.#positions[whole] as number) >= next) break
      this.#expected.add(whole, state)
    }
  }

  /** Reads the keyframes and compares them. */
  readonly compare = Effect.fnUntraced(function* (
    this: KeyframeCheck,
    sql: SqlClient.SqlClient,
    schema: string,
    divergences: Divergences
  ) {
    const report = (position: number, expected: string, found: string) =>
      divergences.add({ check: "keyframes", cardId: null, position, field: null, expected, found })
    const found = new StateSums(this.#heads.length)
    const broken = new Set<number>()
    const positions = this.#positions
    let columns = new CardColumns(0)
    let previous: KeyframeRow | undefined
    const rows = streamPages(
      { position: 0, part: 0 },
      (place) => sql<KeyframeRow>`
        SELECT ${sql.literal(keyframeColumns)} FROM ${sql(`${schema}.keyframes`)}
        WHERE (position, part) > (${BigInt(place.position)}::int8, ${place.part}::int4) AND format = ${keyframeFormat}
        ORDER BY position, part LIMIT ${rowsPerPage}`,
      (row) => row
    )
    yield* Stream.runForEach(
      rows,
      Effect.fnUntraced(function* (row: KeyframeRow) {
        const index = firstFrom(positions, row.position)
        const isFirst = row.position === row.base && row.part === 0
        if (isFirst) columns = new CardColumns(0)
        const decoded = continuesKeyframe(isFirst ? undefined : previous, row, row.base)
          ? yield* Effect.promise(() => decodeKeyframe(row))
          : undefined
        previous = row
        if (decoded === undefined || !columns.tryApply(decoded)) broken.add(row.position)
        else for (const ordinal of decoded.ordinals) found.add(index, columns.stateOf(ordinal))
      })
    )
    for (const [index, { isOfLog, position }] of this.#heads.entries()) {
      const expected = this.#expected.at(index)
      const sum = found.at(index)
      if (!isOfLog) report(position, "the hash of the chain at its position", "another hash")
      else if (broken.has(position)) report(position, "a keyframe that can be read", "damaged bytes, or a missing part")
      else if (expected !== sum) report(position, `states with the sum ${expected}`, sum)
    }
  })
}

/** The index of the first position that is not before another. */
const firstFrom = (positions: ReadonlyArray<number>, position: number): number => {
  let low = 0
  let high = positions.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((positions[middle] as number) < position) low = middle + 1
    else high = middle
  }
  return low
}

/** Reads which keyframes there are. */
export const makeKeyframeCheck = (sql: SqlClient.SqlClient, schema: string) =>
  Effect.map(
    sql<KeyframeHead>`
      SELECT frame.position::float8 AS position, base = frame.position AS "isWhole",
        coalesce(previous, 0)::float8 AS previous, events.chain_hash IS NOT DISTINCT FROM frame.chain_hash AS "isOfLog"
      FROM ${sql(`${schema}.keyframes`)} AS frame LEFT JOIN ${sql(`${schema}.events`)} AS events ON events.position = frame.position
      WHERE part = 0 AND format = ${keyframeFormat} ORDER BY frame.position`,
    (heads) => new KeyframeCheck(heads)
  )
