import { Cause, Context, Deferred, Effect, Exit, Layer, Option, Queue } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type { Command } from "../domain/Command.ts"
import type { Outcome } from "./decideBatch.ts"
import { Interpreter } from "./Interpreter.ts"

/** Commands that one transaction takes. */
const commandsPerBatch = 256

/** Commands that may wait; whoever brings one more waits to bring it. */
const waitingCommands = 10_000

interface WaitingCommand {
  readonly command: Command
  readonly answer: Deferred.Deferred<Outcome, SqlError.SqlError>
  /** Set when the caller is gone: a command that has not begun by then is not begun. */
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
     * Carries out a command with those that wait beside it. Interrupting it takes back a command that has not begun;
     * one that has begun is finished all the same.
     */
    readonly submit: (command: Command) => Effect.Effect<Outcome, SqlError.SqlError>
  }
>()("mosaic-backlog/services/CommandQueue") {
  static readonly layer: Layer.Layer<CommandQueue, never, SqlClient.SqlClient | Interpreter> = Layer.effect(
    CommandQueue,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const interpreter = yield* Interpreter
      const queue = yield* Queue.bounded<WaitingCommand>(waitingCommands)

      yield* Effect.addFinalizer(() =>
        Effect.andThen(
          Effect.flatMap(Queue.clear(queue), (left) =>
            Effect.forEach(left, (waiting) => Deferred.interrupt(waiting.answer), { discard: true })
          ),
          Queue.shutdown(queue)
        )
      )

      /**
       * An error that comes with a batch is nobody's in particular: each command then runs alone and gets its own. Not so
       * when the batch may have committed: nothing may be run again then.
       */
      const runBatch = (batch: ReadonlyArray<WaitingCommand>): Effect.Effect<void> =>
        Effect.flatMap(Effect.exit(interpreter.run(batch.map((waiting) => waiting.command))), (exit) => {
          if (Exit.isSuccess(exit)) {
            return Effect.forEach(
              batch,
              (waiting, index) => Deferred.succeed(waiting.answer, exit.value[index] as Outcome),
              { discard: true }
            )
          }
          const failure = Option.getOrUndefined(Exit.findErrorOption(exit))
          if (batch.length === 1 || failure?.mayHaveCommitted === true) {
            const cause = Cause.map(exit.cause, ({ error }) => error)
            return Effect.forEach(batch, (waiting) => Deferred.failCause(waiting.answer, cause), { discard: true })
          }
          return Effect.forEach(batch, (waiting) => runBatch([waiting]), { discard: true })
        })

      yield* Queue.takeBetween(queue, 1, commandsPerBatch).pipe(
        Effect.flatMap((batch) => {
          const wanted = batch.filter((waiting) => !waiting.abandoned)
          return wanted.length === 0 ? Effect.void : Effect.uninterruptible(runBatch(wanted))
        }),
        Effect.forever,
        Effect.forkScoped
      )

      const submit = Effect.fnUntraced(function* (command: Command) {
        if (Option.isSome(yield* Effect.serviceOption(sql.transactionService))) {
          const [outcome] = yield* Effect.mapError(interpreter.run([command]), ({ error }) => error)
          return outcome as Outcome
        }
        const waiting: WaitingCommand = {
          command,
          answer: yield* Deferred.make<Outcome, SqlError.SqlError>(),
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
