import type { Effect } from "effect"
import type { SqlClient, SqlError, Statement } from "effect/sql"
import { arrayLiteral } from "../sql/arrayLiteral.ts"
import { prepareStatement, type Placeholders } from "../sql/prepareStatement.ts"
import { memoizeByFlags } from "../sql/memoize.ts"
import type { CardId } from "../domain/CardId.ts"
import type { ClaimFilter } from "../domain/Command.ts"
import type { CardTables } from "./CardTables.ts"

/**
 * A locked card, for `decodeCountedCard`, with the version in the statement's snapshot. If the two versions differ, the edges
 * are older than the row.
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
  /** Cards that are claimed by their ids. */
  readonly except: string
  readonly limit: number
}

/** The condition of claimable cards for a filter, among cards that are not deferred. */
const isCandidate = (
  sql: SqlClient.SqlClient,
  { minPriority, phase }: Placeholders<ClaimValues>,
  hasPhase: boolean,
  hasPriority: boolean
): Statement.Fragment =>
  sql`status = 'ready' AND unmet_dependencies = 0 AND NOT deferred${
    hasPhase ? sql` AND phase = ${phase}` : sql``
  }${hasPriority ? sql` AND priority >= ${minPriority}` : sql``}`

/**
 * The claim query: locks the best claimable cards in claim order, except those that other transactions have locked. The
 * condition and the order are exactly those of the index `cards_claim_order` or `cards_claim_order_by_phase`, so the cost
 * depends on `limit` alone, and not on how many cards there are or how many of them are done, blocked, claimed, waiting or
 * deferred. Cards whose retry time has passed must be woken before (`wakeDeferred`): then the condition is the definition of
 * claimable.
 */
export const claimStatement = (
  sql: SqlClient.SqlClient,
  { cards, columns, snapshotVersion }: CardTables,
  claim: Placeholders<ClaimValues>,
  hasPhase: boolean,
  hasPriority: boolean,
  hasExceptions: boolean
): Statement.Statement<LockedRow> => sql`
  SELECT ${columns}, ${snapshotVersion} FROM ${cards} AS cards
  WHERE ${isCandidate(sql, claim, hasPhase, hasPriority)}${hasExceptions ? sql` AND cards.id <> ALL(${claim.except}::text[])` : sql``}
  ORDER BY priority DESC, created_at, cards.id
  LIMIT ${claim.limit} FOR UPDATE OF cards SKIP LOCKED`

/** Runs `claimStatement`. Cards in `except` are skipped. */
export type ClaimQuery = (
  filter: ClaimFilter,
  limit: number,
  except?: ReadonlySet<string>
) => Effect.Effect<ReadonlyArray<LockedRow>, SqlError.SqlError>

export const makeClaimQuery = (sql: SqlClient.SqlClient, tables: CardTables): ClaimQuery => {
  const query = memoizeByFlags((hasPhase: boolean, hasPriority: boolean, hasExceptions: boolean) =>
    prepareStatement<ClaimValues, LockedRow>(sql, (claim) =>
      claimStatement(sql, tables, claim, hasPhase, hasPriority, hasExceptions)
    )
  )
  return ({ minPriority, phase }, limit, except = noCards) =>
    query(
      phase !== undefined,
      minPriority !== undefined,
      except.size > 0
    )({ phase, minPriority, except: arrayLiteral(except), limit })
}

const noCards: ReadonlySet<string> = new Set()
