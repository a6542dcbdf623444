import { Schema, Struct } from "effect"
import { OpenApi } from "effect/http-api"
import { Name } from "../../domain/Text.ts"

/** What is said about an endpoint, in a line and then in more words. */
export const describeEndpoint = (summary: string, description?: string) =>
  OpenApi.annotations(description === undefined ? { summary } : { summary, description })

/** A retry with the same key and the same body gets the first answer, and nothing is done twice. */
export const idempotencyHeader = { "idempotency-key": Schema.optionalKey(Name) }

type JsonField<F> = F extends Schema.optional<infer S> ? Schema.optionalKey<S> : F

type JsonFields<Fields extends Schema.Struct.Fields> = { readonly [K in keyof Fields]: JsonField<Fields[K]> }

/**
 * Fields as they are in JSON, which has no `undefined`: what may be left out may not be `null` instead, unless the field
 * says so itself.
 */
export const jsonFields = <const Fields extends Schema.Struct.Fields>(fields: Fields): JsonFields<Fields> =>
  Object.fromEntries(
    Object.entries(fields).map(([name, field]) => [name, isOptional(field) ? toOptionalKey(field) : field])
  ) as never

const isOptional = (field: Schema.Constraint): field is Schema.optional<Schema.Top> =>
  "schema" in field &&
  Schema.isSchema(field.schema) &&
  "members" in field.schema &&
  (field.schema.members as ReadonlyArray<Schema.Top>)[1] === Schema.Undefined

const toOptionalKey = (field: Schema.optional<Schema.Top>) => Schema.optionalKey(field.schema.members[0])

/**
 * What a command's endpoint takes: the command without its tag. `actor` may be left out where the server knows who calls,
 * and `commandId` stands in the header `Idempotency-Key` as well. What is nested in a field is given as it is in JSON.
 */
export const commandPayload = <
  const Fields extends Schema.Struct.Fields & { readonly actor: Schema.Top },
  const Nested extends Schema.Struct.Fields = {}
>(
  command: { readonly fields: Fields },
  nested?: Nested
) =>
  Schema.Struct({
    ...jsonFields(
      Struct.omit(command.fields, ["_tag", "actor"] as never) as Omit<Fields, "_tag" | "actor" | keyof Nested>
    ),
    ...(nested as Nested),
    actor: Schema.optionalKey(Name)
  })
