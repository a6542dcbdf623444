import { Clock, Context, Effect, Option } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { promisify } from "node:util"
import { inflateRaw } from "node:zlib"
import type { EventLog } from "../events/EventLog.ts"
import { CardColumns } from "./CardColumns.ts"
import { decodePart, keyframeFormat, type KeyframePart } from "./keyframeCodec.ts"
import { PastWindow } from "./PastWindow.ts"

/**
 * Events between two keyframes: their positions are its multiples. A past state is read from the keyframe before it and at most twice
 * as many events. Defaults to 2,000.
 */
export const KeyframeInterval: Context.Reference<number> = Context.Reference<number>(
  "mosaic-backlog/projections/KeyframeInterval",
  { defaultValue: () => 2_000 }
)

/** Parts that one statement reads. */
const partsPerPage = 16

/** Bytes that are inflated at once: most parts as a whole. */
const chunkSize = 1024 * 1024

/** Time that columns stay in memory after the last read. */
const idleMillis = 60_000

/** A row of `keyframes`. */
export interface KeyframeRow {
  readonly position: number
  readonly part: number
  readonly parts: number
  readonly base: number
  readonly previous: number | null
  readonly cards: number
  readonly data: Uint8Array
}

/** Keyframes: copies of the state of all cards, which follow from the log and make past states fast to read. */
export interface Keyframes {
  /**
   * The cards as of the last keyframe up to a position, from memory if it was read before. None where keyframes are missing: the
   * log must be read instead.
   */
  readonly windowAt: (position: number) => Effect.Effect<Option.Option<PastWindow>, SqlError.SqlError>
  /** Keeps columns in memory that were folded from the log, so that neighboring positions are fast. */
  readonly keep: (columns: CardColumns) => Effect.Effect<PastWindow, SqlError.SqlError>
  /** Reads the columns of exactly this keyframe; none when it is missing, damaged or of another log. */
  readonly load: (position: number) => Effect.Effect<CardColumns | undefined, SqlError.SqlError>
}

const inflate = promisify(inflateRaw)

/** Decodes the data of a row; undefined when it is not that of a keyframe. */
export const decodeKeyframe = (row: KeyframeRow): Promise<KeyframePart | undefined> =>
  inflate(row.data, { chunkSize })
    .then((bytes) => decodePart(bytes))
    .catch(() => undefined)

/** The columns of a row of `keyframes`. */
export const keyframeColumns = `position::float8 AS position, part, parts, base::float8 AS base, previous::float8 AS previous,
  cards::float8 AS cards, data`

interface FoundKeyframe extends Pick<KeyframeRow, "position" | "base" | "cards"> {
  readonly chainHash: string
  readonly writtenAt: string
}

interface Kept {
  readonly window: PastWindow
  /** When the keyframe was written; null for columns that were folded from the log. */
  readonly writtenAt: string | null
}

export const makeKeyframes = (
  sql: SqlClient.SqlClient,
  schema: string,
  log: EventLog["Service"],
  interval: number
): Keyframes => {
  const keyframes = sql(`${schema}.keyframes`)
  const events = sql(`${schema}.events`)
  const { read } = log
  let kept: Kept | undefined
  let usedAt = 0

  /** Forgets columns that were not read for a while. */
  const forgetLater = Effect.fnUntraced(function* () {
    const now = yield* Clock.currentTimeMillis
    if (usedAt === 0) {
      const timer = setInterval(() => {
        if (Date.now() - usedAt < idleMillis) return
        clearInterval(timer)
        usedAt = 0
        kept = undefined
      }, idleMillis / 4)
      timer.unref()
    }
    usedAt = now
  })

  /** The keyframe before a position that continues the chain which the log has now. */
  const find = (position: number) =>
    Effect.map(
      sql<FoundKeyframe>`
        SELECT frame.position::float8 AS position, base::float8 AS base, cards::float8 AS cards, encode(frame.chain_hash, 'hex') AS "chainHash",
          written_at::text AS "writtenAt"
        FROM (
          SELECT * FROM ${keyframes} WHERE position <= ${BigInt(position)}::int8 AND part = 0 AND format = ${keyframeFormat}
          ORDER BY position DESC LIMIT 1) AS frame
        JOIN ${events} AS events ON events.position = frame.position AND events.chain_hash = frame.chain_hash`,
      (rows) => Option.fromUndefinedOr(rows[0])
    )

  /** Reads the columns of a keyframe, or none when a part is missing or damaged. */
  const loadFound = Effect.fnUntraced(function* (found: FoundKeyframe) {
    let columns: CardColumns | undefined
    let place = { position: found.base, part: -1 }
    let previous: KeyframeRow | undefined
    for (;;) {
      const rows: ReadonlyArray<KeyframeRow> = yield* sql<KeyframeRow>`
        SELECT ${sql.literal(keyframeColumns)} FROM ${keyframes}
        WHERE (position, part) > (${BigInt(place.position)}::int8, ${place.part}::int4) AND position <= ${BigInt(found.position)}::int8
          AND format = ${keyframeFormat}
        ORDER BY position, part LIMIT ${partsPerPage}`
      const parts = rows.map(decodeKeyframe)
      for (const [index, row] of rows.entries()) {
        if (!continuesKeyframe(previous, row, found.base)) return undefined
        const decoded = yield* Effect.promise(() => parts[index] ?? Promise.resolve(undefined))
        columns ??= new CardColumns(Math.min(found.cards, found.position))
        if (decoded === undefined || !columns.tryApply(decoded)) return undefined
        previous = row
      }
      const last = rows.at(-1)
      if (last === undefined || (last.position === found.position && last.part === last.parts - 1)) break
      place = last
    }
    if (columns === undefined || previous?.position !== found.position || columns.count !== previous.cards)
      return undefined
    columns.position = found.position
    return columns
  })

  const isCurrent = (one: Kept) =>
    Effect.map(
      sql<{ readonly writtenAt: string | null }>`
        SELECT (SELECT written_at::text FROM ${keyframes} AS frame WHERE frame.position = ${BigInt(one.window.columns.position)}::int8 AND part = 0) AS "writtenAt"
        FROM ${events} AS events
        WHERE position = ${BigInt(one.window.end.position)}::int8 AND chain_hash = decode(${one.window.end.chainHash}, 'hex')`,
      ([row]) => row !== undefined && (one.writtenAt === null || row.writtenAt === one.writtenAt)
    )

  const windowAt = Effect.fnUntraced(function* (position: number) {
    // A transaction may have written events that are never committed.
    const isOpen = Option.isSome(yield* Effect.serviceOption(sql.transactionService))
    yield* forgetLater()
    const own = isOpen ? undefined : kept
    const ownPosition = own?.window.columns.position ?? Number.POSITIVE_INFINITY
    if (own !== undefined && ownPosition <= position && position - ownPosition <= 2 * interval) {
      if (yield* isCurrent(own)) return Option.some(own.window)
    }
    const found = Option.getOrUndefined(yield* find(position))
    if (position - (found?.position ?? 0) > 2 * interval) return Option.none<PastWindow>()
    if (found === undefined) return Option.some(new PastWindow(read, new CardColumns(0), ""))
    const columns = yield* loadFound(found)
    if (columns === undefined) {
      yield* Effect.logWarning(
        `The keyframe at position ${found.position} is damaged and is not used. Verify the backlog; a rebuild writes keyframes again.`
      )
      return Option.none<PastWindow>()
    }
    const window = new PastWindow(read, columns, found.chainHash)
    if (!isOpen) kept = { window, writtenAt: found.writtenAt }
    return Option.some(window)
  })

  const keep = Effect.fnUntraced(function* (columns: CardColumns) {
    const isOpen = Option.isSome(yield* Effect.serviceOption(sql.transactionService))
    const chainHash = Option.getOrUndefined(yield* read.chainHash(columns.position))
    const window = new PastWindow(read, columns, chainHash ?? "")
    if (!isOpen && chainHash !== undefined) {
      yield* forgetLater()
      kept = { window, writtenAt: null }
    }
    return window
  })

  const load = Effect.fnUntraced(function* (position: number) {
    const found = Option.getOrUndefined(yield* find(position))
    return found?.position === position ? yield* loadFound(found) : undefined
  })

  return { windowAt, keep, load }
}

/** Whether a row follows another in a keyframe, or in the one that continues it. */
export const continuesKeyframe = (previous: KeyframeRow | undefined, row: KeyframeRow, base: number): boolean => {
  if (row.base !== base) return false
  if (previous === undefined) return row.position === base && row.part === 0
  return row.position === previous.position
    ? row.part === previous.part + 1 && row.parts === previous.parts
    : row.part === 0 && row.previous === previous.position && previous.part === previous.parts - 1
}
