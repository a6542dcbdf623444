import { Cause, Effect } from "effect"
import { HttpBody, HttpServerError, HttpServerRequest, HttpServerResponse } from "effect/http"
import { redactSecrets } from "../domain/redactSecrets.ts"
import { type Problem, problemMediaType, problemOf } from "./problems.ts"

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
              : problemResponse(problemOfStatus(response.status), response)
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

const problemResponse = (
  problem: Problem & { readonly allowed?: ReadonlyArray<string> },
  like?: HttpServerResponse.HttpServerResponse
): HttpServerResponse.HttpServerResponse => {
  const response = redactResponse(
    HttpServerResponse.jsonUnsafe(problem, { status: problem.status, contentType: problemMediaType })
  )
  return like === undefined ? response : HttpServerResponse.setHeaders(response, withoutContent(like.headers))
}

const withoutContent = (headers: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith("content-")))

const unknownPath = (path: string) =>
  problemOf("UnknownPath", 404, "Unknown path", `There is nothing at ${JSON.stringify(path)}: see /openapi.json.`)

const problemOfStatus = (status: number): Problem => {
  switch (status) {
    case 404:
      return problemOf("UnknownPath", 404, "Unknown path", "There is nothing there: see /openapi.json.")
    case 413:
      return problemOf("BodyTooLarge", 413, "Body too large", "The body is larger than this endpoint takes.")
    case 415:
      return problemOf("UnsupportedMediaType", 415, "Unsupported media type", "Bodies are application/json.")
    case 503:
      return problemOf("Unavailable", 503, "Unavailable", "The server cannot answer now: try again.")
    default:
      return status < 500
        ? problemOf("BadRequest", status, "Bad request", "The request cannot be understood.")
        : problemOf("Defect", status, "Defect", "This is an error of the server. What happened is in its log.")
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
      return problemResponse(problemOfStatus(reason.reason === "BodyTooLarge" ? 413 : 400))
  }
  yield* Effect.logError("A request ended in a defect.", cause)
  return problemResponse(problemOfStatus(500))
})

const notFound = (request: HttpServerRequest.HttpServerRequest, paths: MethodsByPath) => {
  const path = request.url.replace(/[?#].*$/s, "")
  const methods = paths.get(path)
  if (methods === undefined) return problemResponse(unknownPath(path))
  const allowed = [...methods].join(", ")
  return HttpServerResponse.setHeader(
    problemResponse({
      ...problemOf("MethodNotAllowed", 405, "Method not allowed", `${path} takes ${allowed}, not ${request.method}.`),
      allowed: [...methods]
    }),
    "allow",
    allowed
  )
}
