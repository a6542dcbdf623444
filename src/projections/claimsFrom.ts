import { Effect } from "effect"
import type { SqlClient, SqlError, Statement } from "effect/sql"
import type { CardTables } from "./CardTables.ts"
import type { Divergences } from "./Divergence.ts"

/*
 * Where claims begin (decision 46): columns of the head row say that no claimable card is before a place of the claim order, that
 * no claim expires before a time, and that no retry time is before another. `append_and_project_v4` maintains them, and
 * `lock_and_load_v4` reads them. They count only while `claims_from_position` is the position of the head.
 */

/** Makes the next claims begin at the beginning, in the caller's transaction, which has locked the head. */
export const resetClaimsFrom = (sql: SqlClient.SqlClient, schema: string): Statement.Statement<object> =>
  sql`UPDATE ${sql(`${schema}.head`)} SET claims_from_position = NULL`

/** Checks that no claim overlooks a card. The rows must be verified before. */
export const checkClaimsFrom = (
  sql: SqlClient.SqlClient,
  { cards, head }: CardTables,
  divergences: Divergences
): Effect.Effect<void, SqlError.SqlError> =>
  Effect.map(
    sql<{ readonly id: string; readonly kind: string }>`
      SELECT overlooked.id, kind FROM ${head} AS head CROSS JOIN LATERAL (
        SELECT id, 'claimable card' AS kind FROM ${cards}
        WHERE status = 'ready' AND unmet_dependencies = 0 AND NOT deferred AND (priority > claims_from_priority
          OR priority = claims_from_priority AND (created_at, id) < (claims_from_created, claims_from_id))
        UNION ALL SELECT id, 'claim that expires' FROM ${cards}
        WHERE status = 'claimed' AND claim_expires_at < claims_from_expiry
        UNION ALL SELECT id, 'retry time' FROM ${cards} WHERE deferred AND not_before < claims_from_retry) AS overlooked
      WHERE claims_from_position = head.position ORDER BY 1 LIMIT 1000`,
    (rows) => {
      for (const { id, kind } of rows) {
        divergences.add({
          check: "claimsFrom",
          cardId: id,
          position: null,
          field: null,
          expected: `no ${kind} before the place where claims begin`,
          found: "one"
        })
      }
    }
  )
