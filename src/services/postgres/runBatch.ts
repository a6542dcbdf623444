import type { PgConnection } from "@effect/sql-pg"
import { Effect, Stream } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { type LazyStatement, type LazyWrite, sendInOrder } from "../../sql/bulkStatements.ts"
import { type BoundStatement, executeStatement, isObserved } from "../../sql/prepareStatement.ts"
import {
  type Batch,
  beginStatement,
  type Decided,
  type OptimisticDecision,
  type OptimisticResult
} from "../commands/BatchTransaction.ts"
import { ConnectionMonitor, rolledBackError, toSqlConnection } from "./ConnectionMonitor.ts"
import { commitEarly, type Durability, primaryBarrier } from "./Durability.ts"
import { RoundTripFailed, RoundTrips, type StatementAnswer } from "./RoundTrips.ts"

/** How far the transaction of a batch has come. */
export interface BatchProgress {
  /** Whether the server has confirmed BEGIN. */
  hasBegun: boolean
  /** Whether COMMIT was sent, of a transaction that writes something or whose answer depends on another one. */
  commitSent: boolean
  /**
   * Whether the server has refused one of the last statements: then it does not commit the transaction. After a broken
   * connection, that is unknown.
   */
  isRefused: boolean
}

/**
 * Runs a batch in a transaction of two round trips: BEGIN with the first statement, and the last one with COMMIT. An optimistic decision
 * takes one, as long as it is right. Where something observes statements, each is sent by the client, which shows it to the observer. A
 * failed transaction is rolled back.
 *
 * With a `durability`, a transaction that appends events commits early, and its answer waits for a barrier, which is sent together
 * with COMMIT. A transaction that writes nothing waits until what it has seen is durable.
 */
export const runBatch = <A>(
  sql: SqlClient.SqlClient,
  session: PgConnection.PgConnection,
  batch: Batch<A>,
  options: {
    /** Whether the server must confirm BEGIN immediately. */
    readonly answersAtOnce: boolean
    readonly idleMillis: number | undefined
    readonly progress: BatchProgress
    /** Defaults to none: commits of the session are durable, or never are. */
    readonly durability?: Durability | undefined
  }
): Effect.Effect<A, SqlError.SqlError> =>
  Effect.withFiber((fiber) => {
    const { answersAtOnce, durability, idleMillis, progress } = options
    const connection = toSqlConnection(
      session,
      (statement) => statement,
      () => Stream.die(new Error("a batch reads no streams"))
    )
    const context: StepContext = { sql, session, progress, durability, epoch: durability?.epoch() ?? 0 }
    const isTraced = isObserved(fiber)
    const { begin, end } = isTraced ? makeObservedSteps(context) : makeSteps(context, answersAtOnce)
    const inTwoRoundTrips = Effect.suspend(() =>
      Effect.flatMap(begin(batch.bindLoad(idleMillis)), (rows) =>
        Effect.flatMap(batch.decide(rows), (decided) =>
          Effect.flatMap(end(decided), (position) => {
            decided.remember?.(position)
            return Effect.as(decided.afterCommit, decided.answer)
          })
        )
      )
    ).pipe(Effect.onError(() => Effect.ignore(connection.executeRaw("ROLLBACK", []))))
    // Its only statement commits, so it could not run again on another connection if this one is dead.
    const optimistic =
      durability === undefined || answersAtOnce || isTraced ? undefined : batch.decideOptimistically?.()
    const run =
      optimistic === undefined || durability === undefined
        ? inTwoRoundTrips
        : Effect.flatMap(runInOneRoundTrip(context, durability, optimistic), (result) => {
            if (result === undefined) return inTwoRoundTrips
            result.remember()
            return Effect.as(result.afterCommit, result.answer)
          })
    return Effect.provideService(run, sql.transactionService, [connection, 0] as const)
  })

interface StepContext {
  readonly sql: SqlClient.SqlClient
  readonly session: PgConnection.PgConnection
  readonly progress: BatchProgress
  readonly durability: Durability | undefined
  /** The epoch in which the transaction began. */
  readonly epoch: number
}

/** The two round trips of a batch. */
interface Steps {
  readonly begin: (load: BoundStatement) => Effect.Effect<ReadonlyArray<object>, SqlError.SqlError>
  /**
   * Sends the last statements with COMMIT, and waits until everything that the answer depends on is durable. Returns the last position that
   * the transaction has written or seen.
   */
  readonly end: (decided: LastStep) => Effect.Effect<number, SqlError.SqlError>
}

type LastStep = Pick<Decided<unknown>, "writes" | "appends" | "events" | "readEnd">

/** How a transaction ends. */
interface Ending {
  readonly statements: ReadonlyArray<LazyStatement>
  /** Whether it writes neither events nor receipts. */
  readonly isUnwritten: boolean
  readonly events: number
  readonly isEarly: boolean
}

const planEnding = ({ appends, events, readEnd, writes }: LastStep, durability: Durability | undefined): Ending => {
  const isUnwritten = writes.length === 0 && !appends
  // Receipts without events have no position, for which others could wait.
  const isEarly = durability?.paysOff() === true && appends
  return {
    statements: isUnwritten && durability !== undefined ? [() => readEnd] : isEarly ? withEarlyCommit(writes) : writes,
    isUnwritten,
    isEarly,
    events
  }
}

/** The last write makes the commit early. */
const withEarlyCommit = (writes: ReadonlyArray<LazyWrite>): ReadonlyArray<LazyStatement> => {
  const last = writes.at(-1)
  return last === undefined ? [() => commitEarly] : [...writes.slice(0, -1), () => last(true)]
}

const makeSteps = (context: StepContext, answersAtOnce: boolean): Steps => {
  const { durability, progress, session } = context
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
    end: (decided) => {
      const ending = planEnding(decided, durability)
      if (decided.writes.length > 1) return sendAndCommit(context, ending)
      const beforeCommit = ending.statements.map((write) => write())
      progress.commitSent = !ending.isUnwritten
      return Effect.flatMap(sendWithCommit(context, beforeCommit, ending.isEarly), (answers) => {
        const position = positionOf(answers[0])
        if (durability === undefined) return Effect.succeed(position)
        if (ending.isUnwritten) return Effect.as(awaitSeen(context, durability, position), position)
        durability.confirm(session, position, ending.events)
        return Effect.succeed(position)
      })
    }
  }
}

/** Sends statements and COMMIT, and the barrier of an early commit, in one round trip. Returns the answers to the statements. */
const sendWithCommit = (
  { durability, epoch, progress, session }: StepContext,
  statements: ReadonlyArray<BoundStatement>,
  isEarly: boolean
): Effect.Effect<ReadonlyArray<StatementAnswer>, SqlError.SqlError> => {
  const sent = RoundTrips.of(session).send([...statements, commitTransaction, ...(isEarly ? [primaryBarrier] : [])])
  const answered = Effect.catch(ConnectionMonitor.of(session).requireConfirmation(sent), (failed) => {
    if (!(failed instanceof RoundTripFailed)) return Effect.fail(failed)
    const { answers, error } = failed
    if (answers !== undefined && answers.length > statements.length && durability !== undefined) {
      // Only the barrier was refused.
      return Effect.as(durability.await(0, epoch), answers)
    }
    if (answers !== undefined) noteRefusal(progress, error)
    return Effect.fail(error)
  })
  return Effect.flatMap(
    answered,
    (answers) => requireCommit(answers[statements.length]?.command) ?? Effect.succeed(answers)
  )
}

/**
 * Runs the only statement of an optimistic decision as a transaction, with the barrier in the same round trip. Returns `undefined` if it has
 * written nothing, because the decision may be wrong.
 */
const runInOneRoundTrip = <A>(
  { epoch, progress, session }: StepContext,
  durability: Durability,
  { decodeResult, write }: OptimisticDecision<A>
): Effect.Effect<OptimisticResult<A> | undefined, SqlError.SqlError> =>
  Effect.suspend(() => {
    const isEarly = durability.paysOff()
    const statement = write(isEarly)
    progress.hasBegun = true
    progress.commitSent = true
    const sent = RoundTrips.of(session).send(isEarly ? [statement, primaryBarrier] : [statement], { commitEach: true })
    return Effect.matchEffect(ConnectionMonitor.of(session).requireConfirmation(sent), {
      onSuccess: Effect.succeed,
      onFailure: (failed) => {
        if (!(failed instanceof RoundTripFailed)) return Effect.fail(failed)
        const { answers, error } = failed
        // Only the barrier was refused.
        if (answers !== undefined && answers.length > 0) return Effect.as(durability.await(0, epoch), answers)
        if (answers !== undefined && error.reason._tag !== "ConnectionError") noteNothingCommitted(progress)
        return Effect.fail(error)
      }
    }).pipe(
      Effect.map((answers) => {
        const result = decodeResult(answers[0]?.rows ?? [])
        if (result === undefined) noteNothingCommitted(progress)
        else durability.confirm(session, result.position, 1)
        return result
      })
    )
  })

/** Nothing was committed, and the batch may run again. */
const noteNothingCommitted = (progress: BatchProgress): void => {
  progress.hasBegun = false
  progress.commitSent = false
  progress.isRefused = false
}

/** The steps of a transaction whose statements the client shows to a tracer or a transformer. */
const makeObservedSteps = (context: StepContext): Steps => {
  const { durability, progress, session, sql } = context
  const execute = executeStatement(sql)
  const begin = Effect.map(session.query(beginTransaction.text), () => {
    progress.hasBegun = true
  })
  return {
    begin: (load) => Effect.map(Effect.all([begin, execute(load)], { concurrency: "unbounded" }), ([, rows]) => rows),
    end: (decided) => sendAndCommit(context, planEnding(decided, durability))
  }
}

/** Sends statements and COMMIT without waiting for the answers, each with a Sync of its own. Then waits for a shared barrier. */
const sendAndCommit = (
  context: StepContext,
  { events, isEarly, isUnwritten, statements }: Ending
): Effect.Effect<number, SqlError.SqlError> => {
  const { durability, epoch, progress, session, sql } = context
  const execute = executeStatement(sql)
  let position = 0
  const commit = Effect.suspend(() => {
    progress.commitSent = !isUnwritten
    return Effect.flatMap(
      ConnectionMonitor.of(session).requireConfirmation(session.query(commitTransaction.text)),
      ({ command }) => requireCommit(command) ?? Effect.void
    )
  })
  const sent = statements.map((write) =>
    Effect.suspend(() => execute(write())).pipe(
      Effect.tap((rows) =>
        Effect.sync(() => {
          position = Math.max(position, positionOf({ rows, command: "" }))
        })
      ),
      Effect.tapError((error) => Effect.sync(() => noteRefusal(progress, error)))
    )
  )
  return Effect.andThen(
    sendInOrder([...sent, commit]),
    Effect.suspend(() => {
      if (durability === undefined) return Effect.succeed(position)
      if (isUnwritten) return Effect.as(awaitSeen(context, durability, position), position)
      durability.noteAppended(position, events)
      if (isEarly) return Effect.as(durability.await(position, epoch), position)
      durability.confirm(session, position, events)
      return Effect.succeed(position)
    })
  )
}

/**
 * Waits until what a transaction has seen is durable. If that fails, its answer may be that of a command which an earlier
 * transaction has committed.
 */
const awaitSeen = ({ epoch, progress }: StepContext, durability: Durability, position: number) => {
  if (position <= durability.reached()) return Effect.void
  progress.commitSent = true
  return durability.await(position, epoch)
}

/** The position in the only column of an answer; 0 where there is none. */
const positionOf = ({ rows }: StatementAnswer = { rows: [], command: "" }): number =>
  Number(Object.values(rows[0] ?? {})[0] ?? 0)

const beginTransaction: BoundStatement = { text: beginStatement, parameters: [] }
const commitTransaction: BoundStatement = { text: "COMMIT", parameters: [] }

const noteRefusal = (progress: BatchProgress, { reason }: SqlError.SqlError): void => {
  if (reason._tag !== "ConnectionError") progress.isRefused = true
}

/** The failure of a transaction for whose COMMIT the server reports another command. */
const requireCommit = (command = ""): Effect.Effect<never, SqlError.SqlError> | undefined =>
  command === "COMMIT" ? undefined : Effect.fail(rolledBackError(command))
