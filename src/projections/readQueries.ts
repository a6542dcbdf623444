import { DateTime, Effect, Option } from "effect"
import type { SqlClient, SqlError, Statement } from "effect/sql"
import type { Card } from "../domain/Card.ts"
import type { CardId } from "../domain/CardId.ts"
import type { UnmetDependency } from "../domain/Explanation.ts"
import type { Stats } from "../domain/Stats.ts"
import { currentHead } from "../events/LogReader.ts"
import { outsideLog, type Shown } from "../events/ReadGate.ts"
import type { CountsTable } from "./CardCounts.ts"
import { type CardTables, decodeCountedCard } from "./CardTables.ts"
import { type CardQueries, makeCardQueries } from "./cardQueries.ts"
import { type ClaimEndQueries, makeClaimEndQueries } from "./claimEndQueries.ts"
import { type ClaimOutlookQueries, makeClaimOutlookQueries } from "./claimOutlookQueries.ts"
import { type GraphQueries, makeGraphQueries } from "./graphQueries.ts"
import { type ListFilter, makeListQuery } from "./listQueries.ts"
import { databaseNow, databaseTime } from "../sql/DatabaseClock.ts"
import { prepareStatement } from "../sql/prepareStatement.ts"

/** The facts of an explanation. */
export interface CardWithUnmet {
  readonly card: Card
  readonly unmet: ReadonlyArray<UnmetDependency>
  readonly now: DateTime.Utc
}

/**
 * The queries of the read model, for `ReadGate`. Each result comes from one statement, so it is a state that existed. The same
 * statement reads the position that it shows.
 */
export interface ReadQueries extends CardQueries, ClaimEndQueries, ClaimOutlookQueries, GraphQueries {
  /** Shows the position of the card's own last event: the card depends on no later one. */
  readonly get: (id: CardId) => Effect.Effect<Shown<Option.Option<Card>>, SqlError.SqlError>
  readonly list: (filter: ListFilter) => Effect.Effect<Shown<ReadonlyArray<Card>>, SqlError.SqlError>
  readonly stats: Effect.Effect<Shown<Stats>, SqlError.SqlError>
  readonly getWithUnmet: (id: CardId) => Effect.Effect<Shown<Option.Option<CardWithUnmet>>, SqlError.SqlError>
}

export const makeReadQueries = (
  sql: SqlClient.SqlClient,
  schema: string,
  tables: CardTables,
  counts: CountsTable,
  clockOverride: () => Date | null
): ReadQueries => {
  const { cards, columns, dependencies } = tables
  const now = () => databaseNow(sql, clockOverride)
  /** The end of the log in the snapshot of the statement. */
  const end = sql`(SELECT position::float8 FROM ${currentHead(sql, schema)} AS head)`

  const selectCard = prepareStatement<{ readonly id: CardId }, ShownRow>(
    sql,
    ({ id }) => sql`SELECT ${columns}, position::float8 AS shown FROM ${cards} AS cards WHERE id = ${id}`
  )

  const get = (id: CardId) =>
    Effect.map(selectCard({ id }), ([row]): Shown<Option.Option<Card>> =>
      row === undefined ? noCard : { value: Option.some(decodeCountedCard(row).card), position: row.shown }
    )

  /** The counts and times that depend on the clock, by indexes. */
  const selectTimed = (clock: Statement.Fragment) => sql`
    SELECT ${clock} AS now,
      (SELECT count(*) FROM ${cards} WHERE deferred AND not_before > ${clock} AND unmet_dependencies = 0) AS deferred,
      (SELECT count(*) FROM ${cards} WHERE status = 'claimed' AND claim_expires_at <= ${clock}) AS expired,
      (SELECT min(created_at) FROM ${cards} WHERE status = 'ready') AS oldest`

  const selectStats = (counted: Statement.Fragment) =>
    Effect.map(
      sql<StatsRow>`
        WITH clock AS MATERIALIZED (SELECT ${now()} AS now)
        SELECT ${end} AS shown, ready, waiting, claimed, blocked, done, ready + claimed + blocked + done AS total,
          ready - waiting - deferred AS claimable, expired::float8 AS "expiredClaimCount",
          extract(epoch FROM now - oldest)::float8 AS "oldestReadyAgeSeconds"
        FROM (${selectTimed(sql`(SELECT now FROM clock)`)}) AS timed, (${counted}) AS counted`,
      ([row]) => {
        if (row === undefined) return Option.none<Shown<Stats>>()
        const { blocked, claimed, done, ready, shown, ...rest } = row
        return Option.some<Shown<Stats>>({
          value: { counts: { ready, claimed, blocked, done }, ...rest },
          position: shown
        })
      }
    )

  const stats = Effect.suspend(() => selectStats(counts.stored)).pipe(
    Effect.flatMap(
      Option.match({
        onSome: Effect.succeed,
        onNone: () => Effect.map(selectStats(counts.counted), Option.getOrThrow)
      })
    )
  )

  const selectWithUnmet = prepareStatement<{ readonly id: CardId; readonly override: Date | null }, UnmetRow>(
    sql,
    ({ id, override }) => sql`
      SELECT ${columns}, ${end} AS shown, ${databaseTime(sql, override)} AS now, (
          SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', edge.depends_on_id, 'status', target.status)
            ORDER BY edge.depends_on_id), '[]'::jsonb)
          FROM ${dependencies} AS edge LEFT JOIN ${cards} AS target ON target.id = edge.depends_on_id
          WHERE edge.card_id = cards.id AND target.status IS DISTINCT FROM 'done'
        ) AS unmet
      FROM ${cards} AS cards WHERE id = ${id}`
  )

  const getWithUnmet = (id: CardId) =>
    Effect.map(
      Effect.suspend(() => selectWithUnmet({ id, override: clockOverride() })),
      ([row]): Shown<Option.Option<CardWithUnmet>> =>
        row === undefined
          ? noCard
          : {
              value: Option.some({
                card: decodeCountedCard(row).card,
                unmet: row.unmet,
                now: DateTime.fromDateUnsafe(row.now)
              }),
              position: row.shown
            }
    )

  return {
    get,
    list: makeListQuery(sql, schema, tables, now, end),
    stats,
    getWithUnmet,
    ...makeCardQueries(sql, schema, tables, now, end),
    ...makeGraphQueries(sql, tables, now, end),
    ...makeClaimEndQueries(sql, tables, end),
    ...makeClaimOutlookQueries(sql, tables, now, end)
  }
}

/** A card is never deleted, so a failover can lose a card, but cannot make a missing card appear. */
const noCard: Shown<Option.None<never>> = outsideLog(Option.none() as Option.None<never>)

/** A row with the position that it shows. */
interface ShownRow {
  readonly shown: number
}

interface UnmetRow extends ShownRow {
  readonly now: Date
  readonly unmet: ReadonlyArray<UnmetDependency>
}

interface StatsRow extends ShownRow {
  readonly ready: number
  readonly claimed: number
  readonly blocked: number
  readonly done: number
  readonly total: number
  readonly claimable: number
  readonly waiting: number
  readonly oldestReadyAgeSeconds: number | null
  readonly expiredClaimCount: number
}
