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
 * Refuses a JSON body that would not be kept exactly: a number that a double cannot represent, a repeated key, or bytes that
 * are not UTF-8. The endpoint reads the same body afterwards.
 */
const requireExactBody = (request: HttpServerRequest.HttpServerRequest): Effect.Effect<void, InvalidInput> => {
  if (request.method !== "POST" || !isJson(request.headers["content-type"])) return Effect.void
  return Effect.gen(function* () {
    // The outer server answers a body that is too large or incomplete.
    if (!isUtf8(yield* Effect.orDie(request.arrayBuffer))) return yield* inexactBody("it is not UTF-8")
    const text = yield* Effect.orDie(request.text)
    if (text === "") return
    const parsed = parseExactJson(text)
    if (Result.isFailure(parsed)) return yield* inexactBody(describeJsonProblem(parsed.failure))
  })
}

const inexactBody = (problem: string) =>
  new InvalidInput({ problem: `the body is not JSON that can be stored: ${problem}` })

/** A body without a content type is read as JSON. */
const isJson = (contentType = "application/json"): boolean => /^\s*application\/json\s*(?:;|$)/i.test(contentType)

/** Maximum size of a request body. Endpoints can override it. Defaults to 2 MiB. */
export const BodyLimit: Context.Reference<ByteSize.ByteSize> = Context.Reference<ByteSize.ByteSize>(
  "mosaic-backlog/http/BodyLimit",
  { defaultValue: () => ByteSize.mebibytes(2) }
)

/**
 * Validates every request: limits its body, refuses JSON that would not be kept exactly, and fails with `InvalidInput` if the
 * request does not match the endpoint's schemas. Declares the errors that every endpoint can return.
 */
export class RequestValidation extends HttpApiMiddleware.Service<RequestValidation>()(
  "mosaic-backlog/http/RequestValidation",
  {
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
  }
) {}

/** Validates every request. */
export const layerRequestValidation: Layer.Layer<RequestValidation> = Layer.succeed(
  RequestValidation,
  (httpEffect, { endpoint }) => {
    const limit = Context.get(endpoint.annotations, BodyLimit)
    const limitBytes = Number(limit)
    const bounded = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      Effect.provideService(effect, HttpIncomingMessage.MaxBodySize, limit)
    return Effect.gen(function* () {
      const request = yield* HttpServerRequest.HttpServerRequest
      // Refuses the request before its body arrives.
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
  // The response does not match its own schema.
  if (kind === "Body" || kind === "ResponseHeaders") return Effect.die(error)
  return new InvalidInput({ problem: truncateMessage(`${places[kind]}${cause.message}`) })
}
