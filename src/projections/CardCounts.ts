import type { Effect } from "effect"
import type { SqlClient, SqlError, Statement } from "effect/sql"
import type { Status } from "../domain/Card.ts"
import { currentHead } from "../events/LogReader.ts"

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
  /** Recounts by reading every card, in the caller's transaction, which has locked the head. */
  readonly recount: Effect.Effect<unknown, SqlError.SqlError>
  /** The stored counts; no row if they are behind the log. */
  readonly stored: Statement.Statement<CardCounts>
  /** The counts, by reading every card. */
  readonly counted: Statement.Statement<CardCounts>
}

export const makeCountsTable = (sql: SqlClient.SqlClient, schema: string): CountsTable => {
  const counts = sql(`${schema}.counts`)
  const cards = sql(`${schema}.cards`)
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
    UPDATE ${counts} SET (position, ${columns}) = (SELECT (SELECT position FROM ${currentHead(sql, schema)} AS head), ${counting} FROM ${cards})`
  return {
    recount,
    stored: sql<CardCounts>`SELECT ${numbers} FROM ${counts} AS counts JOIN ${currentHead(sql, schema)} AS head USING (position)`,
    counted: sql<CardCounts>`SELECT ${numbers} FROM (SELECT ${counting} FROM ${cards}) AS counted`
  }
}
