import type { SqlClient, Statement } from "effect/sql"
import { arrayLiteral } from "../events/arrayLiteral.ts"
import type { CardId } from "../domain/CardId.ts"
import type { ClaimChoice } from "../domain/Command.ts"
import type { CardTables } from "./CardTables.ts"

/**
 * A card that was locked, as `decodeCountedCard` takes it, and the version that there was when the statement began: when
 * that is another, the edges were read before the card was changed.
 */
export interface LockedRow {
  readonly id: CardId
  readonly version: number
  readonly versionSeen: number | null
}

/** Whether a claim may take a card whose retry time, if it had one, has been seen to pass. */
export const isCandidate = (sql: SqlClient.SqlClient, { minimumPriority, phase }: ClaimChoice): Statement.Fragment =>
  sql`status = 'ready' AND unmet_dependencies = 0 AND NOT deferred${
    phase === undefined ? sql`` : sql` AND phase = ${phase}`
  }${minimumPriority === undefined ? sql`` : sql` AND priority >= ${minimumPriority}`}`

/** Whether a card is one that claims name and that could be theirs. */
export const isClaimedById = (sql: SqlClient.SqlClient, ids: ReadonlySet<string>): Statement.Fragment =>
  sql`cards.id = ANY(${arrayLiteral(ids)}::text[]) AND status IN ('ready', 'claimed')`

/**
 * Locks the best claimable cards that nobody else has locked, in claim order. The condition and the order are exactly
 * those of the index `cards_claim_order`, or `cards_claim_order_by_phase`, so the cost depends on `limit` alone and not
 * on how many cards there are, nor on how many of them are done, blocked, claimed, waiting or deferred. Cards whose retry
 * time has passed must have been woken before (`wakeDeferred`): then the condition is the definition of claimable.
 * `except` names cards that are spoken for.
 */
export const claimQuery = (
  sql: SqlClient.SqlClient,
  { cards, columns, versionSeen }: CardTables,
  choice: ClaimChoice,
  limit: number,
  except: ReadonlySet<string> = new Set()
): Statement.Statement<LockedRow> => sql`
  SELECT ${columns}, ${versionSeen} FROM ${cards} AS cards
  WHERE ${isCandidate(sql, choice)}${except.size === 0 ? sql`` : sql` AND cards.id <> ALL(${arrayLiteral(except)}::text[])`}
  ORDER BY priority DESC, created_at, cards.id
  LIMIT ${limit} FOR UPDATE OF cards SKIP LOCKED`
