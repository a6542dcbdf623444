import { Cause, Context, Deferred, Effect, Exit, Layer, Option, Queue } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type { Command } from "../../domain/Command.ts"
import { withoutSecrets } from "../withoutSecrets.ts"
import { makeBatchMetric } from "./commandMetrics.ts"
import { Interpreter } from "./Interpreter.ts"
import type { Outcome } from "./Outcome.ts"

/** Callers that one transaction takes. */
const callersPerBatch = 256

/**
 * Commands that are worth a batch of their own beside one that is under way: fewer would pay the fixed cost of a transaction
 * more often than what they gain by deciding while the database writes.
 */
const worthAnotherBatch = 32

/**
 * After how many milliseconds a batch that is still under way no longer keeps the commands behind it waiting: its
 * connection may be dead, and the other one may work.
 */
const overtakeMillis = 1_000

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
 * when idle. Where the database takes two transactions at once, many commands go in two batches: one is decided while the
 * database writes the other. A command whose caller has a transaction of its own open runs in that one instead.
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
       * own. Not so when the batch may have committed: nothing may be run again then; nor when the server gave no answer,
       * for which each of them would wait again.
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
          if (batch.length === 1 || failure?.mayHaveCommitted === true || failure?.timedOut === true) {
            const cause = Cause.map(exit.cause, ({ error }) => error)
            return Effect.forEach(batch, (waiting) => Deferred.failCause(waiting.answer, cause), { discard: true })
          }
          return Effect.forEach(batch, (waiting) => runBatch([waiting]), { discard: true })
        })

      let waitingCommands = 0
      /** Batches under way for longer than others wait for. */
      let slowBatches = 0
      const many = yield* Queue.sliding<void>(1)
      const isWorthIt = () => waitingCommands >= (slowBatches > 0 ? 1 : worthAnotherBatch)
      const tellWhenMany = () => {
        if (interpreter.maxConcurrentBatches > 1 && isWorthIt()) Queue.offerUnsafe(many, undefined)
      }

      /** Those whose turn it is: all, or those with half of the commands where both halves are worth a batch. */
      const takeShare = (): ReadonlyArray<Waiting> => {
        const isShared = interpreter.maxConcurrentBatches > 1 && waitingCommands >= 2 * worthAnotherBatch
        const share = isShared ? waitingCommands / 2 : Infinity
        const batch: Array<Waiting> = []
        let commands = 0
        while (commands < share && batch.length < callersPerBatch) {
          const taken = Queue.takeUnsafe(queue)
          if (taken === undefined || !Exit.isSuccess(taken)) break
          const waiting = taken.value
          waitingCommands -= waiting.commands.length
          if (waiting.abandoned) continue
          commands += waiting.commands.length
          batch.push(waiting)
        }
        tellWhenMany()
        return batch
      }

      const runShare = Effect.suspend(() => {
        const batch = takeShare()
        if (batch.length === 0) return Effect.void
        countBatch(batch.reduce((sum, { commands }) => sum + commands.length, 0))
        let isSlow = false
        const slow = setTimeout(() => {
          isSlow = true
          slowBatches++
          tellWhenMany()
        }, overtakeMillis)
        return Effect.onExitPrimitive(Effect.uninterruptible(runBatch(batch)), () => {
          clearTimeout(slow)
          if (isSlow) slowBatches--
          return undefined
        })
      })

      yield* Effect.andThen(Queue.peek(queue), runShare).pipe(Effect.forever, withoutSecrets, Effect.forkScoped)
      if (interpreter.maxConcurrentBatches > 1) {
        const runWhenMany = Effect.suspend(() => (isWorthIt() ? runShare : Effect.void))
        yield* Effect.andThen(Queue.take(many), runWhenMany).pipe(Effect.forever, withoutSecrets, Effect.forkScoped)
      }

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
        waitingCommands += commands.length
        tellWhenMany()
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
