/*
 * The read gate. Everything that a reader receives passes it: every read of the public services, of the surfaces and of
 * `Doctor`, and nothing of the write path. A read is made with `read` or `stream`, and says up to which position of the log
 * it shows. What is true of all reads is done here and nowhere else:
 *
 * - The position that a read shows waits for `ReadBarrier`.
 * - A read that names a position or a time waits for a hot standby that lags, and does not silently skip what is missing.
 * - Errors that only a hot standby has are named.
 * - A server that does not answer a short read is given up after ten seconds, and the read is tried once more.
 * - Reads of several statements that must show one moment run in one snapshot.
 * - Reads are counted, timed and traced by name.
 *
 * docs/decisions/0043-one-read-gate.md has the reasons; test/support/readGate.ts checks that no file reads around the gate.
 */
import { Context, type DateTime, Effect, Layer, Stream } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { withPromptAnswer } from "../sql/AnswerTimeout.ts"
import { inTransaction } from "../sql/inTransaction.ts"
import { EventLog, type Head } from "./EventLog.ts"
import { type MomentNotReached, positionNotReached } from "./MomentNotReached.ts"
import { makeReadMetrics } from "./readMetrics.ts"
import { awaitPosition, awaitRecordedUntil, withReplicaErrors } from "./replica.ts"

/** What a read found. */
export interface Shown<A> {
  readonly value: A
  /** The position of the last event that the value can depend on; 0 if it depends on none. */
  readonly position: number
}

/** What a read found that is not about the log: access tokens, facts about the server. */
export const outsideLog = <A>(value: A): Shown<A> => ({ value, position: 0 })

interface ReadBarrierShape {
  /** Positions up to this one are shown without a wait. */
  readonly reached: () => number
  /** Increases when the database is another server than before: what was read from the former one may be lost. */
  readonly epoch: () => number
  /**
   * Waits until a position, which was read in an epoch, may be shown. Runs in the context of the reader, with its transaction
   * where one is open.
   */
  readonly await: (position: number, epoch: number) => Effect.Effect<void, SqlError.SqlError>
}

/**
 * When a position of the log may be shown to readers: on a server, when its commit is durable. Defaults to the barrier of the
 * database.
 */
export const ReadBarrier: Context.Reference<ReadBarrierShape | undefined> = Context.Reference<
  ReadBarrierShape | undefined
>("mosaic-backlog/events/ReadBarrier", { defaultValue: () => undefined })

/** Shows every position at once: no process sees a commit of an embedded database before it is complete. */
const openBarrier: ReadBarrierShape = {
  reached: () => Number.POSITIVE_INFINITY,
  epoch: () => 0,
  await: () => Effect.void
}

/** Options of a read. */
export interface ReadOptions {
  /**
   * `prompt`: a live server responds to each statement within ten seconds. `slow`: it may need longer, so only the client's own
   * `answerTimeout` applies. Defaults to `prompt`.
   */
  readonly answer?: "prompt" | "slow" | undefined
}

/** The one place through which everything passes that leaves the process as the result of a read. */
export class ReadGate extends Context.Service<
  ReadGate,
  {
    /** Makes a read. `name` is the name of its span, and without the service the label of its metrics: `BacklogService.get`. */
    readonly read: <Input extends ReadonlyArray<unknown>, A, E, R>(
      name: string,
      find: (...input: Input) => Effect.Effect<Shown<A>, E | SqlError.SqlError, R>,
      options?: ReadOptions
    ) => (...input: Input) => Effect.Effect<A, E | SqlError.SqlError, R>
    /**
     * Makes a read that streams. The stream must have passed each position before it emits what shows it, by `end`,
     * `requireReached` or `showEach`.
     */
    readonly stream: <Input extends ReadonlyArray<unknown>, A, E, R>(
      name: string,
      find: (...input: Input) => Stream.Stream<A, E | SqlError.SqlError, R>
    ) => (...input: Input) => Stream.Stream<A, E | SqlError.SqlError, R>
    /** Waits until a position may be shown, for a read that reports its progress. */
    readonly awaitShowable: (position: number) => Effect.Effect<void, SqlError.SqlError>
    /** Emits each element when its position may be shown. Positions must not decrease. */
    readonly showEach: <A extends { readonly position: number }, E, R>(
      stream: Stream.Stream<A, E, R>
    ) => Stream.Stream<A, E | SqlError.SqlError, R>
    /** The end of the log, when it may be shown. */
    readonly end: Effect.Effect<Head, SqlError.SqlError>
    /**
     * Returns the end of the log, or fails with `MomentNotReached` when it is before a position. Every read with a position
     * calls it first: otherwise a position from before a restore would silently hide all new events up to it. On a hot
     * standby it waits until the position is replayed, and then fails with `ReplicaBehind`.
     *
     * Correct on a primary: a caller that knows a position has seen it committed, and an end that is read later includes it.
     */
    readonly requireReached: (position: number) => Effect.Effect<Head, MomentNotReached | SqlError.SqlError>
    /**
     * On a hot standby, waits until it has all events that were recorded by a time, and then fails with `ReplicaBehind`,
     * which says `asked`.
     */
    readonly awaitRecordedUntil: (time: DateTime.Utc, asked: string) => Effect.Effect<void, SqlError.SqlError>
    /** Runs the statements of a read in one snapshot. Must not be part of a transaction. */
    readonly inSnapshot: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | SqlError.SqlError, R>
  }
>()("mosaic-backlog/events/ReadGate") {
  static readonly layer: Layer.Layer<ReadGate, never, SqlClient.SqlClient | EventLog> = Layer.effect(
    ReadGate,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const log = yield* EventLog
      const barrier = (yield* ReadBarrier) ?? openBarrier
      const mapReplicaErrors = withReplicaErrors(sql)
      const metrics = makeReadMetrics(yield* Effect.context())

      const awaitShowable = (position: number, epoch: number): Effect.Effect<void, SqlError.SqlError> =>
        position <= barrier.reached() ? Effect.void : barrier.await(position, epoch)

      /** Finds a value, and waits until it may be shown. */
      const findShowable = <A, E, R>(
        found: Effect.Effect<Shown<A>, E, R>
      ): Effect.Effect<A, E | SqlError.SqlError, R> =>
        Effect.suspend(() => {
          const epoch = barrier.epoch()
          return Effect.flatMap(found, ({ position, value }) =>
            position <= barrier.reached() ? Effect.succeed(value) : Effect.as(barrier.await(position, epoch), value)
          )
        })

      const read: ReadGate["Service"]["read"] = (name, find, { answer = "prompt" } = {}) => {
        const measured = metrics.measured(labelOf(name))
        const withAnswer: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R> =
          answer === "prompt" ? withPromptAnswer : (effect) => effect
        const enter: <A, E, R>(
          found: Effect.Effect<Shown<A>, E | SqlError.SqlError, R>
        ) => Effect.Effect<A, E | SqlError.SqlError, R> = (found) =>
          measured(mapReplicaErrors(findShowable(withAnswer(found))))
        return (...input) =>
          // Where no tracer is installed, a span costs more than the rest of the gate.
          Effect.withFiber((fiber) =>
            fiber.cache.tracer === undefined
              ? enter(find(...input))
              : Effect.withSpan(enter(Effect.tap(find(...input), addPosition)), name)
          )
      }

      const stream: ReadGate["Service"]["stream"] = (name, find) => {
        const count = metrics.counted(labelOf(name))
        return (...input) =>
          find(...input).pipe(
            Stream.catch((error) => Stream.fromEffect(mapReplicaErrors(Effect.fail(error)))),
            Stream.onExit((exit) => Effect.sync(() => count(exit)))
          )
      }

      const end = Effect.suspend(() => {
        const epoch = barrier.epoch()
        return Effect.tap(log.head("read"), ({ position }) => awaitShowable(position, epoch))
      })

      const requireReached = Effect.fnUntraced(function* (position: number) {
        const epoch = barrier.epoch()
        const head = yield* awaitPosition(log, position)
        yield* awaitShowable(head.position, epoch)
        return position > head.position ? yield* positionNotReached(position, head.position) : head
      })

      return ReadGate.of({
        read,
        stream,
        awaitShowable: (position) => Effect.suspend(() => awaitShowable(position, barrier.epoch())),
        showEach: (elements) =>
          Stream.suspend(() => {
            const epoch = barrier.epoch()
            return Stream.mapArrayEffect(elements, (some) =>
              Effect.as(awaitShowable(some.at(-1)?.position ?? 0, epoch), some)
            )
          }),
        end,
        requireReached,
        awaitRecordedUntil: (time, asked) => Effect.asVoid(awaitRecordedUntil(log, time, asked)),
        inSnapshot: (effect) =>
          Effect.provideService(
            inTransaction(sql)(effect),
            SqlClient.BeginTransaction,
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
          )
      })
    })
  )
}

const addPosition = ({ position }: Shown<unknown>) => Effect.annotateCurrentSpan("backlog.position", position)

const labelOf = (name: string): string => name.slice(name.indexOf(".") + 1)
