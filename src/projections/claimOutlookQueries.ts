import { DateTime, Effect } from "effect"
import type { SqlClient, SqlError, Statement } from "effect/sql"
import type { Status } from "../domain/Card.ts"
import type { CardId } from "../domain/CardId.ts"
import { type ClaimOutlook, claimOutlook, maxListedDependencies } from "../domain/ClaimOutlook.ts"
import type { ClaimFilter } from "../domain/Command.ts"
import type { UnmetDependency } from "../domain/Explanation.ts"
import type { Shown } from "../events/ReadGate.ts"
import { arrayLiteral } from "../sql/arrayLiteral.ts"
import type { CardTables } from "./CardTables.ts"

/** A filter of claims, and up to how many cards are counted for it. */
export interface ClaimDemand {
  readonly filter: ClaimFilter
  /** Maximum count. */
  readonly limit: number
}

/** How many cards are claimable, and when there may be more. */
export interface ClaimableCounts {
  /** The number of claimable cards for each demand, in the same order. */
  readonly counts: ReadonlyArray<number>
  /** Seconds until a retry time or the expiry of a lease may make a card claimable; `null` if there is neither. */
  readonly soonestSeconds: number | null
}

/** Queries for claimable cards and for why there are none. Each result comes from one statement, so it is a state that existed. */
export interface ClaimOutlookQueries {
  /** Counts the claimable cards for each demand. The cost does not depend on the number of cards, as for a claim. */
  readonly countClaimable: (
    wanted: ReadonlyArray<ClaimDemand>
  ) => Effect.Effect<Shown<ClaimableCounts>, SqlError.SqlError>
  /** Why a claim finds nothing. The cost grows with the number of cards that are not done. */
  readonly outlook: (choice: ClaimFilter) => Effect.Effect<Shown<ClaimOutlook>, SqlError.SqlError>
}

/** The least `int4`, for a demand without a minimum priority. */
const leastPriority = -(2 ** 31)

export const makeClaimOutlookQueries = (
  sql: SqlClient.SqlClient,
  { cards, claimableLabels, dependencies }: CardTables,
  now: () => Statement.Fragment,
  end: Statement.Fragment
): ClaimOutlookQueries => {
  // The phase is compared only if the filter has one: then each case has an index in claim order.
  const ready = sql`status = 'ready' AND unmet_dependencies = 0 AND NOT deferred AND priority >= wanted.priority`
  const hasLabels = sql`labels @> wanted.labels::text[] AND NOT labels && wanted.without::text[]`
  const matches = sql`unmet_dependencies = 0 AND (wanted.any_phase OR phase = wanted.phase) AND ${hasLabels}`
  const due = sql`priority >= wanted.priority AND ${matches}`
  // The label that the fewest claimable cards have.
  const ofLabel = sql`SELECT FROM ${claimableLabels} AS entry JOIN ${cards} AS cards ON cards.id = entry.id
    WHERE entry.label = (
        SELECT one.label FROM pg_catalog.unnest(wanted.labels::text[]) AS one (label)
        ORDER BY (SELECT count(*) FROM (
          SELECT FROM ${claimableLabels} AS other WHERE other.label = one.label LIMIT 1000) AS bounded), one.label LIMIT 1)
      AND entry.priority >= wanted.priority AND ${matches}`

  const countClaimable = (wanted: ReadonlyArray<ClaimDemand>) =>
    Effect.map(
      Effect.suspend(
        () => sql<{ readonly shown: number; readonly count: number; readonly soonestSeconds: number | null }>`
          WITH clock AS MATERIALIZED (SELECT ${now()} AS now),
            soonest AS MATERIALIZED (SELECT least(
              (SELECT min(not_before) FROM ${cards} WHERE deferred AND not_before > clock.now),
              (SELECT min(claim_expires_at) FROM ${cards} WHERE status = 'claimed' AND claim_expires_at > clock.now)
            ) - clock.now AS wait FROM clock)
          SELECT ${end} AS shown, (CASE WHEN wanted.labels <> '{}'
              THEN (SELECT count(*) FROM (${ofLabel} LIMIT wanted.most) AS one)
              WHEN wanted.without <> '{}'
              THEN (SELECT count(*) FROM (SELECT FROM ${cards} WHERE ${ready}
                AND (wanted.any_phase OR phase = wanted.phase) AND ${hasLabels} LIMIT wanted.most) AS one)
              WHEN wanted.any_phase
              THEN (SELECT count(*) FROM (SELECT FROM ${cards} WHERE ${ready} LIMIT wanted.most) AS one)
              ELSE (SELECT count(*) FROM (SELECT FROM ${cards} WHERE ${ready} AND phase = wanted.phase LIMIT wanted.most) AS one)
            END
            + (SELECT count(*) FROM (SELECT FROM ${cards} WHERE deferred AND not_before <= clock.now AND ${due} LIMIT wanted.most) AS one)
            + (SELECT count(*) FROM (SELECT FROM ${cards}
                WHERE status = 'claimed' AND claim_expires_at <= clock.now AND ${due} LIMIT wanted.most) AS one))::float8 AS count,
            extract(epoch FROM soonest.wait)::float8 AS "soonestSeconds"
          FROM unnest(${arrayLiteral(wanted.map(({ filter }) => filter.phase ?? ""))}::text[],
            ${arrayLiteral(wanted.map(({ filter }) => filter.phase === undefined))}::bool[],
            ${arrayLiteral(wanted.map(({ filter }) => filter.minPriority ?? leastPriority))}::int4[],
            ${arrayLiteral(wanted.map(({ limit }) => limit))}::int8[],
            ${arrayLiteral(wanted.map(({ filter }) => arrayLiteral(filter.labels ?? [])))}::text[],
            ${arrayLiteral(wanted.map(({ filter }) => arrayLiteral(filter.withoutLabels ?? [])))}::text[]) WITH ORDINALITY
            AS wanted (phase, any_phase, priority, most, labels, without, place), clock, soonest
          ORDER BY wanted.place`
      ),
      (rows): Shown<ClaimableCounts> => ({
        value: { counts: rows.map(({ count }) => count), soonestSeconds: rows[0]?.soonestSeconds ?? null },
        position: rows[0]?.shown ?? 0
      })
    )

  const isOpen = sql`status IN ('ready', 'claimed', 'blocked')`
  // The order makes the planner use the index. Otherwise it may read done cards until it finds one that is not.
  const anyOf = (status: Status) =>
    sql`(SELECT true FROM ${cards} WHERE status = ${sql.literal(`'${status}'`)}
      ORDER BY ${sql.literal(status === "ready" ? "created_at" : "priority DESC, created_at, id")} LIMIT 1)`
  const isHeld = sql`status = 'claimed' AND claim_expires_at > clock.now`
  const isFree = sql`(status = 'ready' OR status = 'claimed' AND claim_expires_at <= clock.now)`
  const isDue = sql`(not_before IS NULL OR not_before <= clock.now)`

  const outlook = (choice: ClaimFilter) => {
    const chosen = sql.and([
      isOpen,
      ...(choice.phase === undefined ? [] : [sql`phase = ${choice.phase}`]),
      ...(choice.minPriority === undefined ? [] : [sql`priority >= ${choice.minPriority}`]),
      ...(choice.labels === undefined ? [] : [sql`labels @> ${arrayLiteral(choice.labels)}::text[]`]),
      ...(choice.withoutLabels === undefined ? [] : [sql`NOT labels && ${arrayLiteral(choice.withoutLabels)}::text[]`])
    ])
    return Effect.map(
      Effect.suspend(
        () => sql<OutlookRow>`
          WITH clock AS MATERIALIZED (SELECT ${now()} AS now),
            counts AS (SELECT
                count(*) FILTER (WHERE ${isFree} AND unmet_dependencies = 0 AND ${isDue})::float8 AS claimable,
                count(*) FILTER (WHERE ${isHeld})::float8 AS claimed,
                count(*) FILTER (WHERE ${isFree} AND unmet_dependencies = 0 AND NOT ${isDue})::float8 AS deferred,
                count(*) FILTER (WHERE ${isFree} AND unmet_dependencies > 0)::float8 AS waiting,
                count(*) FILTER (WHERE status = 'blocked')::float8 AS blocked
              FROM ${cards}, clock WHERE ${chosen}),
            expiry AS (SELECT id, claim_owner, claim_expires_at FROM ${cards}, clock
              WHERE ${chosen} AND ${isHeld} AND unmet_dependencies = 0 ORDER BY claim_expires_at, id LIMIT 1),
            retry AS (SELECT id, not_before FROM ${cards}, clock
              WHERE ${chosen} AND deferred AND unmet_dependencies = 0 AND not_before > clock.now ORDER BY not_before, id LIMIT 1),
            nearest AS (SELECT id, unmet_dependencies FROM ${cards}, clock
              WHERE ${chosen} AND ${isFree} AND unmet_dependencies > 0
              ORDER BY unmet_dependencies, priority DESC, created_at, id LIMIT 1)
          SELECT ${end} AS shown, counts.*, EXISTS (SELECT FROM ${cards}) AS "hasCards",
            coalesce(${anyOf("ready")}, ${anyOf("claimed")}, ${anyOf("blocked")}, false) AS "hasOpenCards",
            expiry.id AS "expiryId", expiry.claim_owner AS holder, expiry.claim_expires_at AS "expiresAt",
            retry.id AS "retryId", retry.not_before AS "notBefore",
            nearest.id AS "nearestId", nearest.unmet_dependencies AS "unmetDependencies", (
              SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('id', one.id, 'status', one.status) ORDER BY one.id), '[]'::jsonb)
              FROM (SELECT edge.depends_on_id AS id, target.status
                FROM ${dependencies} AS edge LEFT JOIN ${cards} AS target ON target.id = edge.depends_on_id
                WHERE edge.card_id = nearest.id AND target.status IS DISTINCT FROM 'done'
                ORDER BY edge.depends_on_id LIMIT ${maxListedDependencies}) AS one
            ) AS "waitsFor"
          FROM counts LEFT JOIN expiry ON true LEFT JOIN retry ON true LEFT JOIN nearest ON true`
      ),
      ([row]) => {
        if (row === undefined) throw new Error("the database returned no counts")
        return { value: outlookOf(row), position: row.shown } satisfies Shown<ClaimOutlook>
      }
    )
  }

  return { countClaimable, outlook }
}

interface OutlookRow {
  readonly shown: number
  readonly claimable: number
  readonly claimed: number
  readonly deferred: number
  readonly waiting: number
  readonly blocked: number
  readonly hasCards: boolean
  readonly hasOpenCards: boolean
  readonly expiryId: CardId | null
  readonly holder: string
  readonly expiresAt: Date
  readonly retryId: CardId | null
  readonly notBefore: Date
  readonly nearestId: CardId | null
  readonly unmetDependencies: number
  readonly waitsFor: ReadonlyArray<UnmetDependency & { readonly status: Status | null }>
}

const outlookOf = (row: OutlookRow): ClaimOutlook => {
  const { blocked, claimable, claimed, deferred, expiryId, nearestId, retryId, waiting } = row
  return claimOutlook(
    {
      counts: { claimable, claimed, deferred, waiting, blocked },
      soonestExpiry:
        expiryId === null
          ? null
          : { id: expiryId, holder: row.holder, expiresAt: DateTime.fromDateUnsafe(row.expiresAt) },
      soonestRetry: retryId === null ? null : { id: retryId, notBefore: DateTime.fromDateUnsafe(row.notBefore) },
      nearest:
        nearestId === null ? null : { id: nearestId, unmetDependencies: row.unmetDependencies, waitsFor: row.waitsFor }
    },
    row
  )
}
