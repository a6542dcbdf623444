import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { createHash } from "node:crypto"
import { erasableFields } from "../../src/events/ContentHash.ts"
import { tables } from "./backlogs.ts"
import { canonical, type EventRow, readLog } from "./verifyBacklog.ts"

/*
 * Attacks by a user with all privileges on the database. No trigger, constraint or hash prevents them.
 */

/** Removes all triggers and CHECK constraints of the backlog's tables. */
export const disarm = Effect.gen(function* () {
  const { schema, sql } = yield* tables
  for (const table of ["events", "head", "cards", "dependencies"]) {
    yield* sql`ALTER TABLE ${sql(`${schema}.${table}`)} DISABLE TRIGGER ALL`
  }
  const checks = yield* sql<{ readonly table: string; readonly name: string }>`
    SELECT relname AS table, conname AS name FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
    WHERE contype = 'c' AND pg_class.relnamespace = ${schema}::regnamespace`
  for (const { name, table } of checks) {
    yield* sql`ALTER TABLE ${sql(`${schema}.${table}`)} DROP CONSTRAINT ${sql(name)}`
  }
})

const sha256 = (...parts: ReadonlyArray<Buffer | string>): Buffer =>
  parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest()

const bytes = (hex: string): Buffer => Buffer.from(hex, "hex")

/** Recomputes the commitments of a row from its current payload, with the existing salts, or salts of zeros. */
const recommitted = ({ commitments, data }: EventRow): EventRow["commitments"] => {
  const fresh: Record<string, { readonly salt?: string; readonly sha256: string }> = {}
  for (const [field, old] of Object.entries(commitments)) {
    if (old.salt === undefined || !erasableFields.has(field)) fresh[field] = old
  }
  for (const [field, value] of Object.entries(data)) {
    if (value === null || !erasableFields.has(field)) continue
    const salt = commitments[field]?.salt ?? "00".repeat(16)
    fresh[field] = { salt, sha256: sha256(bytes(salt), canonical(value)).toString("hex") }
  }
  return fresh
}

/** Recomputes the commitments of an event, but not its hashes. */
export const recommit = (position: number) =>
  Effect.gen(function* () {
    const { events, sql } = yield* tables
    for (const event of yield* readLog) {
      if (event.position !== position) continue
      yield* sql`UPDATE ${events} SET commitments = ${JSON.stringify(recommitted(event))}::text::jsonb
        WHERE position = ${BigInt(position)}`
    }
  })

/** Recomputes all hashes of the log and the head, so that the log is consistent in itself. */
export const rehash = Effect.gen(function* () {
  const { events, head, sql } = yield* tables
  let chain: Buffer = Buffer.alloc(32)
  const log = yield* readLog
  for (const event of log) {
    const commitments = recommitted(event)
    const data: Record<string, unknown> = { ...event.data }
    for (const [field, { sha256: commitment }] of Object.entries(commitments)) data[field] = { sha256: commitment }
    const content = sha256(
      canonical({
        cardId: event.cardId,
        version: event.version,
        type: event.type,
        schemaVersion: event.schemaVersion,
        data,
        actor: event.actor,
        correlationId: event.correlationId,
        causationId: event.causationId,
        commandId: event.commandId,
        occurredAt: event.occurredAt.toISOString(),
        recordedAt: event.recordedAt.toISOString()
      })
    )
    chain = sha256(chain, content)
    yield* sql`UPDATE ${events} SET content_hash = ${content}, chain_hash = ${chain},
      commitments = ${JSON.stringify(commitments)}::text::jsonb WHERE position = ${BigInt(event.position)}`
  }
  const last = log.at(-1)
  yield* sql`UPDATE ${head} SET position = ${BigInt(last?.position ?? 0)},
    guarded_position = ${BigInt(last?.position ?? 0)}, chain_hash = ${chain},
    recorded_at = coalesce(${last?.recordedAt ?? null}::timestamptz, '-infinity')`
})

/** A forged event. Its hashes are zeros until `rehash`. */
export interface ForgedEvent {
  readonly cardId: string
  readonly version: number
  readonly type: string
  readonly schemaVersion?: number
  readonly data: object
  readonly at?: string
}

/** Inserts an event at a position. Its recording time defaults to that of the previous event. */
export const insertEvent = (position: number, event: ForgedEvent) =>
  Effect.gen(function* () {
    const { events, sql } = yield* tables
    yield* sql`
      INSERT INTO ${events} (position, card_id, version, type, schema_version, data, commitments, actor, occurred_at,
        recorded_at, content_hash, chain_hash)
      SELECT ${BigInt(position)}::int8, ${event.cardId}, ${event.version}::int4, ${event.type},
        ${event.schemaVersion ?? 1}::int4, ${JSON.stringify(event.data)}::text::jsonb, '{}'::jsonb, 'forger',
        recorded_at, recorded_at, decode(repeat('00', 32), 'hex'), decode(repeat('00', 32), 'hex')
      FROM (SELECT coalesce(${event.at ?? null}::timestamptz, (SELECT recorded_at FROM ${events}
        WHERE position < ${BigInt(position)}::int8 ORDER BY position DESC LIMIT 1), '2026-01-01Z') AS recorded_at) AS time`
  })

/** The rows of tables as text, sorted. */
export const dump = (...names: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const { schema, sql } = yield* tables
    const contents: Record<string, ReadonlyArray<string>> = {}
    for (const name of names) {
      const rows = yield* sql<{ readonly text: string }>`
        SELECT rows::text AS text FROM ${sql(`${schema}.${name}`)} AS rows ORDER BY rows::text COLLATE "C"`
      contents[name] = rows.map(({ text }) => text)
    }
    return contents
  })

/** The events up to a position, the cards except some, and the edges, as text: an import must not change them. */
export const dumpUpTo = (position: number, except: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const { cards, dependencies, events, sql } = yield* tables
    const rows = yield* sql<{ readonly text: string }>`
      SELECT events::text AS text FROM ${events} AS events WHERE position <= ${BigInt(position)}
      UNION ALL SELECT cards::text FROM ${cards} AS cards WHERE ${except.length === 0 ? sql`true` : sql`NOT ${sql.in("id", except)}`}
      UNION ALL SELECT edges::text FROM ${dependencies} AS edges ORDER BY text`
    return rows.map(({ text }) => text)
  })

/** The names of all tables of the backlog. */
export const tableNames = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { schema } = yield* tables
  const rows = yield* sql<{ readonly name: string }>`
    SELECT relname AS name FROM pg_class WHERE relnamespace = ${schema}::regnamespace AND relkind = 'r' ORDER BY relname`
  return rows.map(({ name }) => name)
})
