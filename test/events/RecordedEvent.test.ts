import { Schema } from "effect"
import { describe, expect, expectTypeOf, it } from "vitest"
import { EventType } from "../../src/domain/Event.ts"
import { RecordedEvent, type RecordedEventType } from "../../src/events/RecordedEvent.ts"

describe("the type of a recorded event", () => {
  it("is the union of the known types, and of names that only a newer program knows", () => {
    expectTypeOf<Extract<RecordedEvent["type"], EventType>>().toEqualTypeOf<EventType>()
    expectTypeOf<string>().toExtend<RecordedEvent["type"]>()
    const isKnown = Schema.is(EventType)
    const describeType = (type: RecordedEventType): EventType | "unknown" => (isKnown(type) ? type : "unknown")
    expect([describeType("CardClaimed"), describeType("CardMoved")]).toEqual(["CardClaimed", "unknown"])
  })

  it("is decoded also when the program does not know it", () => {
    const decode = Schema.decodeUnknownSync(RecordedEvent.fields.type)
    expect([decode("CardClaimed"), decode("CardMoved")]).toEqual(["CardClaimed", "CardMoved"])
    expect(() => decode(1)).toThrow("Expected string")
  })
})
