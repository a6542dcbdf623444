import { Cause, Context, Deferred, Effect, Exit, Layer, Option, Queue } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type { Command } from "../domain/Command.ts"
import { makeBatchMetric } from "./commandMetrics.ts"
import type { Outcome } from "./decideBatch.ts"
import { Interpreter } from "./Interpreter.ts"

/** Callers that one transaction takes. */
const callersPerBatch = 256

/** Callers that may wait; whoever comes after that waits to be let in. */
const waitingCallers = 10_000

/** Commands that one caller wants carried out together. */
interface Waiting {
  readonly commands: ReadonlyArray<Command>
  readonly answer: Deferred.Deferred<ReadonlyArray<Outcome>, SqlError.SqlError>
  /** Set when the caller is gone: commands that have not begun by then are not begun. */
  abandoned: boolean
}

/**
 * Group commit: the commands that arrive while a transaction is in flight form the next batch. No timer, and no delay
 * when idle. A command whose caller has a transaction of its own open runs in that one instead.
 */
export class CommandQueue extends Context.Service<
  CommandQueue,
  {
    /**
     * Carries out commands, in one transaction, with those that wait beside them, and answers each in its place.
     * Interrupting it takes back commands that have not begun; those that have begun are finished all the same.
     */
    readonly submit: (commands: ReadonlyArray<Command>) => Effect.Effect<ReadonlyArray<Outcome>, SqlError.SqlError>
  }
>()("mosaic-backlog/services/CommandQueue") {
  static readonly layer: Layer.Layer<CommandQueue, never, SqlClient.SqlClient | Interpreter> = Layer.effect(
    CommandQueue,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const interpreter = yield* Interpreter
      const queue = yield* Queue.bounded<Waiting>(waitingCallers)
      const countBatch = makeBatchMetric(yield* Effect.context())

      yield* Effect.addFinalizer(() =>
        Effect.andThen(
          Effect.flatMap(Queue.clear(queue), (left) =>
            Effect.forEach(left, (waiting) => Deferred.interrupt(waiting.answer), { discard: true })
          ),
          Queue.shutdown(queue)
        )
      )

      /**
       * An error that comes with a batch is nobody's in particular: what each caller wants is then run alone and gets its
       * own. Not so when the batch may have committed: nothing may be run again then.
       */
      const runBatch = (batch: ReadonlyArray<Waiting>): Effect.Effect<void> =>
        Effect.flatMap(Effect.exit(interpreter.run(batch.flatMap(({ commands }) => commands))), (exit) => {
          if (Exit.isSuccess(exit)) {
            let answered = 0
            for (const { answer, commands } of batch) {
              const outcomes = exit.value.slice(answered, answered + commands.length)
              answered += commands.length
              Deferred.doneUnsafe(answer, Exit.succeed(outcomes))
            }
            return Effect.void
          }
          const failure = Option.getOrUndefined(Exit.findErrorOption(exit))
          if (batch.length === 1 || failure?.mayHaveCommitted === true) {
            const cause = Cause.map(exit.cause, ({ error }) => error)
            return Effect.forEach(batch, (waiting) => Deferred.failCause(waiting.answer, cause), { discard: true })
          }
          return Effect.forEach(batch, (waiting) => runBatch([waiting]), { discard: true })
        })

      yield* Queue.takeBetween(queue, 1, callersPerBatch).pipe(
        Effect.flatMap((batch) => {
          const wanted = batch.filter((waiting) => !waiting.abandoned)
          if (wanted.length === 0) return Effect.void
          countBatch(wanted.reduce((sum, { commands }) => sum + commands.length, 0))
          return Effect.uninterruptible(runBatch(wanted))
        }),
        Effect.forever,
        Effect.forkScoped
      )

      const submit = Effect.fnUntraced(function* (commands: ReadonlyArray<Command>) {
        if (Option.isSome(yield* Effect.serviceOption(sql.transactionService))) {
          return yield* Effect.mapError(interpreter.run(commands), ({ error }) => error)
        }
        const waiting: Waiting = {
          commands,
          answer: Deferred.makeUnsafe<ReadonlyArray<Outcome>, SqlError.SqlError>(),
          abandoned: false
        }
        yield* Queue.offer(queue, waiting)
        return yield* Effect.onInterrupt(Deferred.await(waiting.answer), () =>
          Effect.sync(() => {
            waiting.abandoned = true
          })
        )
      })

      return CommandQueue.of({ submit })
    })
  )
}
