import { ByteSize, Context, Effect, Layer, type Types } from "effect"
import { HttpIncomingMessage, HttpServerRequest } from "effect/http"
import { HttpApiError, HttpApiMiddleware } from "effect/http-api"
import { shortened } from "../domain/shortened.ts"
import { InvalidInput } from "../index.ts"
import { problems } from "./api/problems.ts"
import { BodyTooLarge } from "./BodyTooLarge.ts"
import { exactBody } from "./exactBody.ts"

/** Bytes that the body of a request may have: 2 MiB, but for endpoints that are annotated with another limit. */
export const BodyLimit: Context.Reference<ByteSize.ByteSize> = Context.Reference<ByteSize.ByteSize>(
  "mosaic-backlog/http/BodyLimit",
  { defaultValue: () => ByteSize.mebibytes(2) }
)

/**
 * What every endpoint does with a request: its body is bounded and kept exactly, and what does not fit the endpoint's schemas is
 * `InvalidInput`. Trouble with the database is an answer of every endpoint too.
 */
export class Requests extends HttpApiMiddleware.Service<Requests>()("mosaic-backlog/http/Requests", {
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
export const layerRequests: Layer.Layer<Requests> = Layer.succeed(Requests, (httpEffect, { endpoint }) => {
  const limit = Context.get(endpoint.annotations, BodyLimit)
  const limitBytes = Number(limit)
  const bounded = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.provideService(effect, HttpIncomingMessage.MaxBodySize, limit)
  return Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    // Said at once, and not when so much of it has come.
    if (Number(request.headers["content-length"]) > limitBytes) return yield* new BodyTooLarge({ limitBytes })
    yield* bounded(exactBody(request))
    return yield* bounded(httpEffect)
  }).pipe(
    Effect.catch((error): Effect.Effect<never, BodyTooLarge | InvalidInput | Types.unhandled> =>
      HttpApiError.HttpApiSchemaError.is(error) ? refused(error) : Effect.fail(error)
    )
  )
})

const places = { Params: "the path: ", Headers: "the headers: ", Query: "the query: ", Payload: "" } as const

const refused = (error: HttpApiError.HttpApiSchemaError): Effect.Effect<never, InvalidInput> => {
  const { cause, kind } = error
  // An answer that does not fit its own schema.
  if (kind === "Body" || kind === "ResponseHeaders") return Effect.die(error)
  return new InvalidInput({ problem: shortened(`${places[kind]}${cause.message}`) })
}
