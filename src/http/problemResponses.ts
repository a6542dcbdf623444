import { Cause, Effect } from "effect"
import { HttpBody, HttpServerError, HttpServerRequest, HttpServerResponse } from "effect/http"
import { redactSecrets } from "../domain/redactSecrets.ts"
import { makeProblem, type Problem, problemMediaType, problemResponse } from "./problems.ts"

/** The methods of each path. */
export type MethodsByPath = ReadonlyMap<string, ReadonlySet<string>>

/** Turns every failure and every bare error status of an application into a problem. */
export const withProblemResponses =
  (paths: MethodsByPath) =>
  <E, R>(
    app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>
  ): Effect.Effect<HttpServerResponse.HttpServerResponse, never, R | HttpServerRequest.HttpServerRequest> =>
    Effect.matchCauseEffect(app, {
      onSuccess: (response) =>
        Effect.succeed(
          response.status < 400
            ? response
            : isSelfDescribing(response)
              ? redactResponse(response)
              : redactedProblem(problemOfStatus(response.status), response)
        ),
      onFailure: (cause) =>
        Cause.hasInterruptsOnly(cause)
          ? Effect.failCause(cause as Cause.Cause<never>)
          : Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => responseOfCause(cause, request, paths))
    })

/** Whether an error response has a body: a problem, or an error of a protocol on top of HTTP. */
const isSelfDescribing = ({ headers }: HttpServerResponse.HttpServerResponse): boolean =>
  headers["content-type"] === problemMediaType || headers["content-type"] === "application/json"

/** Redacts access tokens: an error repeats parts of the request, and any of them may contain a token. */
const redactResponse = (response: HttpServerResponse.HttpServerResponse): HttpServerResponse.HttpServerResponse => {
  const { body } = response
  if (body._tag !== "Uint8Array") return response
  const text = new TextDecoder().decode(body.body)
  const shown = redactSecrets(text)
  return shown === text
    ? response
    : HttpServerResponse.setBody(response, HttpBody.text(shown, response.headers["content-type"]))
}

const redactedProblem = (
  problem: Problem & { readonly allowed?: ReadonlyArray<string> },
  original?: HttpServerResponse.HttpServerResponse
): HttpServerResponse.HttpServerResponse => {
  const response = redactResponse(problemResponse(problem))
  return original === undefined ? response : HttpServerResponse.setHeaders(response, withoutContent(original.headers))
}

const withoutContent = (headers: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith("content-")))

const unknownPath = (path: string) =>
  makeProblem("UnknownPath", `There is no endpoint at ${JSON.stringify(path)}. /openapi.json lists the endpoints.`)

const problemOfStatus = (status: number): Problem => {
  switch (status) {
    case 404:
      return makeProblem("UnknownPath", "There is no endpoint at this path. /openapi.json lists the endpoints.")
    case 405:
      return makeProblem(
        "MethodNotAllowed",
        "The path does not accept this method. The header Allow lists its methods."
      )
    case 406:
      return makeProblem("NotAcceptable", "The server has no response of a media type that the header Accept lists.")
    case 413:
      return makeProblem("BodyTooLarge", "The body is larger than this endpoint accepts.")
    case 415:
      return makeProblem("UnsupportedMediaType", "The body must be application/json.")
    case 503:
      return makeProblem("Unavailable", "The server cannot respond now. Try again.")
    default:
      return status < 500
        ? makeProblem("BadRequest", "The request cannot be understood.", status)
        : makeProblem("Defect", "This is an error in the server. Its log has the details.", status)
  }
}

const responseOfCause = Effect.fnUntraced(function* (
  cause: Cause.Cause<unknown>,
  request: HttpServerRequest.HttpServerRequest,
  paths: MethodsByPath
) {
  const error = Cause.squash(cause)
  if (HttpServerError.isHttpServerError(error)) {
    const { reason } = error
    if (reason._tag === "RouteNotFound") return notFound(request, paths)
    if (reason._tag === "RequestParseError")
      return redactedProblem(problemOfStatus(reason.reason === "BodyTooLarge" ? 413 : 400))
  }
  yield* Effect.logError("A request ended in a defect.", cause)
  return redactedProblem(problemOfStatus(500))
})

const notFound = (request: HttpServerRequest.HttpServerRequest, paths: MethodsByPath) => {
  const path = request.url.replace(/[?#].*$/s, "")
  const methods = paths.get(path)
  if (methods === undefined) return redactedProblem(unknownPath(path))
  const allowed = [...methods].join(", ")
  return HttpServerResponse.setHeader(
    redactedProblem({
      ...makeProblem("MethodNotAllowed", `${path} accepts ${allowed}, not ${request.method}.`),
      allowed: [...methods]
    }),
    "allow",
    allowed
  )
}
