import type { PgConnection } from "@effect/sql-pg"
import { Effect, Stream } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { type LazyStatement, sendInOrder } from "../../sql/bulkStatements.ts"
import { type BoundStatement, executeStatement, isObserved } from "../../sql/prepareStatement.ts"
import { type Batch, beginStatement } from "../commands/BatchTransaction.ts"
import { ConnectionMonitor, rolledBackError, toSqlConnection } from "./ConnectionMonitor.ts"
import { RoundTrips } from "./RoundTrips.ts"

/** How far the transaction of a batch has come. */
export interface BatchProgress {
  /** Whether the server has answered BEGIN. */
  hasBegun: boolean
  commitSent: boolean
  /**
   * Whether the server has refused one of the last statements: then it does not commit the transaction. After a broken
   * connection, that is unknown.
   */
  isRefused: boolean
}

/**
 * Runs a batch in a transaction of two round trips: BEGIN with the first statement, and the last one with COMMIT. Where something
 * observes statements, each is sent by the client, which shows it to the observer. A failed transaction is rolled back.
 */
export const runBatch = <A>(
  sql: SqlClient.SqlClient,
  session: PgConnection.PgConnection,
  batch: Batch<A>,
  options: {
    /** Whether the server shall answer BEGIN at once. */
    readonly answersAtOnce: boolean
    readonly idleMillis: number | undefined
    readonly progress: BatchProgress
  }
): Effect.Effect<A, SqlError.SqlError> =>
  Effect.withFiber((fiber) => {
    const { answersAtOnce, idleMillis, progress } = options
    const connection = toSqlConnection(
      session,
      (statement) => statement,
      () => Stream.die(new Error("a batch reads no streams"))
    )
    const { begin, end } = isObserved(fiber)
      ? makeObservedSteps(sql, session, progress)
      : makeSteps(sql, session, answersAtOnce, progress)
    return Effect.flatMap(begin(batch.bindLoad(idleMillis)), (rows) =>
      Effect.flatMap(batch.decide(rows), ({ afterCommit, answer, writes }) =>
        Effect.flatMap(end(writes), () => Effect.as(afterCommit, answer))
      )
    ).pipe(
      Effect.provideService(sql.transactionService, [connection, 0] as const),
      Effect.onError(() => Effect.ignore(connection.executeRaw("ROLLBACK", [])))
    )
  })

/** The two round trips of a batch. */
interface Steps {
  readonly begin: (load: BoundStatement) => Effect.Effect<ReadonlyArray<object>, SqlError.SqlError>
  /** Sends the last statements with COMMIT. */
  readonly end: (writes: ReadonlyArray<LazyStatement>) => Effect.Effect<void, SqlError.SqlError>
}

const makeSteps = (
  sql: SqlClient.SqlClient,
  session: PgConnection.PgConnection,
  answersAtOnce: boolean,
  progress: BatchProgress
): Steps => {
  const roundTrips = RoundTrips.of(session)
  const onFirst = () => {
    progress.hasBegun = true
  }
  return {
    begin: (load) =>
      Effect.mapBoth(roundTrips.send([beginTransaction, load], { flushFirst: answersAtOnce, onFirst }), {
        onFailure: ({ error }) => error,
        onSuccess: ([, loaded]) => loaded?.rows ?? []
      }),
    end: (writes) => {
      if (writes.length > 1) return sendAndCommit(sql, session, writes, progress)
      const last = writes.map((write) => write())
      const sent = Effect.suspend(() => {
        progress.commitSent = true
        return Effect.mapError(roundTrips.send([...last, commitTransaction]), ({ error, refused = Infinity }) => {
          if (refused < last.length) noteRefusal(progress, error)
          return error
        })
      })
      return Effect.flatMap(ConnectionMonitor.of(session).requireConfirmation(sent), (answers) =>
        requireCommit(answers.at(-1)?.command)
      )
    }
  }
}

/** The steps of a transaction whose statements the client shows to a tracer or a transformer. */
const makeObservedSteps = (
  sql: SqlClient.SqlClient,
  session: PgConnection.PgConnection,
  progress: BatchProgress
): Steps => {
  const execute = executeStatement(sql)
  const begin = Effect.map(session.query(beginTransaction.text), () => {
    progress.hasBegun = true
  })
  return {
    begin: (load) => Effect.map(Effect.all([begin, execute(load)], { concurrency: "unbounded" }), ([, rows]) => rows),
    end: (writes) => sendAndCommit(sql, session, writes, progress)
  }
}

/** Sends statements and COMMIT without waiting for the answers, each with a Sync of its own. */
const sendAndCommit = (
  sql: SqlClient.SqlClient,
  session: PgConnection.PgConnection,
  writes: ReadonlyArray<LazyStatement>,
  progress: BatchProgress
): Effect.Effect<void, SqlError.SqlError> => {
  const execute = executeStatement(sql)
  const commit = Effect.suspend(() => {
    progress.commitSent = true
    return Effect.flatMap(
      ConnectionMonitor.of(session).requireConfirmation(session.query(commitTransaction.text)),
      ({ command }) => requireCommit(command)
    )
  })
  const sent = writes.map((write) =>
    Effect.tapError(
      Effect.suspend(() => execute(write())),
      (error) => Effect.sync(() => noteRefusal(progress, error))
    )
  )
  return sendInOrder([...sent, commit])
}

const beginTransaction: BoundStatement = { text: beginStatement, parameters: [] }
const commitTransaction: BoundStatement = { text: "COMMIT", parameters: [] }

const noteRefusal = (progress: BatchProgress, { reason }: SqlError.SqlError): void => {
  if (reason._tag !== "ConnectionError") progress.isRefused = true
}

const requireCommit = (command = ""): Effect.Effect<void, SqlError.SqlError> =>
  command === "COMMIT" ? Effect.void : Effect.fail(rolledBackError(command))
