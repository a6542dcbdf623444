import { describe, expect, it } from "@effect/vitest"
import { Arbitrary, Equal, Result, Schema } from "effect"
import { Event } from "../../src/domain/Event.ts"
import { isName, isReason, Name, Reason } from "../../src/domain/Text.ts"
import { decodeClaimEvent } from "../../src/events/EventCodec.ts"
import { manyRuns } from "../domain/arbitraries.ts"

const bySchema = Schema.decodeUnknownResult(Event, { onExcessProperty: "error" })

const anyTime = "2026-02-03T04:05:06.789Z"
/** Values on both sides of every bound, and of other kinds. */
const values: ReadonlyArray<Schema.Json> = [
  null,
  true,
  "",
  "w",
  " w",
  "w ",
  "a name of words",
  "na\tme",
  "é".repeat(200),
  "w".repeat(201),
  "\ud800",
  "\u0000",
  "r".repeat(16 * 1024),
  "r".repeat(16 * 1024 + 1),
  0,
  1,
  1.5,
  -1,
  30 * 24 * 60 * 60,
  30 * 24 * 60 * 60 + 1,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 53 - 2 ** 31,
  2 ** 53 - 2 ** 31 + 1,
  2 ** 53 - 1,
  2 ** 53,
  anyTime,
  "2026-02-03T04:05:06Z",
  "2026-02-30T04:05:06.789Z",
  "2026-13-03T04:05:06.789Z",
  "2026-02-03",
  {},
  []
]
const members = ["owner", "token", "ttlSeconds", "expiresAt", "reason", "notBefore", "generation", "more"] as const
const right: Readonly<Record<string, Schema.JsonObject>> = {
  CardClaimed: { owner: "w", ttlSeconds: 60, expiresAt: anyTime, generation: 0 },
  ClaimRenewed: { owner: "w", token: 1, ttlSeconds: 60, expiresAt: anyTime },
  CardReleased: { owner: "w", token: 1, reason: "tired", notBefore: null }
}
const types = Object.keys(right)

describe("decodeClaimEvent and the schema", () => {
  it("agree on payloads of claims with one member changed or removed", () => {
    let byHand = 0
    for (const type of types) {
      for (const member of members) {
        const { [member]: _, ...without } = right[type] as Record<string, Schema.Json>
        for (const data of [without, ...values.map((value) => ({ ...right[type], [member]: value }))]) {
          const decoded = decodeClaimEvent(type, data)
          if (decoded === undefined) continue
          byHand++
          const expected = Result.getOrThrow(bySchema({ _tag: type, ...data }))
          expect([data, Equal.equals(decoded, expected)]).toEqual([data, true])
          expect(Object.keys(decoded)).toEqual(Object.keys(expected))
        }
      }
    }
    expect(byHand).toBeGreaterThan(50)
  })

  it.each(types)("an ordinary %s is decoded on the fast path", (type) => {
    expect(decodeClaimEvent(type, right[type] as Schema.JsonObject)).toBeDefined()
  })

  it("other events are left to the schema", () => {
    const others = Event.members.map(({ fields }) => fields._tag.schema.literal).filter((type) => !types.includes(type))
    for (const type of others) {
      expect(decodeClaimEvent(type, right["CardClaimed"] as Schema.JsonObject)).toBeUndefined()
    }
  })

  it.prop(
    "agree on names and reasons",
    [Arbitrary.schema(Schema.String)],
    ([text]) => {
      expect(isName(text)).toBe(Schema.is(Name)(text))
      expect(isReason(text)).toBe(Schema.is(Reason)(text))
    },
    manyRuns
  )
})
