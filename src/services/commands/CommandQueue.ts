import { Cause, Context, Effect, Exit, type Fiber, Layer, Option, Tracer } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type { Command } from "../../domain/Command.ts"
import { withoutSecrets } from "../withoutSecrets.ts"
import { makeBatchMetric } from "./commandMetrics.ts"
import { Interpreter } from "./Interpreter.ts"
import type { Outcome } from "./Outcome.ts"

/** Maximum number of callers whose commands run in one transaction. */
const maxCallersPerBatch = 256

/**
 * Minimum number of waiting commands that start a second batch while one runs. For fewer, the fixed cost of a transaction is
 * greater than the gain of deciding them while the database writes the first batch (decision 25).
 */
const minSecondBatch = 32

/**
 * A batch that runs for longer than this, in milliseconds, is slow: its connection may be dead. Then any waiting command
 * starts a second batch, on the other connection.
 */
const slowBatchMillis = 1_000

/** The commands of one caller, which run together. */
interface Submission {
  readonly commands: ReadonlyArray<Command>
  /** Resumes the caller. */
  readonly resume: (outcomes: Exit.Exit<ReadonlyArray<Outcome>, SqlError.SqlError>) => void
  /** Whether the caller was interrupted. The commands are skipped if they have not started. */
  abandoned: boolean
  /** The span of the caller, and its tracer. `undefined` if the caller is not traced. */
  readonly trace: { readonly span: Tracer.AnySpan; readonly tracer: Tracer.Tracer } | undefined
}

/**
 * Group commit: the commands that arrive while a batch runs form the next batch. There is no timer and no delay when idle. On
 * a server, many commands run in two batches at the same time: one is decided while the database writes the other. A command
 * whose caller has a transaction open bypasses the queue and runs in that transaction.
 */
export class CommandQueue extends Context.Service<
  CommandQueue,
  {
    /**
     * Runs commands in one transaction, together with other waiting commands, and returns their outcomes in order. An
     * interruption cancels commands that have not started. Commands that have started are completed.
     */
    readonly submit: (commands: ReadonlyArray<Command>) => Effect.Effect<ReadonlyArray<Outcome>, SqlError.SqlError>
  }
>()("mosaic-backlog/services/CommandQueue") {
  static readonly layer: Layer.Layer<CommandQueue, never, SqlClient.SqlClient | Interpreter> = Layer.effect(
    CommandQueue,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const interpreter = yield* Interpreter
      const waiting: Array<Submission> = []
      let waitingCommands = 0
      let isClosed = false
      const countBatch = makeBatchMetric(yield* Effect.context())

      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          isClosed = true
          for (const { resume } of waiting.splice(0)) resume(Exit.interrupt())
        })
      )

      /**
       * When a batch fails, any of its commands may be the cause: each submission then runs alone and gets its own error.
       * Except when the batch may have committed, since a command must not run twice, and when the server did not respond,
       * since each of them would wait for the same timeout.
       */
      const runBatch = (batch: ReadonlyArray<Submission>): Effect.Effect<void> =>
        Effect.flatMap(
          Effect.exit(traced(batch, interpreter.run(batch.flatMap(({ commands }) => commands)))),
          (exit) => {
            if (Exit.isSuccess(exit)) {
              let start = 0
              for (const { commands, resume } of batch) {
                const end = start + commands.length
                resume(Exit.succeed(batch.length === 1 ? exit.value : exit.value.slice(start, end)))
                start = end
              }
              return Effect.void
            }
            const failure = Option.getOrUndefined(Exit.findErrorOption(exit))
            if (batch.length === 1 || failure?.mayHaveCommitted === true || failure?.timedOut === true) {
              const cause = Cause.map(exit.cause, ({ error }) => error)
              for (const { resume } of batch) resume(Exit.failCause(cause))
              return Effect.void
            }
            return Effect.forEach(batch, (submission) => runBatch([submission]), { discard: true })
          }
        )

      /** Number of running batches that are slow. */
      let slowBatches = 0
      const first = makeSignal()
      const second = makeSignal()
      const needsSecondBatch = () => waitingCommands >= (slowBatches > 0 ? 1 : minSecondBatch)
      const requestSecondBatch = () => {
        if (interpreter.maxConcurrentBatches > 1 && needsSecondBatch()) second.notify()
      }

      /** Takes all waiting submissions, or half of their commands when both halves are large enough for a batch. */
      const takeBatch = (): ReadonlyArray<Submission> => {
        const isHalved = interpreter.maxConcurrentBatches > 1 && waitingCommands >= 2 * minSecondBatch
        const wanted = isHalved ? waitingCommands / 2 : Infinity
        const batch: Array<Submission> = []
        let commands = 0
        let taken = 0
        while (commands < wanted && batch.length < maxCallersPerBatch) {
          const submission = waiting[taken]
          if (submission === undefined) break
          taken++
          waitingCommands -= submission.commands.length
          if (submission.abandoned) continue
          commands += submission.commands.length
          batch.push(submission)
        }
        waiting.splice(0, taken)
        requestSecondBatch()
        return batch
      }

      const runNextBatch = Effect.suspend(() => {
        const batch = takeBatch()
        if (batch.length === 0) return Effect.void
        countBatch(batch.reduce((sum, { commands }) => sum + commands.length, 0))
        let isSlow = false
        const slow = setTimeout(() => {
          isSlow = true
          slowBatches++
          requestSecondBatch()
        }, slowBatchMillis)
        return Effect.onExitPrimitive(Effect.uninterruptible(runBatch(batch)), () => {
          clearTimeout(slow)
          if (isSlow) slowBatches--
          return undefined
        })
      })

      const runFirst = Effect.suspend(() => (waiting.length === 0 ? first.wait : runNextBatch))
      yield* Effect.forkScoped(withoutSecrets(Effect.forever(runFirst)))
      if (interpreter.maxConcurrentBatches > 1) {
        const runSecond = Effect.suspend(() => (needsSecondBatch() ? runNextBatch : second.wait))
        yield* Effect.forkScoped(withoutSecrets(Effect.forever(runSecond)))
      }

      const submit = (commands: ReadonlyArray<Command>): Effect.Effect<ReadonlyArray<Outcome>, SqlError.SqlError> =>
        Effect.withFiber((fiber) => {
          if (Context.getOrUndefined(fiber.context, sql.transactionService) !== undefined) {
            return Effect.mapError(interpreter.run(commands), ({ error }) => error)
          }
          if (isClosed) return Effect.interrupt
          return Effect.callback((resume) => {
            const submission: Submission = { commands, resume, abandoned: false, trace: traceOf(fiber) }
            waiting.push(submission)
            waitingCommands += commands.length
            first.notify()
            requestSecondBatch()
            return Effect.sync(() => {
              submission.abandoned = true
            })
          })
        })

      return CommandQueue.of({ submit })
    })
  )
}

/** The trace of a caller, whose commands another fiber runs. */
const traceOf = (fiber: Fiber.Fiber<unknown, unknown>): Submission["trace"] => {
  const { tracer } = fiber.cache
  if (tracer === undefined || !fiber.cache.tracerEnabled) return undefined
  const span = Context.getOrUndefined(fiber.context, Tracer.ParentSpan)
  return span === undefined ? undefined : { span, tracer }
}

/**
 * Runs a batch in the trace of its first caller, so that the statements are in the trace of the command that caused them. A
 * batch of several callers is a span of its own, which the spans of the other callers and this one link to each other.
 */
const traced = <A, E>(batch: ReadonlyArray<Submission>, run: Effect.Effect<A, E>): Effect.Effect<A, E> => {
  const first = batch.find(({ trace }) => trace !== undefined)?.trace
  if (first === undefined) return run
  const others = batch.flatMap(({ trace }) => (trace === undefined || trace === first ? [] : [trace]))
  const inTrace =
    batch.length === 1
      ? Effect.withParentSpan(run, first.span)
      : Effect.useSpan(
          "BacklogService.batch",
          { parent: first.span, links: others.map(({ span }) => ({ span, attributes: {} })) },
          (batchSpan) => {
            for (const { span } of others) {
              if (span._tag === "Span") span.addLinks([{ span: batchSpan, attributes: {} }])
            }
            return Effect.withParentSpan(run, batchSpan)
          }
        )
  return Effect.withTracerEnabled(Effect.provideService(inTrace, Tracer.Tracer, first.tracer), true)
}

/** Wakes the fiber that waits for it. Fibers that submit in the same turn of the event loop share a batch. */
const makeSignal = () => {
  let wake: (() => void) | undefined
  return {
    notify: () => {
      if (wake === undefined) return
      setImmediate(wake)
      wake = undefined
    },
    wait: Effect.callback<void>((resume) => {
      wake = () => resume(Effect.void)
    })
  }
}
