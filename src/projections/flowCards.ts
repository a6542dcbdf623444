import { DateTime, Effect } from "effect"
import type { SqlClient, SqlError, Statement } from "effect/sql"
import type { FlowGrouping, FlowTimes } from "../domain/Flow.ts"
import type { Group } from "../domain/FlowTally.ts"
import { arrayLiteral } from "../sql/arrayLiteral.ts"
import type { CardTables } from "./CardTables.ts"

/** Groups that follow from the card. */
export type CardGrouping = Exclude<FlowGrouping, "owner">

/** Cards, as columns. */
export interface FlowCardRows {
  readonly ids: ReadonlyArray<string>
  /** The phase, or the labels joined with tabs; an empty text without. Undefined if they were not requested. */
  readonly groups: ReadonlyArray<string> | undefined
  /** In milliseconds since 1970. */
  readonly createdAt: Float64Array
  /** How many times each card was claimed. */
  readonly attempts: Int32Array
}

/** The ages of the cards that are ready. */
export interface ReadyAges {
  readonly all: FlowTimes
  /** Empty without groups. */
  readonly groups: ReadonlyMap<Group, FlowTimes>
  /** The end of the log. */
  readonly position: number
}

/** Queries of cards for `flow`. */
export interface FlowCards {
  /** The cards with these ids. */
  readonly get: (
    ids: ReadonlyArray<string>,
    groups: CardGrouping | undefined
  ) => Effect.Effect<FlowCardRows, SqlError.SqlError>
  /** The cards that are done, and that were completed from the time of one event to that of another, by their positions. */
  readonly completedBetween: (
    positions: readonly [first: number, last: number],
    groups: CardGrouping | undefined
  ) => Effect.Effect<FlowCardRows, SqlError.SqlError>
  readonly readyAges: (by: FlowGrouping | undefined, now: DateTime.Utc) => Effect.Effect<ReadyAges, SqlError.SqlError>
}

/*
 * The cards are one row: one row for each would take several times longer. Names contain no line feeds and no tabs, so texts are
 * joined with them.
 */
export const makeFlowCards = (sql: SqlClient.SqlClient, schema: string, { cards, head }: CardTables): FlowCards => {
  const events = sql(`${schema}.events`)
  const groupOf: Readonly<Record<CardGrouping, string>> = {
    phase: "coalesce(cards.phase, '')",
    label: "pg_catalog.array_to_string(cards.labels, chr(9))"
  }
  const columnsWith = (by: CardGrouping | undefined) =>
    sql.literal(`string_agg(cards.id, chr(10)) AS ids,
      ${by === undefined ? "NULL::text" : `string_agg(${groupOf[by]}, chr(10))`} AS groups,
      string_agg(float8send(date_part('epoch', cards.created_at) * 1000) || int4send(cards.attempts), '') AS numbers`)

  // Descending, because the oldest cards have the greatest age.
  const percentile = (share: number) =>
    `date_part('epoch', pg_catalog.percentile_disc(${share}) WITHIN GROUP (ORDER BY created_at DESC)) * 1000`

  const selectAges = (group: Statement.Fragment, from: Statement.Fragment, groupBy: Statement.Fragment) =>
    sql<AgeRow>`
      SELECT ${group} AS "group", count(*)::float8 AS count, ${sql.literal(percentile(0.5))} AS half,
        ${sql.literal(percentile(0.9))} AS most, ${sql.literal(percentile(0.99))} AS nearly_all,
        (SELECT position::float8 FROM ${head} AS head) AS position
      FROM ${from} WHERE status = 'ready' ${groupBy}`

  const everyCard = sql`${cards} AS cards`

  return {
    get: (ids, by) =>
      Effect.map(
        sql<CardsRow>`
          SELECT ${columnsWith(by)} FROM pg_catalog.unnest(${arrayLiteral(ids)}::text[]) AS asked (id)
          CROSS JOIN LATERAL (SELECT id, phase, labels, created_at, attempts FROM ${cards} AS cards
            WHERE cards.id = asked.id OFFSET 0) AS cards`,
        (rows) => parseCards(rows, by)
      ),
    completedBetween: ([first, last], by) => {
      const timeOf = (position: number) =>
        sql`(SELECT recorded_at FROM ${events} AS events WHERE position = ${BigInt(position)}::int8)`
      return Effect.map(
        sql<CardsRow>`
          SELECT ${columnsWith(by)} FROM ${cards} AS cards
          WHERE status = 'done' AND completed_at BETWEEN ${timeOf(first)} AND ${timeOf(last)}`,
        (rows) => parseCards(rows, by)
      )
    },
    readyAges: Effect.fnUntraced(function* (by, now) {
      const timesOf = (row: AgeRow | undefined): FlowTimes => {
        const age = (created: number | null | undefined) =>
          created === null || created === undefined ? null : Math.max(0, DateTime.toEpochMillis(now) - created) / 1000
        return { count: row?.count ?? 0, p50: age(row?.half), p90: age(row?.most), p99: age(row?.nearly_all) }
      }
      const [total] = yield* selectAges(sql`NULL::text`, everyCard, sql``)
      const all = timesOf(total)
      const position = total?.position ?? 0
      if (by === undefined) return { all, groups: new Map(), position }
      // A ready card has no owner.
      if (by === "owner") return { all, groups: new Map([[null, all]]), position }
      const rows = yield* by === "phase"
        ? selectAges(sql`phase`, everyCard, sql`GROUP BY phase`)
        : selectAges(
            sql`label`,
            sql`${everyCard} LEFT JOIN LATERAL pg_catalog.unnest(cards.labels) AS label (label) ON true`,
            sql`GROUP BY label`
          )
      return {
        all,
        groups: new Map(rows.map((row) => [row.group, timesOf(row)] as const)),
        position: rows.reduce((last, row) => Math.max(last, row.position), position)
      }
    })
  }
}

interface CardsRow {
  readonly ids: string | null
  readonly groups: string | null
  readonly numbers: Uint8Array | null
}

/** The percentiles are times of creation, in milliseconds since 1970. */
interface AgeRow {
  readonly group: string | null
  readonly count: number
  readonly half: number | null
  readonly most: number | null
  readonly nearly_all: number | null
  readonly position: number
}

const bytesPerCard = 12

const parseCards = ([row]: ReadonlyArray<CardsRow>, by: CardGrouping | undefined): FlowCardRows => {
  const ids = row?.ids?.split("\n") ?? []
  const groups = by === undefined ? undefined : (row?.groups?.split("\n") ?? [])
  const createdAt = new Float64Array(ids.length)
  const attempts = new Int32Array(ids.length)
  const numbers = row?.numbers ?? new Uint8Array()
  const view = new DataView(numbers.buffer, numbers.byteOffset, numbers.byteLength)
  for (let index = 0; index < ids.length; index++) {
    createdAt[index] = view.getFloat64(index * bytesPerCard)
    attempts[index] = view.getInt32(index * bytesPerCard + 8)
  }
  return { ids, groups, createdAt, attempts }
}
