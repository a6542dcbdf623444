import { Clock, Context, Duration, Effect, Result } from "effect"
import type { SqlError } from "effect/sql"
import type { KeyframeWriter } from "../../projections/KeyframeWriter.ts"

/** The times at which a process writes keyframes. */
export interface KeyframeTimes {
  /** The time from the start of the process to the first check. */
  readonly first: Duration.Input
  /** The time between two checks, while no keyframe is due. */
  readonly interval: Duration.Input
}

/**
 * The times at which a process with `AuditService` writes keyframes, which make reads of past states fast. The writes use at most
 * half of a processor. When several processes share a backlog, one of them writes at a time. Only the owner of the tables writes
 * keyframes; other roles read them. Defaults to 10 seconds for both times. `"off"` turns the writes off in this process.
 */
export const KeyframeSchedule: Context.Reference<KeyframeTimes | "off"> = Context.Reference<KeyframeTimes | "off">(
  "mosaic-backlog/services/KeyframeSchedule",
  { defaultValue: () => ({ first: "10 seconds", interval: "10 seconds" }) }
)

/** Checks without a keyframe that is due, after which the memory of the last one is released. */
const checksBeforeForgetting = 6

/** The time between two attempts grows to this after failures, in milliseconds: the log may have events of a newer program. */
const longestDelay = 600_000

/** Writes keyframes in the background until the scope ends. */
export const writeKeyframes = Effect.fnUntraced(function* (
  writer: KeyframeWriter,
  end: Effect.Effect<{ readonly position: number }, SqlError.SqlError>
) {
  const schedule = yield* KeyframeSchedule
  if (schedule === "off") return
  const interval = Duration.toMillis(Duration.fromInputUnsafe(schedule.interval))
  yield* Effect.sleep(schedule.first)
  let delay = interval
  for (let idle = 0; ;) {
    const began = yield* Clock.currentTimeMillis
    const result = yield* Effect.flatMap(end, ({ position }) => writer.writeNext(position)).pipe(
      // Another process may write one, the database may be unavailable, and the log may have events of a newer program.
      Effect.tapError((error) => Effect.logDebug(`No keyframe was written: ${error._tag}. It is tried again.`)),
      Effect.catchDefect((defect) => Effect.logWarning("No keyframe was written. It is tried again.", defect)),
      Effect.result
    )
    if (Result.isSuccess(result) && result.success === true) {
      idle = 0
      delay = interval
      yield* Effect.sleep((yield* Clock.currentTimeMillis) - began)
    } else {
      delay = Result.isFailure(result) ? Math.min(delay * 2, longestDelay) : interval
      if (++idle === checksBeforeForgetting) writer.forget()
      yield* Effect.sleep(delay)
    }
  }
})
