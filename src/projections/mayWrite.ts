import type { SqlClient, Statement } from "effect/sql"
import { databaseNow } from "../events/DatabaseClock.ts"
import type { CardTables } from "./CardTables.ts"
import { isCandidate, isClaimedById } from "./claimQuery.ts"
import type { Footprint } from "./Footprint.ts"

/**
 * Tells when a batch need not hold the head of the log: a claim that finds nothing to take, or only what others have
 * locked, waits for nobody and is in nobody's way. The condition locks what it finds, so that there is something to take
 * only if this transaction can have it.
 */
export const makeMayWrite =
  (sql: SqlClient.SqlClient, { cards }: CardTables, clockOverride: () => Date | null) =>
  (footprint: Footprint): Statement.Fragment | undefined => {
    const { claimedById, claims, expired, keys, named } = footprint
    if (named.size + keys.size > 0) return undefined
    const canLock = (condition: Statement.Fragment) =>
      sql`EXISTS (SELECT FROM ${cards} AS cards WHERE ${condition} LIMIT 1 FOR UPDATE SKIP LOCKED)`
    const now = sql`(SELECT ${databaseNow(sql, clockOverride)})`
    const conditions = claims.map(({ choice }) => canLock(isCandidate(sql, choice)))
    if (claimedById.size > 0) conditions.push(canLock(isClaimedById(sql, claimedById)))
    if (expired) conditions.push(canLock(sql`status = 'claimed' AND claim_expires_at <= ${now}`))
    if (claims.length > 0) conditions.push(canLock(sql`deferred AND not_before <= ${now}`))
    return sql.or(conditions)
  }
