import { ByteSize, Context, Effect, Layer, Result, type Types } from "effect"
import { HttpIncomingMessage, HttpServerRequest } from "effect/http"
import { HttpApiError, HttpApiMiddleware } from "effect/http-api"
import { isUtf8 } from "node:buffer"
import { describeJsonProblem, parseExactJson } from "../domain/parseExactJson.ts"
import { truncateMessage } from "../domain/displayText.ts"
import { BodyTooLarge } from "./errors.ts"
import { problems } from "./problems.ts"
import { InvalidInput } from "../index.ts"

/**
 * Refuses a JSON body that would not be kept as it was sent: a number that a double does not hold, a key that is there
 * twice, bytes that are not UTF-8. The endpoint reads the same body afterwards.
 */
const requireExactBody = (request: HttpServerRequest.HttpServerRequest): Effect.Effect<void, InvalidInput> => {
  if (request.method !== "POST" || !isJson(request.headers["content-type"])) return Effect.void
  return Effect.gen(function* () {
    // A body that is too large, or breaks off, is answered as everywhere.
    if (!isUtf8(yield* Effect.orDie(request.arrayBuffer))) return yield* inexactBody("it is not UTF-8")
    const text = yield* Effect.orDie(request.text)
    if (text === "") return
    const parsed = parseExactJson(text)
    if (Result.isFailure(parsed)) return yield* inexactBody(describeJsonProblem(parsed.failure))
  })
}

const inexactBody = (problem: string) =>
  new InvalidInput({ problem: `the body is not JSON that can be stored: ${problem}` })

/** A body without a type is taken for JSON. */
const isJson = (contentType = "application/json"): boolean => /^\s*application\/json\s*(?:;|$)/i.test(contentType)

/** Bytes that the body of a request may have: 2 MiB, but for endpoints that are annotated with another limit. */
export const BodyLimit: Context.Reference<ByteSize.ByteSize> = Context.Reference<ByteSize.ByteSize>(
  "mosaic-backlog/http/BodyLimit",
  { defaultValue: () => ByteSize.mebibytes(2) }
)

/**
 * What every endpoint does with a request: its body is bounded and kept exactly, and what does not fit the endpoint's schemas is
 * `InvalidInput`. Trouble with the database is an answer of every endpoint too.
 */
export class RequestValidation extends HttpApiMiddleware.Service<RequestValidation>()("mosaic-backlog/http/Requests", {
  error: [
    problems.invalidInput,
    problems.bodyTooLarge,
    problems.databaseUnavailable,
    problems.databaseFailed,
    problems.readOnlyReplica,
    problems.replicaBehind,
    problems.replicaConflict,
    problems.notPermitted
  ]
}) {}

/** What every endpoint does with a request. */
export const layerRequestValidation: Layer.Layer<RequestValidation> = Layer.succeed(
  RequestValidation,
  (httpEffect, { endpoint }) => {
    const limit = Context.get(endpoint.annotations, BodyLimit)
    const limitBytes = Number(limit)
    const bounded = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      Effect.provideService(effect, HttpIncomingMessage.MaxBodySize, limit)
    return Effect.gen(function* () {
      const request = yield* HttpServerRequest.HttpServerRequest
      // Said at once, and not when so much of it has come.
      if (Number(request.headers["content-length"]) > limitBytes) return yield* new BodyTooLarge({ limitBytes })
      yield* bounded(requireExactBody(request))
      return yield* bounded(httpEffect)
    }).pipe(
      Effect.catch((error): Effect.Effect<never, BodyTooLarge | InvalidInput | Types.unhandled> =>
        HttpApiError.HttpApiSchemaError.is(error) ? toInvalidInput(error) : Effect.fail(error)
      )
    )
  }
)

const places = { Params: "the path: ", Headers: "the headers: ", Query: "the query: ", Payload: "" } as const

const toInvalidInput = (error: HttpApiError.HttpApiSchemaError): Effect.Effect<never, InvalidInput> => {
  const { cause, kind } = error
  // An answer that does not fit its own schema.
  if (kind === "Body" || kind === "ResponseHeaders") return Effect.die(error)
  return new InvalidInput({ problem: truncateMessage(`${places[kind]}${cause.message}`) })
}
