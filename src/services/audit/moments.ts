import { DateTime, Effect, Option, Schema } from "effect"
import type { SqlError } from "effect/sql"
import { Version } from "../../domain/Card.ts"
import type { CardId } from "../../domain/CardId.ts"
import type { EventLog } from "../../events/EventLog.ts"
import { MomentNotReached } from "../../events/MomentNotReached.ts"
import type { ReadGate } from "../../events/ReadGate.ts"
import type { Moment } from "../../projections/PastBacklog.ts"

const AtPosition = Schema.Struct({ position: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)) })

/** A time that the database can compare. */
export const Time = Schema.DateTimeUtc.check(
  Schema.makeFilter((time) => !Number.isNaN(new Date(DateTime.toEpochMillis(time)).getTime()), {
    expected: "a valid time"
  })
)

const AtTime = Schema.Struct({ time: Time })

const AtBoth = Schema.Struct({ ...AtPosition.fields, ...AtTime.fields })

/**
 * A moment of the backlog: `{ position }`, after the event at a position (0 is before the first event), or `{ time }`, after the
 * last event that was recorded by that time. With both, the state is that of the position, and leases and retry times are
 * judged by the time.
 */
export const At = Schema.Union([AtPosition, AtTime, AtBoth])

/** A moment of one card: a moment of the backlog, or `{ version }`, after one of the card's own events. */
export const CardAt = Schema.Union([AtPosition, AtTime, AtBoth, Schema.Struct({ version: Version })])

/** Before every event, and within the range of times that the database can read. */
export const earliest = DateTime.makeUnsafe("0001-01-01T00:00:00Z")

/** Finds a moment of the backlog in the log. */
export const resolveMoment = Effect.fnUntraced(function* (
  log: EventLog["Service"],
  gate: ReadGate["Service"],
  now: Effect.Effect<DateTime.Utc, SqlError.SqlError>,
  at: typeof At.Type
) {
  if ("position" in at) {
    const moment = yield* momentAfter(log, gate, at.position)
    return "time" in at ? { ...moment, now: at.time } : moment
  }
  const present = yield* now
  if (DateTime.isGreaterThan(at.time, present)) {
    return yield* new MomentNotReached({
      asked: `state of ${DateTime.formatIso(at.time)}`,
      reached: `it is ${DateTime.formatIso(present)} for the database`
    })
  }
  const time = DateTime.max(at.time, earliest)
  yield* gate.awaitRecordedUntil(time, `all events until ${DateTime.formatIso(time)}`)
  return {
    position: yield* log.read.positionAt(DateTime.toDateUtc(time)),
    now: at.time
  } satisfies Moment
})

/** Finds a moment of a card; none if the card does not exist. */
export const resolveCardMoment = Effect.fnUntraced(function* (
  log: EventLog["Service"],
  gate: ReadGate["Service"],
  now: Effect.Effect<DateTime.Utc, SqlError.SqlError>,
  id: CardId,
  at: typeof CardAt.Type
) {
  if (!("version" in at)) return Option.some(yield* resolveMoment(log, gate, now, at))
  const position = yield* awaitPosition(log, gate, id, at.version)
  if (Option.isSome(position)) return Option.some(yield* momentAfter(log, gate, position.value))
  if (Option.isNone(yield* log.read.positionOf(id, 1))) return Option.none<Moment>()
  return yield* new MomentNotReached({
    asked: `version ${at.version} of card ${JSON.stringify(id)}`,
    reached: "its versions end before that"
  })
})

/** The position of a card's version. On a hot standby it waits until what the primary had by now is replayed. */
const awaitPosition = Effect.fnUntraced(function* (
  log: EventLog["Service"],
  gate: ReadGate["Service"],
  id: CardId,
  version: number
) {
  const position = yield* log.read.positionOf(id, version)
  if (Option.isSome(position) || !(yield* log.isReplica)) return position
  yield* gate.awaitRecordedUntil(yield* DateTime.now, `version ${version} of card ${JSON.stringify(id)}`)
  return yield* log.read.positionOf(id, version)
})

const momentAfter = Effect.fnUntraced(function* (
  log: EventLog["Service"],
  gate: ReadGate["Service"],
  position: number
) {
  if (position === 0) return { position, now: DateTime.makeUnsafe(0) } satisfies Moment
  let recordedAt = yield* log.read.recordedAt(position)
  if (Option.isNone(recordedAt)) {
    yield* gate.requireReached(position)
    recordedAt = yield* log.read.recordedAt(position)
  }
  if (Option.isNone(recordedAt)) {
    return yield* Effect.die(
      new Error(`the log has no event at position ${position}, although it has later ones: run \`backlog verify\``)
    )
  }
  return { position, now: DateTime.fromDateUnsafe(recordedAt.value) } satisfies Moment
})
