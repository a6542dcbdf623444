import { Arbitrary, DateTime, Effect, Schema } from "effect"
import { expect } from "vitest"
import type { CardId } from "../../src/domain/CardId.ts"
import { Event } from "../../src/domain/Event.ts"
import { Name } from "../../src/domain/Text.ts"
import { contentHash, erasableFields } from "../../src/events/ContentHash.ts"
import { encodeEvent } from "../../src/events/EventCodec.ts"
import type { PendingEvent } from "../../src/events/eventLines.ts"
import { eventArbitrary } from "../domain/arbitraries.ts"
import { onBothDatabases } from "../support/databases.ts"
import { withReadModel, writeUnchecked } from "../support/readModel.ts"
import { verifyLog } from "../support/verifyBacklog.ts"

const name = Arbitrary.schema(Name.check(Schema.isMinLength(1)))
const nameOrNull = Arbitrary.schema(Schema.NullOr(Name.check(Schema.isMinLength(1))))

const calendar = {
  minimum: Date.parse("0001-01-01T00:00:00.000Z"),
  maximum: Date.parse("9999-12-31T23:59:59.999Z")
}

/** An event with any origin, at any business time. */
const originArbitrary = Arbitrary.all({
  cardId: name,
  actor: name,
  correlationId: nameOrNull,
  causationId: nameOrNull,
  commandId: nameOrNull,
  millis: Arbitrary.schema(Schema.Int.check(Schema.isBetween(calendar)))
})

interface Origin {
  readonly cardId: string
  readonly actor: string
  readonly correlationId: string | null
  readonly causationId: string | null
  readonly commandId: string | null
  readonly millis: number
}

/** Adds versions without gaps. */
const toPending = (events: ReadonlyArray<readonly [event: Event, origin: Origin]>): ReadonlyArray<PendingEvent> => {
  const versions = new Map<string, number>()
  return events.map(([event, { millis, ...origin }]) => {
    const version = (versions.get(origin.cardId) ?? 0) + 1
    versions.set(origin.cardId, version)
    return { ...origin, cardId: origin.cardId as CardId, event, version, occurredAt: DateTime.makeUnsafe(millis) }
  })
}

/** JSON and texts whose canonical form is unusual. */
const unusualValues: ReadonlyArray<Schema.Json> = [
  -0,
  0,
  1e21,
  1e-7,
  123456789012345680000,
  5e-324,
  1.7976931348623157e308,
  0.1 + 0.2,
  "",
  'quotes " and \\ backslashes',
  Array.from({ length: 31 }, (_, index) => String.fromCharCode(index + 1)).join(""),
  "\u007f\u0080\u009f",
  "\u2028\u2029",
  "é한😀\ufeff",
  { "\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\u{1f600}": 5, "\u0080": 6, ö: 7, "": 8, ["__proto__"]: 9 },
  { b: [null, true, { a: -0 }], a: {} },
  [[[[]]]]
]

const origin: Origin = {
  cardId: 'card "\\, (1) é한😀\u2028',
  actor: "ann, 'and' \"co\" \\ \u00a0.",
  correlationId: "(correlation)",
  causationId: null,
  commandId: "NULL",
  millis: Date.parse("2026-01-05T09:00:00.123Z")
}

/** Writes events, computes every hash of the log by the code of the test and by that of the program, and returns the log. */
const appendAndVerify = (pending: ReadonlyArray<PendingEvent>) =>
  Effect.gen(function* () {
    const log = yield* withReadModel(Effect.andThen(writeUnchecked({ pending }), verifyLog))
    const hashes = log.map((row) =>
      contentHash(
        {
          ...row,
          data: row.data as Schema.JsonObject,
          occurredAt: row.occurredAt.toISOString(),
          recordedAt: row.recordedAt.toISOString()
        },
        row.commitments
      )
    )
    expect(hashes).toEqual(log.map((row) => row.contentHash))
    return log
  })

/** Whether no part of an event can be erased. The database hashes such an event by a statement of its own if it is alone. */
const isPlain = (event: Event): boolean =>
  Object.entries(encodeEvent(event).data).every(([field, value]) => value === null || !erasableFields.has(field))

onBothDatabases("events that the database appends", (test) => {
  test(
    "have the hashes of their content if each is appended alone",
    Effect.gen(function* () {
      const events = yield* Arbitrary.sampleEffect(eventArbitrary, { count: 100, size: 40, seed: 2 })
      const plain = events.filter(isPlain).slice(0, 30)
      expect(new Set(plain.map(({ _tag }) => _tag)).size).toBeGreaterThan(5)
      const origins = yield* Arbitrary.sampleEffect(originArbitrary, { count: plain.length, size: 40, seed: 2 })
      for (const [index, event] of plain.entries()) {
        expect(yield* appendAndVerify(toPending([[event, origins[index] ?? origin]]))).toHaveLength(1)
      }
    })
  )

  test(
    "have the hashes of their content, for events of every type",
    Effect.gen(function* () {
      const sampling = { count: 200, size: 60, seed: 1 }
      const events = yield* Arbitrary.sampleEffect(eventArbitrary, sampling)
      const origins = yield* Arbitrary.sampleEffect(originArbitrary, sampling)
      const pending = toPending(events.map((event, index) => [event, origins[index] ?? origin]))
      expect(new Set(pending.map(({ event }) => event._tag))).toEqual(
        new Set(Event.members.map(({ fields }) => fields._tag.schema.literal))
      )
      const log = yield* appendAndVerify(pending)
      expect(
        log.map(({ actor, cardId, causationId, commandId, correlationId, occurredAt, type }) => [
          [cardId, actor, correlationId, causationId, commandId, type],
          occurredAt.getTime()
        ])
      ).toEqual(
        pending.map(({ actor, cardId, causationId, commandId, correlationId, event, occurredAt }) => [
          [cardId, actor, correlationId, causationId, commandId, event._tag],
          occurredAt.epochMilliseconds
        ])
      )
    })
  )

  test(
    "have the hashes of unusual numbers, texts and keys",
    Effect.gen(function* () {
      const pending = toPending(
        unusualValues.flatMap((value): ReadonlyArray<readonly [Event, Origin]> => [
          [{ _tag: "CardCompleted", result: value, overrode: [], forced: false, claim: null }, origin],
          [{ _tag: "CardBlocked", reason: JSON.stringify(value), endedClaim: null }, origin]
        ])
      )
      const log = yield* appendAndVerify(pending)
      expect(log.map(({ data }) => data["result"] ?? data["reason"])).toEqual(
        unusualValues.flatMap((value) => [JSON.parse(JSON.stringify(value)), JSON.stringify(value)])
      )
    })
  )

  test(
    "have hashes that cover times with years of one to four digits",
    Effect.gen(function* () {
      const times = [
        "0001-01-01T00:00:00.000Z",
        "0099-12-31T23:59:59.999Z",
        "0999-02-28T00:00:00.001Z",
        "1582-10-10T12:00:00.000Z",
        "1969-12-31T23:59:59.999Z",
        "1970-01-01T00:00:00.000Z",
        "2038-01-19T03:14:08.000Z",
        "9999-12-31T23:59:59.999Z"
      ]
      const log = yield* appendAndVerify(
        toPending(
          times.map((time) => [
            { _tag: "CardUnblocked", reason: null },
            { ...origin, millis: Date.parse(time) }
          ])
        )
      )
      expect(log.map(({ occurredAt }) => occurredAt.toISOString())).toEqual(times)
    })
  )
})
