import type { SqlClient, Statement } from "effect/sql"

/** The read model's tables in one schema, and the fragments that every query on them shares. */
export interface CardTables {
  readonly cards: Statement.Identifier
  readonly dependencies: Statement.Identifier
  /** The columns of a card with its dependencies and counter, as `decodeCountedCard` takes them. */
  readonly columns: Statement.Fragment
  /** The version that a card has for the statement's snapshot, while `version` is that of the row which it has locked. */
  readonly versionSeen: Statement.Fragment
  /** The definition of claimable, as SQL: what `isClaimable` says of a row of `cards` at `now`. */
  readonly claimable: (now: Statement.Fragment) => Statement.Fragment
}

export const makeCardTables = (sql: SqlClient.SqlClient, schema: string): CardTables => {
  const cards = sql(`${schema}.cards`)
  const dependencies = sql(`${schema}.dependencies`)
  return {
    cards,
    dependencies,
    columns: sql`cards.id, title, body, phase, priority, status, unmet_dependencies AS "unmetDependencies",
      ARRAY(SELECT depends_on_id FROM ${dependencies} AS edge WHERE edge.card_id = cards.id ORDER BY depends_on_id)
        AS "dependsOn",
      claim_owner AS "claimOwner", claim_ttl_seconds AS "claimTtlSeconds", claimed_at AS "claimedAt",
      claim_expires_at AS "claimExpiresAt", claim_token_high * 2147483648::float8 + claim_token AS "claimToken", attempts, not_before AS "notBefore",
      idempotency_key AS "idempotencyKey", acceptance, result, blocked_reason AS "blockedReason",
      created_at AS "createdAt", updated_at AS "updatedAt", completed_at AS "completedAt", version`,
    versionSeen: sql`(SELECT seen.version FROM ${cards} AS seen WHERE seen.id = cards.id) AS "versionSeen"`,
    claimable: (now) =>
      sql`status = 'ready' AND unmet_dependencies = 0 AND (not_before IS NULL OR not_before <= ${now})`
  }
}
