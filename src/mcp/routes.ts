import { ByteSize, Context, Effect, Layer, Stream } from "effect"
import { McpProtocol, McpServer } from "effect/ai"
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
import { jsonType } from "../http/readJsonBody.ts"
import type { AccessRole } from "../index.ts"
import { type Agent, callerAgent, CurrentAgent } from "./Agent.ts"
import type { ToolRequirements } from "./AgentTool.ts"
import { layerTools } from "./layerTools.ts"
import {
  answerTypes,
  isBareRefusal,
  mcpPath,
  nameRefusal,
  refuseContentType,
  refusedResponse,
  refuseRequest,
  sessionHeader,
  unknownSession
} from "./httpRefusals.ts"
import { batchRefusal, checkMessage, type MessageProblem, toClientText } from "./messages.ts"
import { protocols, serverInfo } from "./protocol.ts"

const revisionHeader = "mcp-protocol-version"

/** Maximum number of sessions. A client whose session was evicted must begin a new one. */
const maxSessions = 10_000

/** Maximum size of a message. */
const maxMessageSize = ByteSize.mebibytes(2)
const maxMessageBytes = Number(maxMessageSize)

/**
 * Serves agents over Streamable HTTP at `/mcp`. Each agent has the tools of its role. The role comes from the token or, if the
 * server requires no token, from the headers. Only the caller that opened a session can use it. Pass it to `serve` as `routes`.
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
      const response = yield* serve(withProtocolHeaders(request)).pipe(
        Effect.map(nameRefusal(request)),
        Effect.provideService(CurrentAgent, agent),
        Effect.provideService(CurrentAuthority, authority)
      )
      const error = wasRefused()
      if (error !== undefined && hasOneMessage(response)) return refusedResponse(error)
      if (session !== undefined && request.method === "DELETE") sessions.close(session)
      // The MCP server sets the session header, and refuses a session that has just ended, in pre-response handlers of its own.
      yield* HttpEffect.appendPreResponseHandler((_, last) => {
        const written = nameRefusal(request)(last)
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

    yield* router.add("*", mcpPath, (request) => {
      const refused = refuseRequest(request)
      return refused === undefined
        ? Effect.matchEffect(admit(request), {
            onFailure: (error) => Effect.succeed(refusedResponse(error)),
            onSuccess: (agent) => answer(request, agent)
          })
        : Effect.succeed(refused)
    })
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

/** Whether the response is to a single call. In a batch, some calls may have been carried out. */
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
    (request.method === "POST" ? answerMessage(request, app) : app).pipe(
      Effect.map(toClientResponse),
      // The outer server responds to unknown routes.
      Effect.orDie,
      Effect.provideService(HttpServerRequest.HttpServerRequest, request),
      Effect.provideService(HttpIncomingMessage.MaxBodySize, maxMessageSize)
    )
})

/** Checks the message of a request. Refuses it, or passes it to the MCP server. */
const answerMessage = Effect.fnUntraced(function* <E, R>(
  request: HttpServerRequest.HttpServerRequest,
  app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>
) {
  const refused = refuseContentType(request)
  if (refused !== undefined) return refused
  const sent = new Uint8Array(yield* request.arrayBuffer)
  const checked = checkMessage(sent)
  if (checked._tag === "Answered") return messageResponse(checked.answer, statusOf(checked.problem, request))
  const response = yield* checked.bytes === sent
    ? app
    : Effect.provideService(app, HttpServerRequest.HttpServerRequest, withBody(request, checked.bytes))
  return checked.isBatch && isBareRefusal(response) ? messageResponse(batchRefusal, response.status) : response
})

const statusOf = (problem: MessageProblem, { headers }: HttpServerRequest.HttpServerRequest): number => {
  switch (problem) {
    case "NotAMessage":
      return 400
    case "InvalidCall":
      return 200
    case "UnknownMethod":
      // The first revision that has a status for it.
      return headers[revisionHeader] === McpProtocol.v2026_07_28.protocolVersion ? 404 : 200
  }
}

const messageResponse = (message: string, status: number): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.text(message, { status, contentType: jsonType })

/** The same request with another body. */
const withBody = (
  request: HttpServerRequest.HttpServerRequest,
  body: Uint8Array
): HttpServerRequest.HttpServerRequest =>
  HttpServerRequest.fromWeb(
    new Request(`http://localhost${mcpPath}`, { method: "POST", body: new Uint8Array(body) })
  ).modify({ headers: request.headers })

/** A response with its messages as the client gets them. */
const toClientResponse = (response: HttpServerResponse.HttpServerResponse): HttpServerResponse.HttpServerResponse => {
  const { body } = response
  if (body._tag === "Uint8Array") {
    const text = new TextDecoder().decode(body.body)
    const shown = toClientText(text)
    return shown === text ? response : HttpServerResponse.setBody(response, HttpBody.text(shown, body.contentType))
  }
  if (body._tag !== "Stream") return response
  // Each message is one chunk.
  const stream = Stream.map(body.stream, (bytes) =>
    new TextEncoder().encode(toClientText(new TextDecoder().decode(bytes)))
  )
  return HttpServerResponse.setBody(response, HttpBody.stream(stream, body.contentType))
}

/**
 * The request for the MCP server. The guard has already checked the origin, and knows the allowed ones. `refuseRequest` has
 * checked what the client accepts; the MCP server knows no wildcards.
 */
const withProtocolHeaders = (request: HttpServerRequest.HttpServerRequest): HttpServerRequest.HttpServerRequest =>
  request.modify({
    headers: Headers.set(Headers.remove(request.headers, "origin"), "accept", answerTypes.join(", "))
  })

const deleteSessionRequest = (session: string): HttpServerRequest.HttpServerRequest =>
  HttpServerRequest.fromWeb(
    new Request(`http://localhost${mcpPath}`, { method: "DELETE", headers: { [sessionHeader]: session } })
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
