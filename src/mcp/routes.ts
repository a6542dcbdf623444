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
import { layerTools, type ToolRequirements } from "./layerTools.ts"
import { serverInfo, refuseInexactJson, protocols, redactErrors } from "./protocol.ts"

/** Sessions of HTTP clients: whose each is. */
interface Sessions {
  /** Whether a session is this caller's, as far as is known; it was used just now. */
  readonly belongsTo: (id: string, whose: string) => boolean
  /** Remembers a new session, and answers the one that is to end for it, if there are too many. */
  readonly open: (id: string, whose: string) => string | undefined
  readonly close: (id: string) => void
}

/**
 * Remembers so many sessions at most. Clients seldom say that they end theirs, and a server would keep them for ever: the
 * one that was not used for longest goes.
 */
export const makeSessions = (most: number): Sessions => {
  const owners = new Map<string, string>()
  return {
    belongsTo: (id, whose) => {
      const owner = owners.get(id)
      if (owner !== whose) return false
      owners.delete(id)
      owners.set(id, whose)
      return true
    },
    open: (id, whose) => {
      owners.set(id, whose)
      if (owners.size <= most) return undefined
      const [oldest = ""] = owners.keys()
      owners.delete(oldest)
      return oldest
    },
    close: (id) => {
      owners.delete(id)
    }
  }
}

/** Where agents find the backlog on a server. */
export const mcpPath = "/mcp"

const sessionHeader = "mcp-session-id"

/** Sessions that are kept: a client that comes back to one that was forgotten begins anew. */
const maxSessions = 10_000

/** Bytes that a message may have. */
const maxMessageSize = ByteSize.mebibytes(2)
const maxMessageBytes = Number(maxMessageSize)

/**
 * Serves agents over Streamable HTTP at `/mcp`, each with the tools of its role, which is told by its token, or, where
 * nobody needs one, by headers of the connection. A session is its caller's only.
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
      const whose = JSON.stringify([agent.role, agent.actor])
      const session = request.headers[sessionHeader]
      if (session !== undefined && !sessions.belongsTo(session, whose)) return unknownSession
      const { authority, wasRefused } = recordRefusals(yield* CurrentAuthority)
      const response = yield* serve(withoutOrigin(request)).pipe(
        Effect.provideService(CurrentAgent, agent),
        Effect.provideService(CurrentAuthority, authority)
      )
      const error = wasRefused()
      if (error !== undefined && hasOneMessage(response)) return refusedResponse(error)
      if (session !== undefined && request.method === "DELETE") sessions.close(session)
      // The header is set as late as this.
      yield* HttpEffect.appendPreResponseHandler((_, written) => {
        const opened = session === undefined ? written.headers[sessionHeader] : undefined
        const surplus = opened === undefined ? undefined : sessions.open(opened, whose)
        return surplus === undefined ? Effect.succeed(written) : Effect.as(endSession(surplus), written)
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

/** An authority that notes that it refused a tool. */
const recordRefusals = ({ failWhenInvalid, requireValid }: Authority) => {
  let refusal: Unauthorized | undefined
  const noted = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.tapError(effect, (error) =>
      Effect.sync(() => {
        if (error instanceof Unauthorized) refusal = error
      })
    )
  return {
    authority: { requireValid: noted(requireValid), failWhenInvalid: noted(failWhenInvalid) },
    wasRefused: () => refusal
  }
}

/** Whether the answer is that of one call: one of several may have been carried out. */
const hasOneMessage = ({ body }: HttpServerResponse.HttpServerResponse): boolean =>
  body._tag === "Uint8Array" && body.body[0] === openingBrace && !body.body.subarray(0, -1).includes(lineFeed)

const openingBrace = 0x7b
const lineFeed = 0x0a

/** Who calls, if he may, with a message that is not too long. */
const admit = Effect.fnUntraced(function* ({ headers }: HttpServerRequest.HttpServerRequest) {
  if (Number(headers["content-length"]) > maxMessageBytes) {
    return yield* new BodyTooLarge({ limitBytes: maxMessageBytes })
  }
  return yield* callerAgent(yield* CurrentCaller, headers)
})

/** An MCP server with the tools of a role, which answers requests. */
const makeServer = Effect.fnUntraced(function* (role: AccessRole) {
  const server = McpServer.layerHttp({
    ...serverInfo(role),
    path: mcpPath,
    protocols,
    allowSessionTermination: true,
    // Which tools there are does not change.
    allowSubscriptions: false,
    registrations: layerTools(role)
  }).pipe(Layer.provideMerge(HttpRouter.layer), Layer.orDie)
  // Each has a router and sessions of its own; a layer that is built already would be shared.
  const built = yield* Layer.buildWithMemoMap(server, yield* Layer.makeMemoMap, yield* Effect.scope)
  const app = Context.get(built, HttpRouter.HttpRouter).asHttpEffect()
  return (request: HttpServerRequest.HttpServerRequest) =>
    Effect.flatMap(refuseInexact(request), (answer) => (answer === undefined ? app : Effect.succeed(answer))).pipe(
      Effect.map(redactResponse),
      // What is no route here is answered as everywhere.
      Effect.orDie,
      Effect.provideService(HttpServerRequest.HttpServerRequest, request),
      Effect.provideService(HttpIncomingMessage.MaxBodySize, maxMessageSize)
    )
})

/** An answer whose errors have no tokens. */
const redactResponse = (response: HttpServerResponse.HttpServerResponse): HttpServerResponse.HttpServerResponse => {
  const { body } = response
  if (body._tag === "Uint8Array") {
    const text = new TextDecoder().decode(body.body)
    const shown = redactErrors(text)
    return shown === text ? response : HttpServerResponse.setBody(response, HttpBody.text(shown, body.contentType))
  }
  if (body._tag !== "Stream") return response
  // Each message is written in one piece.
  const stream = Stream.map(body.stream, (bytes) =>
    new TextEncoder().encode(redactErrors(new TextDecoder().decode(bytes)))
  )
  return HttpServerResponse.setBody(response, HttpBody.stream(stream, body.contentType))
}

/** The answer to a message that would not be kept as it was sent. */
const refuseInexact = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest) {
  if (request.method !== "POST") return undefined
  const answer = refuseInexactJson(new Uint8Array(yield* request.arrayBuffer))
  return answer === undefined ? undefined : HttpServerResponse.text(answer, { contentType: "application/json" })
})

/** The origin was looked at before, by those who know which are allowed. */
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
  makeProblem("UnknownSession", "There is no session of yours by that id: begin a new one.")
)
