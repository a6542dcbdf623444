import { PgClient } from "@effect/sql-pg"
import { Effect, Redacted } from "effect"
import { SqlClient } from "effect/sql"

/** Runs statements one after the other, without a transaction, and returns the rows of the last. */
export const runSql = (url, statements) =>
  Effect.runPromise(
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      let rows = []
      for (const statement of statements) rows = yield* sql.unsafe(statement)
      return rows
    }).pipe(Effect.provide(PgClient.layer({ url: Redacted.make(url), maxConnections: 1 })))
  )

/** Returns the URL of the same server with another database or user. */
export const onServer = (url, { database, user }) => {
  const changed = new URL(url)
  if (database !== undefined) changed.pathname = database
  if (user !== undefined) changed.username = user
  return changed.href
}
