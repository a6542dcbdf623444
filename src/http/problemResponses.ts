import { Cause, Effect } from "effect"
import { HttpBody, HttpServerError, HttpServerRequest, HttpServerResponse } from "effect/http"
import { redactSecrets } from "../domain/redactSecrets.ts"
import { makeProblem, type Problem, problemMediaType, problemResponse } from "./problems.ts"

/** The methods of each path that there is. */
export type MethodsByPath = ReadonlyMap<string, ReadonlySet<string>>

/** Makes a problem of everything that ends in an error: no answer is an error without saying which. */
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

/** Whether an error says which one it is: as a problem, or as the protocol has it that is spoken over this one. */
const isSelfDescribing = ({ headers }: HttpServerResponse.HttpServerResponse): boolean =>
  headers["content-type"] === problemMediaType || headers["content-type"] === "application/json"

/** An error repeats what was asked, and a token may stand anywhere in that. */
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
  like?: HttpServerResponse.HttpServerResponse
): HttpServerResponse.HttpServerResponse => {
  const response = redactResponse(problemResponse(problem))
  return like === undefined ? response : HttpServerResponse.setHeaders(response, withoutContent(like.headers))
}

const withoutContent = (headers: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith("content-")))

const unknownPath = (path: string) =>
  makeProblem("UnknownPath", `There is nothing at ${JSON.stringify(path)}: see /openapi.json.`)

const problemOfStatus = (status: number): Problem => {
  switch (status) {
    case 404:
      return makeProblem("UnknownPath", "There is nothing there: see /openapi.json.")
    case 413:
      return makeProblem("BodyTooLarge", "The body is larger than this endpoint takes.")
    case 415:
      return makeProblem("UnsupportedMediaType", "Bodies are application/json.")
    case 503:
      return makeProblem("Unavailable", "The server cannot answer now: try again.")
    default:
      return status < 500
        ? makeProblem("BadRequest", "The request cannot be understood.", status)
        : makeProblem("Defect", "This is an error of the server. What happened is in its log.", status)
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
      ...makeProblem("MethodNotAllowed", `${path} takes ${allowed}, not ${request.method}.`),
      allowed: [...methods]
    }),
    "allow",
    allowed
  )
}
