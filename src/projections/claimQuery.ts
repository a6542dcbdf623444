import type { SqlClient, Statement } from "effect/sql"
import { arrayLiteral } from "../events/arrayLiteral.ts"
import type { ClaimChoice } from "../domain/Command.ts"
import type { CardTables } from "./CardTables.ts"

/**
 * Locks the best claimable cards that nobody else has locked, in claim order. The condition and the order are exactly
 * those of the index `cards_claim_order`, or `cards_claim_order_by_phase`, so the cost depends on `limit` alone and not
 * on how many cards there are, nor on how many of them are done, blocked, claimed, waiting or deferred. Cards whose retry
 * time has passed must have been woken before (`wakeDeferred`): then the condition is the definition of claimable.
 * `except` names cards that are spoken for.
 */
export const claimQuery = (
  sql: SqlClient.SqlClient,
  { cards }: CardTables,
  { minimumPriority, phase }: ClaimChoice,
  limit: number,
  except: ReadonlyArray<string> = []
): Statement.Statement<{ readonly id: string }> => sql`
  SELECT id FROM ${cards}
  WHERE status = 'ready' AND unmet_dependencies = 0 AND NOT deferred${phase === undefined ? sql`` : sql` AND phase = ${phase}`}${minimumPriority === undefined ? sql`` : sql` AND priority >= ${minimumPriority}`}${except.length === 0 ? sql`` : sql` AND id <> ALL(${arrayLiteral(except)}::text[])`}
  ORDER BY priority DESC, created_at, id
  LIMIT ${limit} FOR UPDATE SKIP LOCKED`
