import { DateTime, Effect } from "effect"
import type { SqlError } from "effect/sql"
import { countFlowBuckets, type FlowRange, maxFlowBuckets } from "../../domain/Flow.ts"
import type { EventLog } from "../../events/EventLog.ts"
import { MomentNotReached } from "../../events/MomentNotReached.ts"
import type { ReadGate } from "../../events/ReadGate.ts"
import type { FlowOptions } from "../AuditInput.ts"
import { InvalidInput } from "../decodeInput.ts"
import { earliest } from "./moments.ts"

/**
 * Finds the positions of a range of time in the log. A range without `to` ends after the last event and after now, whatever
 * clock recorded the events.
 */
export const resolveFlowRange = Effect.fnUntraced(function* (
  log: EventLog["Service"],
  gate: ReadGate["Service"],
  clock: Effect.Effect<DateTime.Utc, SqlError.SqlError>,
  options: Omit<typeof FlowOptions.Type, "by">
) {
  const now = yield* clock
  const end = yield* gate.end
  const last = DateTime.makeUnsafe(Math.floor((end.recordedAt ?? 0) / 1000))
  const to = options.to ?? DateTime.add(DateTime.max(now, last), { milliseconds: 1 })
  const from = options.from ?? weekBefore(to)
  const later = DateTime.max(from, to)
  if (DateTime.isGreaterThan(later, options.to === undefined ? to : now)) {
    return yield* new MomentNotReached({
      asked: `flow of ${DateTime.formatIso(later)}`,
      reached: `it is ${DateTime.formatIso(now)} for the database`
    })
  }
  const range: FlowRange = { from, to, bucket: options.bucket ?? "day" }
  if (DateTime.isGreaterThan(from, to)) {
    return yield* new InvalidInput({
      problem: `the range begins at ${DateTime.formatIso(from)}, after its end at ${DateTime.formatIso(to)}\n  at ["from"]`
    })
  }
  const count = countFlowBuckets(range)
  if (count > maxFlowBuckets) {
    return yield* new InvalidInput({
      problem: `the range has ${count} buckets of one ${range.bucket}, and at most ${maxFlowBuckets} are allowed: choose a larger bucket or a shorter range\n  at ["bucket"]`
    })
  }
  const positionBefore = (time: DateTime.Utc) =>
    log.read.positionBefore(DateTime.toDateUtc(DateTime.max(time, earliest)))
  if (options.to === undefined) return { ...range, after: yield* positionBefore(from), upTo: end.position, now }
  yield* gate.awaitRecordedUntil(to, `all events until ${DateTime.formatIso(to)}`)
  return { ...range, after: yield* positionBefore(from), upTo: yield* positionBefore(to), now }
})

/** The smallest time that a date can have. */
const minimum = -8_640_000_000_000_000

const week = 7 * 24 * 60 * 60 * 1000

const weekBefore = (time: DateTime.Utc): DateTime.Utc =>
  DateTime.makeUnsafe(Math.max(minimum, DateTime.toEpochMillis(time) - week))
