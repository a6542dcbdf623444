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
 * half of a processor, and a tenth while commands append events. When several processes share a backlog, one of them writes; when it
 * has ended, another one continues after three checks. Only the owner of the tables writes
 * keyframes; other roles read them. Defaults to 10 seconds for both times. `"off"` turns the writes off in this process.
 */
export const KeyframeSchedule: Context.Reference<KeyframeTimes | "off"> = Context.Reference<KeyframeTimes | "off">(
  "mosaic-backlog/services/KeyframeSchedule",
  { defaultValue: () => ({ first: "10 seconds", interval: "10 seconds" }) }
)

/** Checks without a keyframe that this process writes, after which the memory of the last one is released. */
const checksBeforeForgetting = 6

/**
 * Checks at which the same keyframe must be due before a process writes it that did not write the one before. Otherwise processes
 * that share a backlog would take turns, and each would have to read the last keyframe first.
 */
const checksBeforeWriting = 3

/** The share of a processor that the writes use while commands append events. */
const shareWhileBusy = 0.1

/** Their share in other times, such as after an import. */
const shareWhileQuiet = 0.5

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
  let hasWritten = false
  let lastEnd: number | undefined
  let lastDue: number | undefined
  let checks = 0
  const mayWrite = (due: number): boolean => {
    checks = due === lastDue ? checks + 1 : 1
    lastDue = due
    return hasWritten || checks >= checksBeforeWriting
  }
  for (let idle = 0; ;) {
    const began = yield* Clock.currentTimeMillis
    let isBusy = false
    const result = yield* Effect.flatMap(end, ({ position }) => {
      isBusy = lastEnd !== undefined && position > lastEnd
      lastEnd = position
      return writer.writeNext(position, mayWrite)
    }).pipe(
      // Another process may write one, the database may be unavailable, and the log may have events of a newer program.
      Effect.tapError((error) => Effect.logDebug(`No keyframe was written: ${error._tag}. It is tried again.`)),
      Effect.catchDefect((defect) => Effect.logWarning("No keyframe was written. It is tried again.", defect)),
      Effect.result
    )
    hasWritten = Result.isSuccess(result) && result.success === true
    if (hasWritten) {
      idle = 0
      delay = interval
      const share = isBusy ? shareWhileBusy : shareWhileQuiet
      yield* Effect.sleep(((yield* Clock.currentTimeMillis) - began) * (1 / share - 1))
    } else {
      delay = Result.isFailure(result) ? Math.min(delay * 2, longestDelay) : interval
      if (++idle === checksBeforeForgetting) writer.forget()
      yield* Effect.sleep(delay)
    }
  }
})
