/*
 * Responses of the MCP endpoint to requests that never reach a tool.
 */
import { Schema } from "effect"
import type { HttpServerRequest, HttpServerResponse } from "effect/http"
import { truncateMessage } from "../domain/displayText.ts"
import type { BodyTooLarge, Forbidden, Unauthorized } from "../http/errors.ts"
import { makeProblem, type Problem, problemResponse, problems } from "../http/problems.ts"
import { jsonType, mediaTypeOf } from "../http/readJsonBody.ts"
import type { InvalidInput } from "../index.ts"

/** The path of the MCP endpoint. */
export const mcpPath = "/mcp"

/** The header with the id of a session. */
export const sessionHeader = "mcp-session-id"

/** Methods of the endpoint. A server without notifications has no stream for GET. */
const allowedMethods = ["POST", "DELETE"]

/** Media types of answers: a single message, or a stream of messages. */
export const answerTypes = [jsonType, "text/event-stream"]

/** Refuses a method that the endpoint does not have, and a client that does not accept the media types of its answers. */
export const refuseRequest = ({
  headers,
  method
}: HttpServerRequest.HttpServerRequest): HttpServerResponse.HttpServerResponse | undefined => {
  if (!allowedMethods.includes(method)) {
    const allowed = allowedMethods.join(", ")
    const problem = makeProblem("MethodNotAllowed", `${mcpPath} accepts ${allowed}, not ${method}.`)
    return problemResponse({ ...problem, allowed: allowedMethods } as Problem, { allow: allowed })
  }
  if (method !== "POST") return undefined
  const missing = missingMediaTypes(headers["accept"], answerTypes)
  if (missing.length === 0) return undefined
  const problem = makeProblem(
    "NotAcceptable",
    `The header Accept must include ${missing.join(" and ")}. The server chooses between ${answerTypes.join(" and ")} for each answer.`
  )
  return problemResponse({ ...problem, missing } as Problem)
}

/** Refuses a message that is not sent as JSON. */
export const refuseContentType = ({
  headers
}: HttpServerRequest.HttpServerRequest): HttpServerResponse.HttpServerResponse | undefined => {
  const contentType = headers["content-type"]
  if (contentType === undefined) return withoutContentType
  return mediaTypeOf(contentType) === jsonType
    ? undefined
    : problemResponse(
        makeProblem(
          "UnsupportedMediaType",
          `The body must be ${jsonType}, not ${JSON.stringify(truncateMessage(contentType))}.`
        )
      )
}

const withoutContentType = problemResponse(
  makeProblem("UnsupportedMediaType", `The header Content-Type is missing. It must be ${jsonType}.`)
)

/** Whether the MCP server refused a request without a cause. */
export const isBareRefusal = ({ body, status }: HttpServerResponse.HttpServerResponse): boolean =>
  status >= 400 && (body._tag === "Empty" || (body._tag === "Uint8Array" && body.body.length === 0))

/** Names the cause of a refusal that has none. */
export const nameRefusal =
  ({ headers, method }: HttpServerRequest.HttpServerRequest) =>
  (response: HttpServerResponse.HttpServerResponse): HttpServerResponse.HttpServerResponse => {
    if (!isBareRefusal(response)) return response
    if (response.status === 404) return unknownSession
    return response.status === 400 && method === "DELETE" && headers[sessionHeader] === undefined
      ? withoutSession
      : response
  }

/** Which of the media types a header `Accept` does not accept. Without a header, a client accepts everything. */
const missingMediaTypes = (accept: string | undefined, types: ReadonlyArray<string>): ReadonlyArray<string> => {
  const qualities = qualitiesIn(accept ?? "")
  if (qualities.size === 0) return []
  return types.filter((type) => {
    const [kind = ""] = type.split("/", 1)
    // The most specific range decides.
    return !((qualities.get(type) ?? qualities.get(`${kind}/*`) ?? qualities.get("*/*") ?? 0) > 0)
  })
}

/** The quality of each media range, from 0 to 1. */
const qualitiesIn = (accept: string): ReadonlyMap<string, number> =>
  new Map(
    accept.split(",").flatMap((part) => {
      const [range = "", ...parameters] = part.split(";").map((each) => each.trim().toLowerCase())
      const quality = parameters.find((parameter) => parameter.startsWith("q="))
      return range === "" ? [] : [[range, quality === undefined ? 1 : Number(quality.slice(2))] as const]
    })
  )

const encodeTooLarge = Schema.encodeSync(problems.bodyTooLarge)
const encodeForbidden = Schema.encodeSync(problems.forbidden)
const encodeInvalid = Schema.encodeSync(problems.invalidInput)
const encodeUnauthorized = Schema.encodeSync(problems.unauthorized)

/** An error of a caller that may not connect, or whose message is too long. */
export type Refusal = BodyTooLarge | Forbidden | InvalidInput | Unauthorized

const problemOfRefusal = (error: Refusal): Problem => {
  switch (error._tag) {
    case "BodyTooLarge":
      return encodeTooLarge(error)
    case "Forbidden":
      return encodeForbidden(error)
    case "InvalidInput":
      return encodeInvalid(error)
    case "Unauthorized":
      return encodeUnauthorized(error)
  }
}

/** The response to a caller that may not connect, or whose message is too long. */
export const refusedResponse = (error: Refusal): HttpServerResponse.HttpServerResponse =>
  problemResponse(problemOfRefusal(error))

/** The response to a request with a session that the caller does not have. */
export const unknownSession = problemResponse(
  makeProblem("UnknownSession", "You have no session with this id. Begin a new session.")
)

const withoutSession = problemResponse(
  makeProblem("BadRequest", `The header ${sessionHeader} is missing: it names the session to end.`)
)
