import { Schema } from "effect"
import * as today from "../../../src/domain/Event.ts"
import { Reason } from "../../../src/domain/Text.ts"
import type { Upcaster } from "../../../src/events/EventCodec.ts"

const [HeldClaim] = today.CardBlocked.fields.endedClaim.members

export const CardBlocked = Schema.TaggedStruct("CardBlocked", {
  reason: Schema.NullOr(Reason),
  kind: Schema.Literals(["question", "outage", "other"]),
  endedClaim: Schema.NullOr(HeldClaim)
})

export const upcasters = {
  CardBlocked: [(data) => ({ ...data, kind: "other" })]
} satisfies Readonly<Record<string, ReadonlyArray<Upcaster>>>
