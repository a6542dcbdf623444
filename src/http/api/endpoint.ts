import { ByteSize, Context, Schema, type SchemaAST, Struct } from "effect"
import { OpenApi } from "effect/http-api"
import { Name } from "../../domain/Text.ts"

/** The summary and the description of an endpoint. */
export const describeEndpoint = (summary: string, description?: string) =>
  OpenApi.annotations(description === undefined ? { summary } : { summary, description })

/** Maximum size of a request body. Endpoints can override it. Defaults to 2 MiB. */
export const BodyLimit: Context.Reference<ByteSize.ByteSize> = Context.Reference<ByteSize.ByteSize>(
  "mosaic-backlog/http/BodyLimit",
  { defaultValue: () => ByteSize.mebibytes(2) }
)

/** The header of a command's id. A retry with the same key and the same body gets the first answer. */
export const idempotencyHeader = { "idempotency-key": Schema.optionalKey(Name) }

type JsonField<F> = F extends Schema.optional<infer S> ? Schema.optionalKey<S> : F

type JsonFields<Fields extends Schema.Struct.Fields> = { readonly [K in keyof Fields]: JsonField<Fields[K]> }

/** Fields as JSON has them, without `undefined`. An optional field may be omitted; it may be `null` only if its schema says so. */
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
 * The payload of a command's endpoint: the command without its tag. `actor` is optional because a token names it, and
 * `commandId` can also be the header `Idempotency-Key`. `nested` gives the JSON form of fields that contain objects.
 */
export const commandPayload = <
  const Fields extends Schema.Struct.Fields & { readonly actor: Schema.Top },
  const Nested extends Schema.Struct.Fields = {}
>(
  command: { readonly fields: Fields; readonly ast: SchemaAST.AST },
  nested?: Nested
) =>
  withChecksOf(
    command,
    Schema.Struct({
      ...jsonFields(
        Struct.omit(command.fields, ["_tag", "actor"] as never) as Omit<Fields, "_tag" | "actor" | keyof Nested>
      ),
      ...(nested as Nested),
      actor: Schema.optionalKey(Name)
    })
  )

/** Adds the checks of a schema to another one that has the same members, so that the document shows them. */
export const withChecksOf = <S extends Schema.Top>({ ast }: { readonly ast: SchemaAST.AST }, schema: S): S => {
  const checks = ast.checks as unknown as readonly [never, ...Array<never>] | undefined
  return checks === undefined ? schema : (schema.check(...checks) as unknown as S)
}
