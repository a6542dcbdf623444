import { Schema, SchemaTransformation, Struct } from "effect"
import { HttpApiSchema } from "effect/http-api"

/** The media type of a problem, RFC 9457. */
export const problemMediaType = "application/problem+json"

/** What the member `type` of a problem says: a name, not an address. */
export const problemType = (tag: string): string => `urn:mosaic-backlog:problem:${tag}`

/** What every problem has, in the order in which it is written. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly _tag: string
}

/** A problem of an error. */
export const problemOf = (tag: string, status: number, title: string, detail: string): Problem => ({
  type: problemType(tag),
  title,
  status,
  detail,
  _tag: tag
})

/** What is needed of the class of a tagged error. */
interface ErrorClass extends Schema.Top {
  readonly Type: Error
  readonly identifier: string
  readonly fields: Schema.Struct.Fields & { readonly _tag: Schema.tag<string> }
  new (fields: never): Error
}

/**
 * An error as a problem: its message is the `detail`, its tag is `_tag`, and its fields stand beside them, encoded as the
 * command line encodes them, those that are named in `renamed` by another name. Decoding a problem gives the error again.
 */
export const asProblem = <S extends ErrorClass>(
  error: S,
  status: number,
  title: string,
  renamed: Readonly<Record<string, string>> = {}
): Schema.Codec<InstanceType<S>, Problem> => {
  const tag = error.identifier
  const fields: Schema.Struct.Fields = Struct.omit(error.fields, ["_tag"])
  const members = Object.keys(fields).map((field) => ({ field, member: renamed[field] ?? field }))
  const problem = Schema.Struct({
    type: Schema.Literal(problemType(tag)),
    title: Schema.String,
    status: Schema.Literal(status),
    detail: Schema.String,
    _tag: Schema.Literal(tag),
    ...Object.fromEntries(members.map(({ field, member }) => [member, fields[field]]))
  }).annotate({ identifier: `${tag}Problem` })
  return problem.pipe(
    Schema.decodeTo(
      Schema.toType(error as Schema.Top),
      SchemaTransformation.transform({
        decode: (from: Readonly<Record<string, unknown>>): unknown =>
          new error(Object.fromEntries(members.map(({ field, member }) => [field, from[member]])) as never),
        encode: (value: unknown) => ({
          ...problemOf(tag, status, title, (value as Error).message),
          ...Object.fromEntries(
            members.map(({ field, member }) => [member, (value as Readonly<Record<string, unknown>>)[field]])
          )
        })
      }) as never
    ),
    HttpApiSchema.asJson({ contentType: problemMediaType }),
    HttpApiSchema.status(status)
  ) as unknown as Schema.Codec<InstanceType<S>, Problem>
}
