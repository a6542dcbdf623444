import { describe, expect, it } from "@effect/vitest"
import { DateTime, Result, Schema } from "effect"
import { Event } from "../../src/domain/Event.ts"
import {
  decodeEvent,
  type EncodedEvent,
  encodeEvent,
  makeDecoder,
  UndecodableEvent,
  upcasters
} from "../../src/events/EventCodec.ts"
import { eventArbitrary, manyRuns } from "../domain/arbitraries.ts"
import { at, id } from "../domain/support.ts"

const reasonOf = (decoded: Result.Result<Event, UndecodableEvent>): string => {
  if (Result.isSuccess(decoded)) throw new Error(`it was decoded: ${JSON.stringify(decoded.success)}`)
  expect(decoded.failure).toBeInstanceOf(UndecodableEvent)
  return decoded.failure.reason
}

/** The value as JSON keeps it, which knows no negative zero. Times are kept as they are. */
const withoutNegativeZero = (value: unknown): unknown => {
  if (Object.is(value, -0)) return 0
  if (Array.isArray(value)) return value.map(withoutNegativeZero)
  if (typeof value !== "object" || value === null || DateTime.isDateTime(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withoutNegativeZero(inner)]))
}

/** What is stored of an event: at schema version 1 if it has nothing that version 2 added. */
const storedFormOf = (event: Event): EncodedEvent => {
  const { _tag: type, ...data } = Schema.encodeSync(Event)(event)
  const { labels, notBefore, ...rest } = data as {
    readonly labels?: ReadonlyArray<string>
    readonly notBefore?: unknown
  }
  if (type === "CardCreated" && labels?.length === 0 && notBefore === null) {
    return { type, schemaVersion: 1, data: rest }
  }
  if (type === "CardRevised" && labels === undefined && notBefore === undefined) return { type, schemaVersion: 1, data }
  return { type, schemaVersion: upcasters[type].length + 1, data }
}

/** As the database returns it. */
const stored = (encoded: EncodedEvent): EncodedEvent => JSON.parse(JSON.stringify(encoded)) as EncodedEvent

describe("an event", () => {
  it.prop(
    "is unchanged by encoding and decoding",
    [eventArbitrary],
    ([event]) => {
      const encoded = encodeEvent(event)
      expect(encoded.type).toBe(event._tag)
      expect(encoded.schemaVersion).toBe(storedFormOf(event).schemaVersion)
      expect(encoded.data).not.toHaveProperty("_tag")
      const decoded = Result.getOrThrow(decodeEvent(stored(encoded)))
      expect(withoutNegativeZero(decoded)).toEqual(withoutNegativeZero(event))
    },
    manyRuns
  )

  it.prop(
    "is encoded as the schema does, also on the fast path",
    [eventArbitrary],
    ([event]) => {
      expect(stored(encodeEvent(event))).toStrictEqual(stored(storedFormOf(event)))
    },
    manyRuns
  )

  it("is stored as its payload, with times in ISO-8601", () => {
    expect(
      encodeEvent({ _tag: "CardClaimed", owner: "w", ttlSeconds: 60, expiresAt: at(1), generation: 0 })
    ).toStrictEqual({
      type: "CardClaimed",
      schemaVersion: 2,
      data: { owner: "w", ttlSeconds: 60, expiresAt: "2026-01-05T09:01:00.000Z", generation: 0 }
    })
  })

  it("with one changed field is stored with that field only", () => {
    expect(encodeEvent({ _tag: "CardRevised", body: null })).toStrictEqual({
      type: "CardRevised",
      schemaVersion: 1,
      data: { body: null }
    })
  })
})

describe("an event that cannot be decoded", () => {
  it.each<readonly [why: string, encoded: EncodedEvent, because: string]>([
    ["an unknown type", { type: "CardBurnt", schemaVersion: 1, data: {} }, "does not know the type"],
    ["a type of other letters", { type: "cardLinked", schemaVersion: 1, data: { dependsOn: "a" } }, "does not know"],
    ["a type that every object has", { type: "constructor", schemaVersion: 1, data: {} }, "does not know the type"],
    ["a newer shape", { type: "CardLinked", schemaVersion: 2, data: { dependsOn: "a" } }, "a newer program"],
    ["a missing field", { type: "CardLinked", schemaVersion: 1, data: {} }, "dependsOn"],
    ["a field of the wrong type", { type: "CardLinked", schemaVersion: 1, data: { dependsOn: 1 } }, "dependsOn"],
    ["a value out of bounds", { type: "CardLinked", schemaVersion: 1, data: { dependsOn: " a" } }, "white space"],
    ["an unknown field", { type: "CardLinked", schemaVersion: 1, data: { dependsOn: "a", extra: 1 } }, "extra"],
    [
      "a time that is none",
      { type: "CardClaimed", schemaVersion: 1, data: { owner: "w", ttlSeconds: 1, expiresAt: "soon" } },
      "expiresAt"
    ],
    [
      "an unknown field deep inside",
      { type: "CardBlocked", schemaVersion: 1, data: { reason: null, endedClaim: { owner: "w", token: 1, x: 1 } } },
      "endedClaim"
    ]
  ])("%s", (_, encoded, because) => {
    const decoded = decodeEvent(encoded)
    expect(reasonOf(decoded)).toContain(because)
    if (Result.isSuccess(decoded)) return
    expect([decoded.failure.type, decoded.failure.schemaVersion]).toEqual([encoded.type, encoded.schemaVersion])
    expect(decoded.failure.message).toContain(`type ${encoded.type}, schema version ${encoded.schemaVersion}`)
  })

  it.each([0, -1, 1.5, Number.NaN])("a schema version %d is refused", (schemaVersion) => {
    const decoded = decodeEvent({ type: "CardLinked", schemaVersion, data: { dependsOn: "a" } })
    expect(reasonOf(decoded)).toContain("schema versions are 1, 2, 3")
  })
})

describe("upcasters", () => {
  /** `CardLinked` as it might have come about: `on` was renamed to `target`, then to `dependsOn`, then put in capitals. */
  const decode = makeDecoder({
    CardLinked: [
      ({ on, ...rest }) => ({ ...rest, target: on ?? null }),
      ({ target, ...rest }) => ({ ...rest, dependsOn: target ?? null }),
      ({ dependsOn, ...rest }) => ({
        ...rest,
        dependsOn: typeof dependsOn === "string" ? dependsOn.toUpperCase() : null
      })
    ],
    CardUnlinked: [
      () => {
        throw new Error("no such luck")
      }
    ]
  })

  it.each<readonly [version: number, data: Schema.JsonObject]>([
    [1, { on: "a" }],
    [2, { target: "a" }],
    [3, { dependsOn: "a" }],
    [4, { dependsOn: "A" }]
  ])("bring version %i to the newest, step by step", (schemaVersion, data) => {
    const before = structuredClone(data)
    expect(Result.getOrThrow(decode({ type: "CardLinked", schemaVersion, data }))).toEqual({
      _tag: "CardLinked",
      dependsOn: id("A")
    })
    expect(data).toStrictEqual(before)
  })

  it("do not change the newest version", () => {
    expect(Result.getOrThrow(decode({ type: "CardLinked", schemaVersion: 4, data: { dependsOn: "a" } }))).toEqual({
      _tag: "CardLinked",
      dependsOn: id("a")
    })
  })

  it("refuse a version after the newest", () => {
    expect(reasonOf(decode({ type: "CardLinked", schemaVersion: 5, data: { dependsOn: "a" } }))).toContain("newer")
  })

  it("must produce a valid payload", () => {
    expect(reasonOf(decode({ type: "CardLinked", schemaVersion: 1, data: { on: "a", extra: 1 } }))).toContain("extra")
  })

  it("that fail make the event undecodable", () => {
    const encoded = { type: "CardUnlinked", schemaVersion: 1, data: { dependsOn: "a" } }
    expect(reasonOf(decode(encoded))).toContain("no such luck")
  })

  it("are found by type: a type without an entry is unknown", () => {
    expect(reasonOf(decode({ type: "CardReopened", schemaVersion: 1, data: { reason: null } }))).toContain("not know")
  })
})
