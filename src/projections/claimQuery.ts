import type { Effect } from "effect"
import type { SqlClient, SqlError, Statement } from "effect/sql"
import { arrayLiteral } from "../sql/arrayLiteral.ts"
import { prepareStatement, type Placeholders } from "../sql/prepareStatement.ts"
import { memoizeByFlags } from "../sql/memoize.ts"
import type { CardId } from "../domain/CardId.ts"
import type { ClaimFilter } from "../domain/Command.ts"
import type { CardTables } from "./CardTables.ts"

/**
 * A card that was locked, as `decodeCountedCard` takes it, and the version that there was when the statement began: when
 * that is another, the edges were read before the card was changed.
 */
export interface LockedRow {
  readonly id: CardId
  readonly version: number
  readonly snapshotVersion: number | null
}

/** The values of the statement that locks the best claimable cards. */
export interface ClaimValues {
  readonly phase: string | undefined
  readonly minPriority: number | undefined
  /** Cards that are spoken for. */
  readonly except: string
  readonly limit: number
}

/**
 * Whether a claim, among cards of one phase or of a priority at least if that is asked for, may take a card whose retry
 * time, if it had one, has been seen to pass.
 */
const isCandidate = (
  sql: SqlClient.SqlClient,
  { minPriority, phase }: Placeholders<ClaimValues>,
  ofPhase: boolean,
  ofPriority: boolean
): Statement.Fragment =>
  sql`status = 'ready' AND unmet_dependencies = 0 AND NOT deferred${
    ofPhase ? sql` AND phase = ${phase}` : sql``
  }${ofPriority ? sql` AND priority >= ${minPriority}` : sql``}`

/**
 * Locks the best claimable cards that nobody else has locked, in claim order. The condition and the order are exactly
 * those of the index `cards_claim_order`, or `cards_claim_order_by_phase`, so the cost depends on `limit` alone and not
 * on how many cards there are, nor on how many of them are done, blocked, claimed, waiting or deferred. Cards whose retry
 * time has passed must have been woken before (`wakeDeferred`): then the condition is the definition of claimable.
 */
export const claimStatement = (
  sql: SqlClient.SqlClient,
  { cards, columns, snapshotVersion }: CardTables,
  claim: Placeholders<ClaimValues>,
  ofPhase: boolean,
  ofPriority: boolean,
  isWithExceptions: boolean
): Statement.Statement<LockedRow> => sql`
  SELECT ${columns}, ${snapshotVersion} FROM ${cards} AS cards
  WHERE ${isCandidate(sql, claim, ofPhase, ofPriority)}${isWithExceptions ? sql` AND cards.id <> ALL(${claim.except}::text[])` : sql``}
  ORDER BY priority DESC, created_at, cards.id
  LIMIT ${claim.limit} FOR UPDATE OF cards SKIP LOCKED`

/** Runs `claimStatement`. `except` names cards that are spoken for. */
export type ClaimQuery = (
  choice: ClaimFilter,
  limit: number,
  except?: ReadonlySet<string>
) => Effect.Effect<ReadonlyArray<LockedRow>, SqlError.SqlError>

export const makeClaimQuery = (sql: SqlClient.SqlClient, tables: CardTables): ClaimQuery => {
  const query = memoizeByFlags((ofPhase: boolean, ofPriority: boolean, isWithExceptions: boolean) =>
    prepareStatement<ClaimValues, LockedRow>(sql, (claim) =>
      claimStatement(sql, tables, claim, ofPhase, ofPriority, isWithExceptions)
    )
  )
  return ({ minPriority, phase }, limit, except = nobody) =>
    query(
      phase !== undefined,
      minPriority !== undefined,
      except.size > 0
    )({ phase, minPriority, except: arrayLiteral(except), limit })
}

const nobody: ReadonlySet<string> = new Set()
