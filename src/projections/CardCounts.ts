import { Effect } from "effect"
import { SqlClient, type SqlError, type Statement } from "effect/sql"
import type { Status } from "../domain/Card.ts"
import { prepareStatement } from "../sql/prepareStatement.ts"
import { inTransaction, beginReadCommitted } from "../sql/inTransaction.ts"

/** The number of cards of each kind, or its change. `waiting` counts the ready cards that have an unmet dependency. */
export type CardCounts = Readonly<Record<Status | "waiting", number>>

export const cardKinds = ["ready", "waiting", "claimed", "blocked", "done"] as const

/** Counts that are updated card by card. */
export class CardTally implements CardCounts {
  ready = 0
  waiting = 0
  claimed = 0
  blocked = 0
  done = 0

  /** Adds a card, or with -1 removes it. */
  add(card: { readonly status: Status; readonly unmetDependencies: number }, by: 1 | -1): void {
    this[card.status] += by
    if (card.status === "ready" && card.unmetDependencies > 0) this.waiting += by
  }
}

/**
 * The row of counts. It holds the position of the log up to which it counts: if that is not the end of the log, a program of
 * a version without counts has written, and the row is ignored (decision 22).
 */
export interface CountsTable {
  /** Adds the changes of the last `events` events of the log, in the transaction that appended them. */
  readonly add: (changed: CardCounts, events: number) => Effect.Effect<unknown, SqlError.SqlError>
  /** Recounts by reading every card, in the caller's transaction, which has locked the head. */
  readonly recount: Effect.Effect<unknown, SqlError.SqlError>
  /**
   * Recounts if the row is behind the log and this role may update it; never on a hot standby. All commands wait meanwhile.
   */
  readonly recountIfBehind: Effect.Effect<void, SqlError.SqlError>
  /** The stored counts; no row if they are behind the log. */
  readonly stored: Statement.Statement<CardCounts>
  /** The counts, by reading every card. */
  readonly counted: Statement.Statement<CardCounts>
}

export const makeCountsTable = (sql: SqlClient.SqlClient, schema: string): CountsTable => {
  const counts = sql(`${schema}.counts`)
  const cards = sql(`${schema}.cards`)
  const head = sql(`${schema}.head`)
  const columns = sql.literal(cardKinds.join())
  const numbers = sql.literal(cardKinds.map((kind) => `${kind}::float8`).join())
  const counting = sql.literal(
    cardKinds
      .map((kind) => {
        const condition = kind === "waiting" ? "status = 'ready' AND unmet_dependencies > 0" : `status = '${kind}'`
        return `count(*) FILTER (WHERE ${condition}) AS ${kind}`
      })
      .join()
  )
  const recount = sql`
    UPDATE ${counts} SET (position, ${columns}) = (SELECT (SELECT position FROM ${head}), ${counting} FROM ${cards})`
  const add = prepareStatement<CardCounts & { readonly events: number }>(
    sql,
    (changed) => sql`
      UPDATE ${counts} AS counts SET position = head.position, ready = ready + ${changed.ready}::int4,
        waiting = waiting + ${changed.waiting}::int4, claimed = claimed + ${changed.claimed}::int4,
        blocked = blocked + ${changed.blocked}::int4, done = done + ${changed.done}::int4
      FROM ${head} AS head WHERE counts.position = head.position - ${changed.events}::int4`
  )
  return {
    add: (changed, events) => add({ ...changed, events }),
    recount,
    recountIfBehind: Effect.gen(function* () {
      const [found] = yield* sql<{ readonly isBehind: boolean }>`
        SELECT counts.position <> head.position AND NOT pg_is_in_recovery()
          AND has_column_privilege(${`${schema}.counts`}, 'position', 'UPDATE') AS "isBehind"
        FROM ${counts} AS counts, ${head} AS head`
      if (found?.isBehind !== true) return
      yield* Effect.andThen(sql`SELECT FROM ${head} FOR UPDATE`, recount).pipe(
        inTransaction(sql),
        Effect.provideService(SqlClient.BeginTransaction, beginReadCommitted)
      )
    }),
    stored: sql<CardCounts>`SELECT ${numbers} FROM ${counts} AS counts JOIN ${head} AS head USING (position)`,
    counted: sql<CardCounts>`SELECT ${numbers} FROM (SELECT ${counting} FROM ${cards}) AS counted`
  }
}
