import type { PgConnection } from "@effect/sql-pg"
import { Effect, Stream } from "effect"
import type { SqlConnection, SqlError } from "effect/sql"
import { mayHaveCommitted, SessionWatch } from "./ConnectionMonitor.ts"

/** How a statement is guarded: see `SessionWatch.guard`. */
export type Guard = <A>(statement: Effect.Effect<A, SqlError.SqlError>) => Effect.Effect<A, SqlError.SqlError>

/**
 * A session as the client's statements use it. Every statement goes through the guard, and a commit that did not wait
 * for its standby is an error.
 */
export const sessionConnection = (
  session: PgConnection.PgConnection,
  guard: Guard,
  streams: SqlConnection.Connection["executeStream"] = (text, params, transform) => {
    const rows = session.stream(text, params)
    return transform === undefined ? rows : Stream.mapArray(rows, (chunk) => transform(chunk) as typeof chunk)
  }
): SqlConnection.Connection => {
  const watch = SessionWatch.of(session)
  const query = (text: string, params: ReadonlyArray<unknown>, prepare?: boolean) =>
    guard(confirmed(watch, session.query(text, params, prepare)))
  const values = (text: string, params: ReadonlyArray<unknown>, prepare?: boolean) =>
    guard(confirmed(watch, session.queryValues(text, params, prepare)))
  const rows = (text: string, params: ReadonlyArray<unknown>, prepare: boolean) =>
    Effect.map(query(text, params, prepare), (result) => result.rows)
  return {
    execute: (text, params, transform) =>
      transform === undefined ? rows(text, params, true) : Effect.map(rows(text, params, true), transform),
    executeUnprepared: (text, params, transform) =>
      transform === undefined ? rows(text, params, false) : Effect.map(rows(text, params, false), transform),
    executeRaw: (text, params) => query(text, params),
    executeValues: (text, params) => values(text, params),
    executeValuesUnprepared: (text, params) => values(text, params, false),
    executeStream: streams
  }
}

/** Fails when the server no longer waited for a standby while the statement committed. */
export const confirmed = <A>(watch: SessionWatch, statement: Effect.Effect<A, SqlError.SqlError>) =>
  Effect.suspend(() => {
    const before = watch.unconfirmedCommits
    return Effect.flatMap(statement, (result) =>
      watch.unconfirmedCommits === before
        ? Effect.succeed(result)
        : Effect.fail(mayHaveCommitted("its replication to a standby was cancelled"))
    )
  })
