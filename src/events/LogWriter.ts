/*
 * The statements that write the log without a command. The function `append_and_project_v4` of the migrations appends the
 * events of commands, which `eventLines.ts` encodes. Storage format of `events`: one row an event, with its position, card and version,
 * payload, commitments, origin, times and hashes; `head`: one row with the last position, chain hash and time. See
 * ContentHash.ts for what the hashes cover.
 *
 * Lock order: the head row is the last lock of every transaction, after the graph and all cards. Only the transaction that
 * holds it appends, so positions are dense and in commit order. See docs/decisions/0040-two-functions.md.
 */
import { Array as Arr, Effect } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import {
  arrayLiteral,
  enableArrayNulls,
  fromJsonLines,
  nullableArrayLiteral,
  toJsonLines
} from "../sql/arrayLiteral.ts"
import { chunkRows } from "../sql/bulkStatements.ts"
import { requireDurableCommit } from "../sql/inTransaction.ts"
import { type Placeholders, prepareStatement } from "../sql/prepareStatement.ts"
import { commitChannel } from "./CommitListener.ts"
import type { Commitments, HashedContent } from "./ContentHash.ts"
import { microsecondsSql } from "./LogReader.ts"
import type { StoredEvent } from "./StoredEvent.ts"

/** A row of `head`, as `headColumns` selects it. */
export interface HeadRow {
  readonly position: number
  readonly chainHash: Uint8Array
  /** Microseconds since 1970; null for an empty log. */
  readonly recordedAt: number | null
}

/** Statements that write the log, in the caller's transaction. */
export interface LogWriter {
  /** Locks the head row and reads it. */
  readonly lockHead: Effect.Effect<ReadonlyArray<HeadRow>, SqlError.SqlError>
  /** Inserts events that were stored elsewhere, unchanged, and moves the head to the last of them. */
  readonly restore: (stored: Arr.NonEmptyReadonlyArray<StoredEvent>) => Effect.Effect<void, SqlError.SqlError>
}

/** The columns of `HeadRow`. */
export const headColumns = `position::float8 AS position, chain_hash AS "chainHash",
  ${microsecondsSql("nullif(recorded_at, '-infinity')")} AS "recordedAt"`

export const makeLogWriter = (sql: SqlClient.SqlClient, schema: string): LogWriter => {
  const events = sql(`${schema}.events`)
  const head = sql(`${schema}.head`)

  const lockHead = prepareStatement<object, HeadRow>(
    sql,
    () =>
      sql`SELECT ${sql.literal(headColumns)}, ${enableArrayNulls(sql)} AS "arrayNulls", ${requireDurableCommit(sql)} AS "synchronousCommit" FROM ${head} FOR UPDATE`
  )({})

  const eventColumns = sql.literal(`card_id, version, type, schema_version, data, commitments, actor,
    correlation_id, causation_id, command_id, occurred_at`)
  const eventValues = sql.literal(`card_id, version, type, schema_version, data::jsonb, commitments::jsonb, actor,
    correlation_id, causation_id, command_id, occurred_at`)

  /** The arrays of an event's columns without its place in the log, in the order of `eventColumns`. */
  const contentArrays = (content: Placeholders<ContentValues>) => sql`
    ${content.cardIds}::text[], ${content.versions}::int4[], ${content.types}::text[], ${content.schemaVersions}::int4[],
    ${fromJsonLines(sql, content.data)}, ${fromJsonLines(sql, content.commitments)}, ${content.actors}::text[],
    ${content.correlationIds}::text[], ${content.causationIds}::text[], ${content.commandIds}::text[],
    ${content.occurredAt}::timestamptz[]`

  /** Inserts events unchanged and moves the head to the last of them. */
  const insertStored = prepareStatement<StoredEvents>(
    sql,
    (stored) => sql`
    WITH inserted AS (INSERT INTO ${events} (position, ${eventColumns}, recorded_at, content_hash, chain_hash)
    SELECT position, ${eventValues}, recorded_at, content_hash, chain_hash
    FROM unnest(${contentArrays(stored)}, ${stored.positions}::int8[], ${stored.recordedAt}::timestamptz[],
      ${stored.contentHashes}::bytea[], ${stored.chainHashes}::bytea[]
    ) AS row (${eventColumns}, position, recorded_at, content_hash, chain_hash))
    UPDATE ${head} SET position = ${stored.lastPosition}::int8, guarded_position = ${stored.lastPosition}::int8, chain_hash = ${stored.lastChainHash}::bytea,
      recorded_at = ${stored.lastRecordedAt}::timestamptz
    RETURNING pg_notify(${commitChannel}, ${schema})::text`
  )

  const insertStoredPart = (rows: Arr.NonEmptyReadonlyArray<EventInsert>) => {
    const last = Arr.lastNonEmpty(rows)
    return insertStored({
      ...contentValues(rows),
      positions: arrayLiteral(rows.map((row) => row.position)),
      recordedAt: arrayLiteral(rows.map((row) => row.recordedAt)),
      contentHashes: arrayLiteral(rows.map((row) => row.contentHash)),
      chainHashes: arrayLiteral(rows.map((row) => row.chainHash)),
      lastPosition: last.position,
      lastChainHash: last.chainHash,
      lastRecordedAt: last.recordedAt
    })
  }

  const restore = Effect.fnUntraced(function* (stored: Arr.NonEmptyReadonlyArray<StoredEvent>) {
    const rows = stored.map((event): EventInsert => ({
      content: event,
      commitments: event.commitments as Commitments,
      occurredAt: new Date(event.occurredAt),
      data: JSON.stringify(event.data),
      position: BigInt(event.position),
      recordedAt: new Date(event.recordedAt),
      contentHash: Buffer.from(event.contentHash, "hex"),
      chainHash: Buffer.from(event.chainHash, "hex")
    }))
    for (const chunk of chunkRows(rows, (row) => row.data.length)) yield* insertStoredPart(chunk)
  })

  return { lockHead, restore }
}

interface EventContent {
  readonly content: Omit<HashedContent, "recordedAt">
  readonly commitments: Commitments
  readonly occurredAt: Date
  /** The payload as JSON text. */
  readonly data: string
}

/** The columns of many events' rows without their places in the log, an array each. */
interface ContentValues {
  readonly cardIds: string
  readonly versions: string
  readonly types: string
  readonly schemaVersions: string
  readonly data: string
  readonly commitments: string
  readonly actors: string
  readonly correlationIds: string
  readonly causationIds: string
  readonly commandIds: string
  readonly occurredAt: string
}

/** The values of the statement that restores stored events. */
interface StoredEvents extends ContentValues {
  readonly positions: string
  readonly recordedAt: string
  readonly contentHashes: string
  readonly chainHashes: string
  readonly lastPosition: bigint
  readonly lastChainHash: Uint8Array
  readonly lastRecordedAt: Date
}

const contentValues = (rows: ReadonlyArray<EventContent>): ContentValues => ({
  cardIds: arrayLiteral(rows.map((row) => row.content.cardId)),
  versions: arrayLiteral(rows.map((row) => row.content.version)),
  types: arrayLiteral(rows.map((row) => row.content.type)),
  schemaVersions: arrayLiteral(rows.map((row) => row.content.schemaVersion)),
  data: toJsonLines(rows.map((row) => row.data)),
  commitments: toJsonLines(rows.map((row) => JSON.stringify(row.commitments))),
  actors: arrayLiteral(rows.map((row) => row.content.actor)),
  correlationIds: nullableArrayLiteral(rows.map((row) => row.content.correlationId)),
  causationIds: nullableArrayLiteral(rows.map((row) => row.content.causationId)),
  commandIds: nullableArrayLiteral(rows.map((row) => row.content.commandId)),
  occurredAt: arrayLiteral(rows.map((row) => row.occurredAt))
})

interface EventInsert extends EventContent {
  readonly position: bigint
  readonly recordedAt: Date
  readonly contentHash: Uint8Array
  readonly chainHash: Uint8Array
}
