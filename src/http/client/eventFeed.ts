import { Cause, Effect, Exit, Option, Ref, Result, Schedule, type Scope, Stream } from "effect"
import { parkReason } from "../../events/consume.ts"
import { maxElementSize } from "../api/answers.ts"
import type { Endpoints } from "./connect.ts"
import { request, incompleteAnswer, isTransient, toServiceError, omitUndefined } from "./request.ts"
import {
  type AuditService,
  CheckpointAhead,
  type ConsumeInput,
  type EventOptions,
  MomentNotReached,
  type RecordedEvent
} from "../../index.ts"
import { typeName } from "../../services/audit/EventTypeFilter.ts"
import { decodeConsumer } from "../../services/AuditInput.ts"

/** Reconnects up to 8 times without a stable connection or an event in between, for about half a minute. */
const reconnectSchedule = Schedule.upTo(Schedule.jittered(Schedule.exponential("100 millis")), { times: 8 })

/** A connection that lasts this long is stable. A proxy may end one now and then for years, also when there are no events. */
const stableAfter = "10 seconds"

/**
 * Streams the events of a server. Reconnects after an interruption or a restart of the server, after the last event, so that
 * each event arrives once. A status 502, 503 or 504, which a proxy returns while the server restarts, is an interruption.
 */
export const followEvents = (endpoint: Endpoints["audit"]["events"], options: typeof EventOptions.Type) =>
  Stream.suspend(() => {
    const { follow = false } = options
    let after = options.after ?? 0
    const connection = Effect.suspend(() =>
      request(
        endpoint({
          headers: {},
          query: omitUndefined({
            ...options,
            type: options.type === undefined ? undefined : typeName(options.type),
            after,
            follow
          }),
          sseOptions: { maxEventSize: Number(maxElementSize) }
        }),
        false
      )
    )
    const frames = Stream.unwrap(Effect.map(connection, Stream.mapError(toServiceError)))
    // `undefined` resets the schedule of reconnects.
    const stable = Stream.fromEffect(Effect.as(Effect.sleep(stableAfter), undefined))
    const events = (follow ? Stream.merge(frames, stable, { haltStrategy: "left" }) : frames).pipe(
      Stream.mapEffect((frame) => {
        if (frame === undefined) return Effect.undefined
        if (frame.event === "problem") return Effect.fail(toServiceError(frame.data))
        after = frame.data.position
        return Effect.succeed(frame.data)
      })
    )
    return (follow ? Stream.concat(events, Stream.fail(incompleteAnswer())) : events).pipe(
      Stream.map((event) => Result.succeed(event)),
      // Only a transient error is retried.
      Stream.catch((error) => (isTransient(error) ? Stream.fail(error) : Stream.succeed(Result.fail(error)))),
      Stream.retry(reconnectSchedule),
      Stream.mapEffect(Effect.fromResult),
      Stream.filter((event) => event !== undefined)
    )
  })

type Audit = AuditService["Service"]

/** The operations that a consumer uses. */
interface ConsumerSource extends Pick<Audit, "events" | "checkpoint" | "advance" | "park"> {
  /** The last position of the log. */
  readonly end: Effect.Effect<number, Effect.Error<Audit["checkpoints"]>>
}

/**
 * Makes `consume` over HTTP. The handler and the checkpoint are not in one transaction, so an event is handled at least once,
 * and again if the program ends between the two. If two consumers have the same name, only one moves the checkpoint.
 */
export const makeConsume =
  ({ advance, checkpoint, end, events, park }: ConsumerSource): Audit["consume"] =>
  <E, R>(input: ConsumeInput<E, R>) =>
    Effect.gen(function* () {
      const { batchSize = 100, consumer, follow = false, parkAfter, ...options } = yield* decodeConsumer(input)
      const { handler: decodedHandler, ...filter } = options
      const handler = decodedHandler as typeof input.handler
      const readCheckpoint = Effect.map(
        checkpoint(consumer),
        Option.match({ onNone: () => 0, onSome: ({ position }) => position })
      )
      const start = yield* readCheckpoint
      const last = follow ? Number.POSITIVE_INFINITY : yield* end
      const checkpointPosition = yield* Ref.make(start)
      let handledCount = 0

      const moveTo = (position: number) =>
        Effect.flatMap(Ref.get(checkpointPosition), (from) =>
          position > from
            ? Effect.andThen(advance(consumer, from, position), Ref.set(checkpointPosition, position))
            : Effect.void
        )

      const handle = Effect.fnUntraced(function* (event: RecordedEvent) {
        for (let tries = 1; ; tries++) {
          const exit = yield* Effect.exit(Effect.scoped(handler(event)))
          if (Exit.isSuccess(exit)) {
            handledCount++
            return
          }
          if (parkAfter === undefined || Cause.hasInterrupts(exit.cause)) {
            yield* moveTo(event.position - 1)
            return yield* Effect.failCause(exit.cause)
          }
          if (tries >= parkAfter) return yield* park(consumer, event.position, parkReason(exit.cause))
        }
      })

      yield* events({ cardId: filter.cardId, type: filter.type, actor: filter.actor, after: start, follow }).pipe(
        Stream.catchIf(
          (error): error is MomentNotReached => error instanceof MomentNotReached,
          (error) =>
            Stream.unwrap(
              Effect.gen(function* () {
                const [position, head] = [yield* readCheckpoint, yield* end]
                return Stream.fail(position > head ? new CheckpointAhead({ consumer, position, head }) : error)
              })
            )
        ),
        Stream.rechunk(batchSize),
        Stream.runForEachArray((some) =>
          Effect.gen(function* () {
            for (const event of some) yield* handle(event)
            yield* moveTo(some.at(-1)?.position ?? 0)
          })
        )
      )
      // Moves past the events at the end that the filter excludes.
      yield* moveTo(last)
      return handledCount
    }) as Effect.Effect<number, never, Exclude<R, Scope.Scope>>
