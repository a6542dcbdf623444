import { ByteSize, Context, Effect, Layer, Schema, Stream } from "effect"
import { McpServer } from "effect/ai"
import {
  Headers,
  HttpBody,
  HttpEffect,
  HttpIncomingMessage,
  HttpRouter,
  HttpServerRequest,
  HttpServerResponse
} from "effect/http"
import { type Authority, CurrentAuthority, CurrentCaller } from "../http/Caller.ts"
import { BodyTooLarge, Unauthorized } from "../http/errors.ts"
import { type Problem, problemResponse, makeProblem, problems } from "../http/problems.ts"
import type { AccessRole } from "../index.ts"
import { type Agent, callerAgent, CurrentAgent } from "./Agent.ts"
import type { ToolRequirements } from "./AgentTool.ts"
import { layerTools } from "./layerTools.ts"
import { serverInfo, refuseInexactJson, protocols, redactErrors } from "./protocol.ts"

/** The path of the MCP endpoint. */
export const mcpPath = "/mcp"

const sessionHeader = "mcp-session-id"

/** Maximum number of sessions. A client whose session was evicted must begin a new one. */
const maxSessions = 10_000

/** Maximum size of a message. */
const maxMessageSize = ByteSize.mebibytes(2)
const maxMessageBytes = Number(maxMessageSize)

/**
 * Serves agents over Streamable HTTP at `/mcp`, each with the tools of its role. The role comes from the token or, where no
 * token is required, from the headers. Only the caller that opened a session can use it.
 */
export const layerMcpRoutes: Layer.Layer<never, never, HttpRouter.HttpRouter | ToolRequirements> = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const servers = {
      worker: yield* makeServer("worker"),
      orchestrator: yield* makeServer("orchestrator"),
      auditor: yield* makeServer("auditor")
    } as const
    const sessions = makeSessions(maxSessions)

    const answer = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest, agent: Agent) {
      const serve = servers[agent.role]
      const caller = JSON.stringify([agent.role, agent.actor])
      const session = request.headers[sessionHeader]
      if (session !== undefined && !sessions.belongsTo(session, caller)) return unknownSession
      const { authority, wasRefused } = recordRefusals(yield* CurrentAuthority)
      const response = yield* serve(withoutOrigin(request)).pipe(
        Effect.provideService(CurrentAgent, agent),
        Effect.provideService(CurrentAuthority, authority)
      )
      const error = wasRefused()
      if (error !== undefined && hasOneMessage(response)) return refusedResponse(error)
      if (session !== undefined && request.method === "DELETE") sessions.close(session)
      // The MCP server sets the session header in a pre-response handler of its own.
      yield* HttpEffect.appendPreResponseHandler((_, written) => {
        const opened = session === undefined ? written.headers[sessionHeader] : undefined
        const evicted = opened === undefined ? undefined : sessions.open(opened, caller)
        return evicted === undefined ? Effect.succeed(written) : Effect.as(endSession(evicted), written)
      })
      return response
    })

    const endSession = (session: string) =>
      Effect.scoped(
        Effect.forEach(Object.values(servers), (each) => each(deleteSessionRequest(session)), { discard: true })
      )

    yield* router.add("*", mcpPath, (request) =>
      Effect.matchEffect(admit(request), {
        onFailure: (error) => Effect.succeed(refusedResponse(error)),
        onSuccess: (agent) => answer(request, agent)
      })
    )
  })
)

/** Wraps an authority to record that it refused a tool call. */
const recordRefusals = ({ failWhenInvalid, requireValid }: Authority) => {
  let refusal: Unauthorized | undefined
  const recorded = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.tapError(effect, (error) =>
      Effect.sync(() => {
        if (error instanceof Unauthorized) refusal = error
      })
    )
  return {
    authority: { requireValid: recorded(requireValid), failWhenInvalid: recorded(failWhenInvalid) },
    wasRefused: () => refusal
  }
}

/** Whether the response answers a single call. Of several calls, one may have been carried out. */
const hasOneMessage = ({ body }: HttpServerResponse.HttpServerResponse): boolean =>
  body._tag === "Uint8Array" && body.body[0] === openingBrace && !body.body.subarray(0, -1).includes(lineFeed)

const openingBrace = 0x7b
const lineFeed = 0x0a

/** Identifies the agent. Fails if the message is too long or the caller may not connect. */
const admit = Effect.fnUntraced(function* ({ headers }: HttpServerRequest.HttpServerRequest) {
  if (Number(headers["content-length"]) > maxMessageBytes) {
    return yield* new BodyTooLarge({ limitBytes: maxMessageBytes })
  }
  return yield* callerAgent(yield* CurrentCaller, headers)
})

/** Makes the MCP server of a role, as a function that handles requests. */
const makeServer = Effect.fnUntraced(function* (role: AccessRole) {
  const server = McpServer.layerHttp({
    ...serverInfo(role),
    path: mcpPath,
    protocols,
    allowSessionTermination: true,
    // The list of tools never changes.
    allowSubscriptions: false,
    registrations: layerTools(role)
  }).pipe(Layer.provideMerge(HttpRouter.layer), Layer.orDie)
  // A memo map of its own gives each server its own router and sessions.
  const built = yield* Layer.buildWithMemoMap(server, yield* Layer.makeMemoMap, yield* Effect.scope)
  const app = Context.get(built, HttpRouter.HttpRouter).asHttpEffect()
  return (request: HttpServerRequest.HttpServerRequest) =>
    Effect.flatMap(refuseInexact(request), (answer) => (answer === undefined ? app : Effect.succeed(answer))).pipe(
      Effect.map(redactResponse),
      // The outer server answers unknown routes.
      Effect.orDie,
      Effect.provideService(HttpServerRequest.HttpServerRequest, request),
      Effect.provideService(HttpIncomingMessage.MaxBodySize, maxMessageSize)
    )
})

/** Redacts access tokens in the errors of a response. */
const redactResponse = (response: HttpServerResponse.HttpServerResponse): HttpServerResponse.HttpServerResponse => {
  const { body } = response
  if (body._tag === "Uint8Array") {
    const text = new TextDecoder().decode(body.body)
    const shown = redactErrors(text)
    return shown === text ? response : HttpServerResponse.setBody(response, HttpBody.text(shown, body.contentType))
  }
  if (body._tag !== "Stream") return response
  // Each message is one chunk.
  const stream = Stream.map(body.stream, (bytes) =>
    new TextEncoder().encode(redactErrors(new TextDecoder().decode(bytes)))
  )
  return HttpServerResponse.setBody(response, HttpBody.stream(stream, body.contentType))
}

/** The response to a message that would not be kept exactly. */
const refuseInexact = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest) {
  if (request.method !== "POST") return undefined
  const answer = refuseInexactJson(new Uint8Array(yield* request.arrayBuffer))
  return answer === undefined ? undefined : HttpServerResponse.text(answer, { contentType: "application/json" })
})

/** The guard has already checked the origin, and it knows the allowed ones. */
const withoutOrigin = (request: HttpServerRequest.HttpServerRequest): HttpServerRequest.HttpServerRequest =>
  request.modify({ headers: Headers.remove(request.headers, "origin") })

const deleteSessionRequest = (session: string): HttpServerRequest.HttpServerRequest =>
  HttpServerRequest.fromWeb(
    new Request(`http://localhost${mcpPath}`, { method: "DELETE", headers: { [sessionHeader]: session } })
  )

const encodeTooLarge = Schema.encodeSync(problems.bodyTooLarge)
const encodeForbidden = Schema.encodeSync(problems.forbidden)
const encodeInvalid = Schema.encodeSync(problems.invalidInput)
const encodeUnauthorized = Schema.encodeSync(problems.unauthorized)

type Refusal = Effect.Error<ReturnType<typeof admit>>

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

const refusedResponse = (error: Refusal): HttpServerResponse.HttpServerResponse =>
  problemResponse(problemOfRefusal(error))

const unknownSession = problemResponse(
  makeProblem("UnknownSession", "You have no session with this id. Begin a new session.")
)

/** The sessions of HTTP clients and their callers. */
interface Sessions {
  /** Whether a session belongs to a caller. Marks it as used. */
  readonly belongsTo: (id: string, caller: string) => boolean
  /** Adds a session. Returns the session to end instead when there are too many. */
  readonly open: (id: string, caller: string) => string | undefined
  readonly close: (id: string) => void
}

/**
 * Makes a table of at most `max` sessions. Clients rarely end their sessions, so the least recently used one is evicted.
 */
export const makeSessions = (max: number): Sessions => {
  const owners = new Map<string, string>()
  return {
    belongsTo: (id, caller) => {
      const owner = owners.get(id)
      if (owner !== caller) return false
      owners.delete(id)
      owners.set(id, caller)
      return true
    },
    open: (id, caller) => {
      owners.set(id, caller)
      if (owners.size <= max) return undefined
      const [oldest = ""] = owners.keys()
      owners.delete(oldest)
      return oldest
    },
    close: (id) => {
      owners.delete(id)
    }
  }
}
