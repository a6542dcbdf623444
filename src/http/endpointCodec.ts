import { type Context, Effect, Result, Schema, type SchemaAST, Stream } from "effect"
import { type HttpServerRequest, HttpServerResponse } from "effect/http"
import { type HttpApiEndpoint, HttpApiSchema } from "effect/http-api"
import { makeFastEncoder, type PureSchema } from "../domain/fastCodec.ts"
import { jsonType, mediaTypeOf } from "./readJsonBody.ts"
import { makeProblem, problemOf, problemResponse } from "./problems.ts"
import type { InvalidInput } from "../index.ts"
import { makeInputDecoder } from "../services/decodeInput.ts"

/** Requests must not have unknown members, but they may have unknown headers. */
const strict: SchemaAST.ParseOptions = { onExcessProperty: "error" }

/** The parts of a request that an endpoint's handler receives. */
export interface RequestParts {
  readonly headers?: unknown
  readonly query?: unknown
  readonly payload?: unknown
}

type Decoder = (input: unknown) => Result.Result<unknown, InvalidInput>

const decoderOf = (
  schema: Schema.Constraint | undefined,
  place: string,
  options: SchemaAST.ParseOptions = {}
): Decoder | undefined => (schema === undefined ? undefined : makeInputDecoder(schema as PureSchema, options, place))

/** Makes the function that decodes the headers and the query of an endpoint's requests. */
export const makeParameterDecoder = ({ headers, query }: HttpApiEndpoint.Top) => {
  const decodeHeaders = decoderOf(headers, "the headers: ")
  const decodeQuery = decoderOf(query && Schema.toCodecArrayFromSingle(query), "the query: ", strict)
  return (
    request: HttpServerRequest.HttpServerRequest,
    sentQuery: Readonly<Record<string, string | Array<string>>>
  ): Result.Result<RequestParts, InvalidInput> => {
    const parts: { headers?: unknown; query?: unknown } = {}
    if (decodeHeaders !== undefined) {
      const decoded = decodeHeaders(request.headers)
      if (Result.isFailure(decoded)) return Result.fail(decoded.failure)
      parts.headers = decoded.success
    }
    if (decodeQuery !== undefined) {
      const decoded = decodeQuery(sentQuery)
      if (Result.isFailure(decoded)) return Result.fail(decoded.failure)
      parts.query = decoded.success
    }
    return Result.succeed(parts)
  }
}

/** The response to a body of a media type that the endpoint does not accept. */
export const unsupportedMediaType = problemResponse(
  makeProblem("UnsupportedMediaType", "The body must be application/json.")
)

/**
 * Makes the function that decodes the payload of an endpoint's requests, from the JSON of the body or as a stream. Returns
 * `undefined` for a media type that the endpoint does not accept. Without a payload, there is no function.
 */
export const makePayloadDecoder = ({ payload }: HttpApiEndpoint.Top) => {
  const [first] = payload
  if (first === undefined) return undefined
  const [acceptedType, { encoding, schemas }] = first
  const decodeJson = encoding._tag === "Stream" ? undefined : decoderOf(Schema.Union(schemas), "", strict)
  return (
    request: HttpServerRequest.HttpServerRequest,
    json: unknown
  ): Result.Result<unknown, InvalidInput> | undefined => {
    const sentType = request.headers["content-type"]
    if (sentType !== acceptedType && mediaTypeOf(sentType) !== acceptedType) return undefined
    return decodeJson === undefined ? Result.succeed(Stream.orDie(request.stream)) : decodeJson(json)
  }
}

/** Makes the function that turns the result of an endpoint's handler into the response. */
export const makeSuccessEncoder = ({ success }: HttpApiEndpoint.Top) => {
  const content = [...success].filter((schema) => !HttpApiSchema.isNoContent(schema.ast))
  const [schema] = content
  const encodeLines = schema !== undefined && isLines(schema) ? makeLinesEncoder(schema) : undefined
  const encode = makeFastEncoder(Schema.Union(content) as unknown as PureSchema)
  return (value: unknown): Effect.Effect<HttpServerResponse.HttpServerResponse> => {
    if (HttpServerResponse.isHttpServerResponse(value)) return Effect.succeed(value)
    if (Stream.isStream(value)) return streamResponse(value as Stream.Stream<unknown>, encodeLines)
    if (schema === undefined || (value === undefined && content.length < success.size)) return Effect.succeed(noContent)
    const encoded = encode(value)
    return Result.isFailure(encoded)
      ? Effect.die(encoded.failure)
      : Effect.succeed(HttpServerResponse.text(JSON.stringify(encoded.success), { contentType: jsonType }))
  }
}

const noContent = HttpServerResponse.empty({ status: 204 })

const isLines = (schema: Schema.Top): schema is HttpApiSchema.StreamNdjson<Schema.Top> =>
  "_tag" in schema && schema._tag === "StreamNdjson"

/** Encodes items, one JSON document per line. */
const makeLinesEncoder = (schema: HttpApiSchema.StreamNdjson<Schema.Top>) => {
  const encode = makeFastEncoder(Schema.toCodecJson(schema.schema) as unknown as PureSchema)
  const encodeLine = (item: unknown): string => `${JSON.stringify(Result.getOrThrow(encode(item)))}\n`
  return {
    contentType: schema.contentType,
    encode: (items: Stream.Stream<unknown>): Stream.Stream<Uint8Array> =>
      Stream.encodeText(Stream.mapArray(items, (some): [string] => [some.map(encodeLine).join("")]))
  }
}

/** The response that carries a stream: of items for which there is an encoder, or of bytes. */
const streamResponse = (
  stream: Stream.Stream<unknown>,
  lines: ReturnType<typeof makeLinesEncoder> | undefined
): Effect.Effect<HttpServerResponse.HttpServerResponse> =>
  Effect.contextWith((context: Context.Context<never>) =>
    Effect.succeed(
      HttpServerResponse.stream(
        Stream.provideContext(
          lines === undefined ? (stream as Stream.Stream<Uint8Array>) : lines.encode(stream),
          context
        ),
        { contentType: lines?.contentType ?? linesType }
      )
    )
  )

const linesType = "application/x-ndjson"

/** The response to a failed request. An error that is not a problem is a defect. */
export const encodeError = (error: unknown): Effect.Effect<HttpServerResponse.HttpServerResponse> => {
  const problem = problemOf(error)
  return problem === undefined ? Effect.die(error) : Effect.succeed(problemResponse(problem))
}
