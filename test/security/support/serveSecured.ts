import { Context, Deferred, Effect, Layer, Logger, Redacted, References, type Scope } from "effect"
import { SqlClient } from "effect/sql"
import { type ClientRequest, type IncomingMessage, request as nodeRequest } from "node:http"
import { connect } from "node:net"
import { BacklogSchema } from "../../../src/sql/SchemaName.ts"
import { serve, type Served, type ServeOptions } from "../../../src/http/index.ts"
import { type AccessRole, AccessTokens, AccessTokenStaleness } from "../../../src/index.ts"
import { layerMcpRoutes } from "../../../src/mcp/index.ts"
import { type Client, currentClient } from "../../support/backlogs.ts"

/** The tokens of the test's backlog. Revocations take effect at once. */
export const tokensOfBacklog = Effect.gen(function* () {
  const layer = Layer.fresh(AccessTokens.layer).pipe(
    Layer.provide(yield* currentClient),
    Layer.provide([Layer.succeed(BacklogSchema)(yield* BacklogSchema), Layer.succeed(AccessTokenStaleness)(0)])
  )
  return Context.get(yield* Layer.build(layer), AccessTokens)
})

/** A token of a test. */
export interface Holder {
  readonly id: string
  readonly text: string
}

/** Serves the test's backlog over HTTP and MCP to callers with a token. */
export const serveSecured = Effect.fnUntraced(function* (options: ServeOptions = {}): Effect.fn.Return<
  {
    readonly port: number
    readonly tokens: AccessTokens["Service"]
    readonly holder: (actor: string, role: AccessRole) => Effect.Effect<Holder>
    readonly revoke: (holder: Holder) => Effect.Effect<void>
  },
  never,
  Served | Client | Scope.Scope
> {
  const tokens = yield* Effect.orDie(tokensOfBacklog)
  const sql = Context.get(yield* Effect.context<SqlClient.SqlClient>(), SqlClient.SqlClient)
  const routes = Layer.provide(layerMcpRoutes, Layer.succeed(SqlClient.SqlClient)(sql))
  const { port } = yield* Effect.orDie(serve({ port: 0, tokens, requireTokens: true, routes, ...options }))
  return {
    port,
    tokens,
    holder: (actor, role) =>
      Effect.map(Effect.orDie(tokens.create({ actor, role, createdBy: "test" })), ({ secret, token }) => ({
        id: token.id,
        text: Redacted.value(secret)
      })),
    revoke: ({ id }) => Effect.orDie(Effect.asVoid(tokens.revoke(id, "test")))
  }
})

/** A response of a server. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  readonly body: string
}

/** The status and the tag of a response. */
export const tagIn = ({ body, status }: Answer): readonly [number, string | undefined] => [
  status,
  body.startsWith("{") ? (JSON.parse(body) as { readonly _tag?: string })._tag : undefined
]

interface Request {
  readonly path: string
  readonly method?: string
  readonly token?: string | undefined
  readonly headers?: Readonly<Record<string, string>>
}

const begin = (port: number, { headers = {}, method = "GET", path, token }: Request): ClientRequest =>
  nodeRequest({
    port,
    path,
    method,
    agent: false,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(method === "GET" ? {} : { "content-type": "application/json" }),
      ...headers
    }
  })

const answerOf = (response: IncomingMessage, resolve: (answer: Answer) => void): void => {
  let body = ""
  const done = (): void => resolve({ status: response.statusCode ?? 0, headers: response.headers, body })
  response.setEncoding("utf8")
  response.on("data", (chunk: string) => {
    body += chunk
  })
  response.on("error", done)
  response.on("end", done)
}

/** Sends a request with a target and headers that `fetch` would not send. */
export const ask = (port: number, request: Request & { readonly body?: unknown }): Effect.Effect<Answer> =>
  Effect.promise(
    (signal) =>
      new Promise((resolve, reject) => {
        const { body } = request
        const outgoing = begin(port, { method: body === undefined ? "GET" : "POST", ...request })
        signal.addEventListener("abort", () => outgoing.destroy())
        outgoing.on("error", reject)
        outgoing.on("response", (response) => answerOf(response, resolve))
        outgoing.end(body === undefined ? undefined : JSON.stringify(body))
      })
  )

/** Sends text on a new connection and returns the response's status when the server has closed the connection. */
export const sendText = (port: number, text: string): Effect.Effect<number> =>
  Effect.callback((resume) => {
    let answer = ""
    const socket = connect({ port, host: "127.0.0.1" }, () => {
      socket.write(text)
    })
    socket.setEncoding("utf8")
    socket.on("data", (chunk) => {
      answer += String(chunk)
    })
    socket.on("error", () => {})
    socket.on("close", () => resume(Effect.succeed(Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? 0))))
    return Effect.sync(() => socket.destroy())
  })

/** A request whose body is sent in parts. */
export interface SlowRequest {
  readonly send: (part: string) => void
  readonly end: (part: string) => void
  /** Whether all parts were passed to the operating system. */
  readonly isSent: () => boolean
  readonly answer: Effect.Effect<Answer>
}

/** Begins a request and returns when the server has received its head. */
export const beginRequest = (port: number, request: Request): Effect.Effect<SlowRequest, never, Scope.Scope> =>
  Effect.gen(function* () {
    const answer = yield* Deferred.make<Answer>()
    const headReceived = yield* Deferred.make<void>()
    const sending = yield* Effect.acquireRelease(
      Effect.sync(() =>
        begin(port, { method: "POST", ...request, headers: { expect: "100-continue", ...request.headers } })
      ),
      (open) => Effect.sync(() => open.destroy())
    )
    const failed = (): void => {
      Deferred.doneUnsafe(answer, Effect.succeed({ status: 0, headers: {}, body: "" }))
    }
    sending.on("error", failed)
    sending.on("continue", () => Deferred.doneUnsafe(headReceived, Effect.void))
    sending.on("response", (response) => {
      Deferred.doneUnsafe(headReceived, Effect.void)
      answerOf(response, (text) => Deferred.doneUnsafe(answer, Effect.succeed(text)))
    })
    sending.flushHeaders()
    yield* Deferred.await(headReceived)
    return {
      send: (part) => {
        sending.write(part)
      },
      end: (part) => {
        sending.end(part)
      },
      isSent: () => sending.writableLength === 0,
      answer: Deferred.await(answer)
    }
  })

/** The message of a tool call. */
export const toolCall = (name: string, args: object = {}) => ({
  jsonrpc: "2.0",
  id: 1,
  method: "tools/call",
  params: { name: `backlog_${name}`, arguments: args }
})

const agentHeaders = { accept: "application/json, text/event-stream", "mcp-protocol-version": "2025-11-25" }

/** Begins an agent's session and returns the headers for its requests. */
export const agentSession = Effect.fnUntraced(function* (port: number, token: string) {
  const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "test", version: "1" } }
  const post = (headers: Readonly<Record<string, string>>, message: object) =>
    ask(port, { path: "/mcp", token, headers, body: { jsonrpc: "2.0", ...message } })
  const opened = yield* post(agentHeaders, { id: 0, method: "initialize", params })
  const headers = { ...agentHeaders, "mcp-session-id": String(opened.headers["mcp-session-id"]) }
  yield* post(headers, { method: "notifications/initialized" })
  return headers
})

/** Runs an effect and returns its result and the lines that it logged. */
export const captureLogs = <A, E, R>(effect: Effect.Effect<A, E, R>) => {
  const lines: Array<string> = []
  const logger = Logger.map(Logger.formatLogFmt, (line) => {
    lines.push(line)
  })
  return Effect.map(
    Effect.provide(effect, [Logger.layer([logger]), Layer.succeed(References.MinimumLogLevel)("Debug")]),
    (result) => ({ result, lines })
  )
}
