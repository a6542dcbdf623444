import { Arbitrary, Schema } from "effect"
import { Card, Version } from "../../src/domain/Card.ts"
import { CardId } from "../../src/domain/CardId.ts"
import { Event } from "../../src/domain/Event.ts"
import type { StreamEvent } from "../../src/domain/evolve.ts"
import { jsonStorageProblem } from "../../src/domain/Json.ts"
import { Name, Title } from "../../src/domain/Text.ts"

/** Storable JSON, sampled from JSON values, because the schema `Json` filters all values. */
const SamplableJson = Schema.Json.check(Schema.makeFilter(jsonStorageProblem))

/** The fields of a struct, with the JSON fields in a form that can be sampled. */
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

/** Not empty: samples start with the smallest value, and an empty text is not a valid id. */
const SamplableId = CardId.check(Schema.isMinLength(1))

/** Any card, including states that no log produces, such as claimed without an owner. */
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

/** Any event at any version of a stream. */
export const streamEventArbitrary: Arbitrary.Arbitrary<StreamEvent> = Arbitrary.all({
  cardId: Arbitrary.schema(SamplableId),
  version: Arbitrary.schema(Version),
  occurredAt: Arbitrary.schema(Schema.DateTimeUtc),
  actor: Arbitrary.schema(Name.check(Schema.isMinLength(1))),
  event: eventArbitrary
})

/** Allows many discarded samples, because the schemas reject many texts. */
export const manyRuns: { readonly arbitrary: Arbitrary.CheckOptions } = {
  arbitrary: { runs: 300, maxDiscards: 100_000 }
}
