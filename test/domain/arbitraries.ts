import { Arbitrary, Schema } from "effect"
import { Card, Version } from "../../src/domain/Card.ts"
import { CardId } from "../../src/domain/CardId.ts"
import { Event } from "../../src/domain/Event.ts"
import type { StreamEvent } from "../../src/domain/evolve.ts"
import { jsonStorageProblem } from "../../src/domain/Json.ts"
import { Title } from "../../src/domain/Text.ts"

/** JSON that can be stored, sampled from JSON: the schema `Json` itself is a filter over everything there is. */
const SamplableJson = Schema.Json.check(Schema.makeFilter(jsonStorageProblem))

/** A struct's fields, those that hold JSON in a form that samples can be made of. */
const samplable = (fields: Schema.Struct.Fields, jsonIsOptional: boolean): Schema.Top => {
  const json = Schema.NullOr(SamplableJson)
  const field = jsonIsOptional ? Schema.optionalKey(json) : json
  return Schema.Struct({
    ...fields,
    ...("acceptance" in fields ? { acceptance: field } : {}),
    ...("result" in fields ? { result: field } : {})
  })
}

/** Any JSON value that can be stored. */
export const jsonArbitrary: Arbitrary.Arbitrary<Schema.Json> = Arbitrary.schema(SamplableJson)

/** Any event. */
export const eventArbitrary = Arbitrary.schema(
  Schema.Union(Event.members.map(({ fields }) => samplable(fields, fields._tag.schema.literal === "CardRevised")))
) as Arbitrary.Arbitrary<Event>

/** Samples begin with the smallest, and would never get beyond the empty text, which is no id, without being told. */
const SamplableId = CardId.check(Schema.isMinLength(1))

/** Any card, also such as no log leads to: claimed without an owner, done before it was made. */
export const cardArbitrary = Arbitrary.schema(
  samplable(
    {
      ...Card.fields,
      id: SamplableId,
      title: Title.check(Schema.isMinLength(1)),
      attempts: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000 }))
    },
    false
  )
) as Arbitrary.Arbitrary<Card>

/** Any event at any place in the log. */
export const occurrenceArbitrary: Arbitrary.Arbitrary<StreamEvent> = Arbitrary.all({
  cardId: Arbitrary.schema(SamplableId),
  version: Arbitrary.schema(Version),
  occurredAt: Arbitrary.schema(Schema.DateTimeUtc),
  event: eventArbitrary
})

/** Samples of texts are often not what the schemas accept, and are thrown away: there may be many of those. */
export const manyRuns: { readonly arbitrary: Arbitrary.CheckOptions } = {
  arbitrary: { runs: 300, maxDiscards: 100_000 }
}
