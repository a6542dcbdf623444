import { Effect } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { promisify } from "node:util"
import { deflateRaw } from "node:zlib"
import type { UndecodableEvent } from "../events/EventCodec.ts"
import type { EventLog } from "../events/EventLog.ts"
import { beginReadCommitted, inTransaction } from "../sql/inTransaction.ts"
import { CardColumns, toPart } from "./CardColumns.ts"
import type { Keyframes } from "./Keyframes.ts"
import { decodePart, encodePart, keyframeFormat, type KeyframePart } from "./keyframeCodec.ts"
import { PastWindow } from "./PastWindow.ts"

/** Cards in one part of a keyframe with all cards. */
const cardsPerPart = 16_384

/**
 * Minimum number of keyframes before one with all cards is due. In a backlog with many cards, it is due after an eighth as many events
 * as there are cards. Each event then costs the writing of eight cards, and a reader reads few keyframes with changes.
 */
const leastContinuations = 20
const eventsPerCard = 1 / 8

/** Writes keyframes. */
export interface KeyframeWriter {
  /**
   * Writes the first keyframe that is due up to a position and does not exist. Returns whether there was one. There is none for a
   * session that may not write to the table, or while another session writes one. Fails if that session began at the same time.
   *
   * `mayWrite` is called with the position of a keyframe whose predecessor this writer did not write, and returns whether it is
   * written. Defaults to always.
   */
  readonly writeNext: (
    upTo: number,
    mayWrite?: (due: number) => boolean
  ) => Effect.Effect<boolean, SqlError.SqlError | UndecodableEvent>
  /** Releases the memory of the last keyframe that was written. */
  readonly forget: () => void
}

const deflate = promisify(deflateRaw)

const always = () => true

export const makeKeyframeWriter = (
  sql: SqlClient.SqlClient,
  schema: string,
  log: EventLog["Service"],
  keyframes: Keyframes,
  interval: number
): KeyframeWriter => {
  const table = sql(`${schema}.keyframes`)
  const { read } = log
  const tableName = `"${schema.replaceAll('"', '""')}".keyframes`
  /** The cards of the last keyframe that this process wrote. */
  let last: { readonly columns: CardColumns; readonly base: number } | undefined

  // The lock of another writer is looked for first: a lock that is refused is an error in the server's log.
  const findDue = (upTo: number) =>
    Effect.map(
      sql<{ readonly position: number }>`
        SELECT due::float8 AS position FROM pg_catalog.generate_series(
          ${BigInt(interval)}::int8, ${BigInt(upTo)}::int8, ${BigInt(interval)}::int8) AS due
        WHERE current_setting('transaction_read_only') = 'off' AND has_table_privilege(${tableName}, 'INSERT')
          AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_locks
            WHERE relation = ${tableName}::regclass AND mode = 'ShareUpdateExclusiveLock' AND granted
              AND pid <> pg_catalog.pg_backend_pid()
              AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))
          AND NOT EXISTS (SELECT FROM ${table} WHERE position = due AND part = 0 AND format = ${keyframeFormat})
        ORDER BY due LIMIT 1`,
      ([row]) => row?.position
    )

  const readPrevious = Effect.fnUntraced(function* (position: number) {
    if (position === 0) return { columns: new CardColumns(0), base: 0 }
    if (last?.columns.position === position) return last
    const columns = yield* keyframes.load(position)
    if (columns === undefined) return undefined
    const [row] = yield* sql<{ readonly base: number }>`
      SELECT base::float8 AS base FROM ${table} WHERE position = ${BigInt(position)}::int8 AND part = 0`
    return row === undefined ? undefined : { columns, base: row.base }
  })

  const insert = Effect.fnUntraced(function* (
    keyframe: { readonly position: number; readonly base: number; readonly previous: number; readonly cards: number },
    number: number,
    count: number,
    part: KeyframePart
  ) {
    const data = yield* Effect.promise(() => deflate(encodePart(part), { level: 1 }))
    yield* sql`
      INSERT INTO ${table} (position, part, parts, format, base, previous, cards, chain_hash, data)
      SELECT position, ${number}::int4, ${count}::int4, ${keyframeFormat}::int4, ${BigInt(keyframe.base)}::int8,
        nullif(${BigInt(keyframe.previous)}::int8, 0), ${BigInt(keyframe.cards)}::int8, chain_hash, ${data}::bytea
      FROM ${sql(`${schema}.events`)} AS events WHERE position = ${BigInt(keyframe.position)}::int8`
  })

  const write = Effect.fnUntraced(function* (position: number) {
    const previous = position - interval
    yield* sql`DELETE FROM ${table} WHERE position = ${BigInt(position)}::int8`
    const before = yield* readPrevious(previous)
    if (before === undefined) {
      // It is damaged. The next call writes it again.
      yield* sql`DELETE FROM ${table} WHERE position = ${BigInt(previous)}::int8`
      return
    }
    last = undefined
    const { columns } = before
    const changes = yield* new PastWindow(read, columns, "").changesAt(position)
    const states = [...changes.states].sort(([left], [right]) => left - right)
    const part = toPart(states, columns.count, (id) => changes.ordinals.get(id))
    columns.apply(decodePart(encodePart(part)))
    columns.position = position
    const isWhole =
      previous === 0 || position - before.base >= Math.max(leastContinuations * interval, columns.count * eventsPerCard)
    const base = isWhole ? position : before.base
    const keyframe = { position, base, previous, cards: columns.count }
    if (isWhole) {
      const count = Math.max(1, Math.ceil(columns.count / cardsPerPart))
      for (let number = 0; number < count; number++) {
        yield* insert(
          keyframe,
          number,
          count,
          columns.toPart(number * cardsPerPart, Math.min((number + 1) * cardsPerPart, columns.count))
        )
      }
    } else yield* insert(keyframe, 0, 1, part)
    last = { columns, base }
  })

  return {
    writeNext: (upTo, mayWrite = always) =>
      Effect.gen(function* () {
        const due = yield* findDue(upTo)
        if (due === undefined || (last?.columns.position !== due - interval && !mayWrite(due))) return false
        yield* sql`LOCK TABLE ${table} IN SHARE UPDATE EXCLUSIVE MODE NOWAIT`
        // Another session may have written it before it released the lock.
        if ((yield* findDue(due)) !== due) return true
        yield* write(due)
        return true
      }).pipe(
        inTransaction(sql),
        Effect.provideService(SqlClient.BeginTransaction, beginReadCommitted),
        Effect.onError(() => Effect.sync(() => (last = undefined)))
      ),
    forget: () => {
      last = undefined
    }
  }
}
