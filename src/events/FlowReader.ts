import { Effect } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { type FlowKind, flowKinds } from "../domain/FlowTally.ts"
import { arrayLiteral } from "../sql/arrayLiteral.ts"

/** The events of a page that `flow` counts, as columns. Times are in milliseconds since 1970. */
export interface FlowPage {
  /** The cards of the events; empty texts for events whose card is not needed. */
  readonly ids: ReadonlyArray<string>
  /** Each is a `FlowKind`. */
  readonly kinds: Uint8Array
  readonly times: Float64Array
  readonly versions: Int32Array
  /** The owners that the events name; empty texts for events without one. Undefined if they were not requested. */
  readonly owners: ReadonlyArray<string> | undefined
  /** The chain hash of the last event of the range. `undefined` if the log ends before. */
  readonly chainHash: string | undefined
}

/** What a page contains in addition to claims and completions. */
export interface FlowPageOptions {
  /** The cards of all events. */
  readonly allIds: boolean
  readonly owners: boolean
}

/** One of a card's events, by its version. */
export interface CardEventPlace {
  readonly id: string
  readonly version: number
}

/** Queries of the log for `flow`. */
export interface FlowReader {
  /** The events after one position and up to another that `flow` counts, in no particular order. */
  readonly page: (after: number, upTo: number, options: FlowPageOptions) => Effect.Effect<FlowPage, SqlError.SqlError>
  /** The chain hashes of the events at these positions. */
  readonly chainHashes: (
    positions: ReadonlyArray<number>
  ) => Effect.Effect<ReadonlyMap<number, string>, SqlError.SqlError>
  /** For each place, the time of the card's first claim before it, in milliseconds since 1970, or NaN if there is none. */
  readonly firstClaims: (places: ReadonlyArray<CardEventPlace>) => Effect.Effect<Float64Array, SqlError.SqlError>
}

/** A page has the digit of the kind of each event. */
const digit = (kind: FlowKind): string => `'${kind}'`

/** The code of the digit 0. */
const zero = 48

/*
 * A page is one row. Names contain no line feeds, so texts are joined with them. One row for each event would take several times
 * longer. The index of positions finds the events. Their columns are in the order of the scan, which is the same for all.
 */
export const makeFlowReader = (sql: SqlClient.SqlClient, schema: string): FlowReader => {
  const events = sql(`${schema}.events`)
  const owner = sql.literal(
    "coalesce(data ->> 'owner', data -> 'claim' ->> 'owner', data -> 'endedClaim' ->> 'owner', '')"
  )
  const kindOf = sql.literal(`CASE type WHEN 'CardClaimed' THEN ${digit(flowKinds.claimed)}
    WHEN 'CardCompleted' THEN ${digit(flowKinds.completed)} WHEN 'CardCreated' THEN ${digit(flowKinds.created)}
    WHEN 'CardReclaimed' THEN ${digit(flowKinds.expired)} ELSE ${digit(flowKinds.failed)} END`)
  const neededId = sql.literal("CASE WHEN type IN ('CardClaimed', 'CardCompleted') THEN card_id ELSE '' END")
  return {
    page: (after, upTo, options) =>
      Effect.map(
        sql<PageRow>`
          SELECT string_agg(${options.allIds ? sql`card_id` : neededId}, chr(10)) AS ids,
            string_agg(${kindOf}, '') AS kinds,
            string_agg(timestamptz_send(recorded_at) || int4send(version), '') AS places,
            ${options.owners ? sql`string_agg(${owner}, chr(10))` : sql`NULL::text`} AS owners,
            (SELECT encode(chain_hash, 'hex') FROM ${events} AS last WHERE position = ${BigInt(upTo)}::int8) AS "chainHash"
          FROM ${events} WHERE position > ${BigInt(after)}::int8 AND position <= ${BigInt(upTo)}::int8
            AND (type IN ('CardClaimed', 'CardCompleted', 'CardCreated')
              OR type = 'CardReleased' AND data ->> 'notBefore' IS NOT NULL
              OR type = 'CardBlocked' AND data -> 'endedClaim' ->> 'owner' IS NOT NULL
              OR type = 'CardReclaimed' AND data ->> 'why' = 'expired')`,
        ([row]) => parsePage(row, options)
      ),
    chainHashes: (positions) =>
      Effect.map(
        sql<{ readonly position: number; readonly hash: string }>`
          SELECT position::float8 AS position, encode(chain_hash, 'hex') AS hash
          FROM ${events} WHERE position = ANY(${arrayLiteral(positions)}::int8[])`,
        (rows) => new Map(rows.map(({ hash, position }) => [position, hash]))
      ),
    firstClaims: (places) => {
      const asked = sql`ROWS FROM (pg_catalog.unnest(${arrayLiteral(places.map(({ id }) => id))}::text[]),
        pg_catalog.unnest(${arrayLiteral(places.map(({ version }) => version))}::int4[]))`
      return Effect.map(
        sql<{ readonly times: Uint8Array | null }>`
          SELECT string_agg(timestamptz_send(coalesce(first.recorded_at, 'infinity')), '' ORDER BY asked.n) AS times
          FROM ${asked} WITH ORDINALITY AS asked (id, version, n) LEFT JOIN LATERAL (
            SELECT recorded_at FROM ${events} AS events
            WHERE events.card_id = asked.id AND events.version < asked.version AND type = 'CardClaimed'
            ORDER BY events.version LIMIT 1) AS first ON true`,
        ([row]) => {
          const view = viewOf(row?.times)
          return Float64Array.from(places, (_, index) => parseTime(view, index * bytesPerTime))
        }
      )
    }
  }
}

interface PageRow {
  readonly ids: string | null
  readonly kinds: string | null
  readonly places: Uint8Array | null
  readonly owners: string | null
  readonly chainHash: string | null
}

const bytesPerTime = 8
const bytesPerPlace = 12

/** Milliseconds from 1970 to 2000, the epoch of Postgres. */
const epoch = 946_684_800_000

/** The upper half of the time `infinity`. */
const infinite = 0x7f_ff_ff_ff

const viewOf = (bytes: Uint8Array | null | undefined): DataView =>
  bytes === null || bytes === undefined
    ? new DataView(new ArrayBuffer(0))
    : new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** A time in the binary format of Postgres, in milliseconds since 1970. NaN if it is infinite. */
const parseTime = (view: DataView, offset: number): number => {
  const upper = view.getInt32(offset)
  return upper === infinite ? Number.NaN : (upper * 2 ** 32 + view.getUint32(offset + 4)) / 1000 + epoch
}

const parsePage = (row: PageRow | undefined, options: FlowPageOptions): FlowPage => {
  const digits = row?.kinds ?? ""
  const ids = splitLines(row?.ids)
  const owners = options.owners ? splitLines(row?.owners) : undefined
  if (ids.length !== digits.length || (owners !== undefined && owners.length !== digits.length)) {
    throw new Error("an id or an owner in the log contains a line feed: verify the log")
  }
  const view = viewOf(row?.places)
  const kinds = new Uint8Array(digits.length)
  const times = new Float64Array(digits.length)
  const versions = new Int32Array(digits.length)
  for (let index = 0; index < digits.length; index++) {
    kinds[index] = digits.charCodeAt(index) - zero
    times[index] = parseTime(view, index * bytesPerPlace)
    versions[index] = view.getInt32(index * bytesPerPlace + bytesPerTime)
  }
  return { ids, kinds, times, versions, owners, chainHash: row?.chainHash ?? undefined }
}

const splitLines = (text: string | null | undefined): ReadonlyArray<string> =>
  text === null || text === undefined ? [] : text.split("\n")
