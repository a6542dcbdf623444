import { Context, Effect, Result, type Scope } from "effect"
import { HttpServerRequest, type HttpServerResponse } from "effect/http"
import type { HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { type AuthorizedCaller, authorize, CurrentCaller, type OwnerLookup } from "./Caller.ts"
import type { BacklogApi } from "./api/BacklogApi.ts"
import { BodyLimit } from "./api/endpoint.ts"
import {
  encodeError,
  makeParameterDecoder,
  makePayloadDecoder,
  makeSuccessEncoder,
  unsupportedMediaType
} from "./endpointCodec.ts"
import { BodyTooLarge } from "./errors.ts"
import { hasJsonBody, readJsonBody } from "./readJsonBody.ts"

/*
 * A request of an endpoint passes, in this order: the caller's role, the size of the body, the body as JSON, the
 * headers, the query, the media type, the payload, the handler, the response. `HttpApiBuilder` does the same for the schemas
 * and middleware of any API, and takes several times as long: see docs/decisions/0041-http-requests.md.
 */

/** The groups of the API, by name. */
export type Groups = (typeof BacklogApi)["groups"]

type EndpointsOf<Name extends keyof Groups> = HttpApiGroup.Endpoints<Groups[Name]>

/** The function that handles an endpoint. */
type Handler<Endpoint extends HttpApiEndpoint.Constraint> = (
  request: Endpoint["~Request"] & { readonly caller: AuthorizedCaller }
) => ReturnType<HttpApiEndpoint.Handler<Endpoint, HttpApiEndpoint.MiddlewareError<Endpoint>, Scope.Scope>>

/** The functions that handle the endpoints of a group, by the names of the endpoints. */
export type Handlers<Name extends keyof Groups> = {
  readonly [Endpoint in EndpointsOf<Name> as Endpoint["identifier"]]: Handler<Endpoint>
}

/** The function that handles some endpoint. */
export type AnyHandler = (request: never) => Effect.Effect<unknown, unknown, Scope.Scope>

/** Makes the effect that responds to the requests of an endpoint. */
export const handleEndpoint = (
  endpoint: HttpApiEndpoint.Top,
  handler: AnyHandler,
  ownerOf: OwnerLookup
): Effect.Effect<HttpServerResponse.HttpServerResponse, never, Scope.Scope> => {
  const decodeParameters = makeParameterDecoder(endpoint)
  const decodePayload = makePayloadDecoder(endpoint)
  const encodeSuccess = makeSuccessEncoder(endpoint)
  const limitBytes = Number(Context.get(endpoint.annotations, BodyLimit))
  const handled = Effect.withFiber<HttpServerResponse.HttpServerResponse, unknown, Scope.Scope>((fiber) => {
    const context: Context.Context<never> = fiber.context
    const request = Context.getUnsafe(context, HttpServerRequest.HttpServerRequest)
    const authorized = authorize(fiber.getRef(CurrentCaller), endpoint, ownerOf)
    if (Result.isFailure(authorized)) return Effect.fail(authorized.failure)
    // Refuses the request before its body arrives.
    if (Number(request.headers["content-length"]) > limitBytes) return new BodyTooLarge({ limitBytes })
    const respond = (json: unknown): Effect.Effect<HttpServerResponse.HttpServerResponse, unknown, Scope.Scope> => {
      const parameters = decodeParameters(request, Context.getUnsafe(context, HttpServerRequest.ParsedSearchParams))
      if (Result.isFailure(parameters)) return Effect.fail(parameters.failure)
      const { headers, query } = parameters.success
      const payload = decodePayload?.(request, json)
      if (payload === undefined) {
        if (decodePayload !== undefined) return Effect.succeed(unsupportedMediaType)
      } else if (Result.isFailure(payload)) return Effect.fail(payload.failure)
      const caller = authorized.success
      const given = { caller, endpoint, headers, payload: payload?.success, query, request }
      return Effect.flatMap(handler(given as never), encodeSuccess)
    }
    return hasJsonBody(request) ? Effect.flatMap(readJsonBody(request, limitBytes), respond) : respond(undefined)
  })
  return Effect.catch(Effect.withErrorReporting(handled), encodeError)
}
