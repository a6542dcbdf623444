import { Effect, Layer, type Scope } from "effect"
import { SqlClient } from "effect/sql"
import { EventEmitter, once } from "node:events"
import { request } from "node:http"
import { serve, type Served } from "../../../src/http/index.ts"
import type { Shutdown } from "../../../src/http/Shutdown.ts"
import type { AccessRole } from "../../../src/index.ts"
import type { ToolRequirements } from "../../../src/mcp/AgentTool.ts"
import { layerMcpRoutes, serveStdio } from "../../../src/mcp/index.ts"

/** A message of the server. */
export interface Message {
  readonly id?: string | number | null
  // oxlint-disable-next-line typescript/no-explicit-any -- tests read results of every shape
  readonly result?: any
  readonly error?: { readonly code: number; readonly message: string }
}

/** A message of a client: text, bytes, or an object that is sent as JSON. */
export type Sent = string | Uint8Array | object

const toBytes = (sent: Sent): Uint8Array =>
  sent instanceof Uint8Array ? sent : Buffer.from(typeof sent === "string" ? sent : JSON.stringify(sent))

/** The first message of a session. */
export const initialize = (protocolVersion = "2025-11-25") => ({
  jsonrpc: "2.0",
  id: "init",
  method: "initialize",
  params: { protocolVersion, capabilities: {}, clientInfo: { name: "test", version: "1" } }
})

/** A request. */
export const requestOf = (id: string | number, method: string, params?: object) => ({
  jsonrpc: "2.0",
  id,
  method,
  ...(params === undefined ? {} : { params })
})

/**
 * Sends messages over standard input, and returns the messages of the server when there are `count` of them. If every message
 * has an answer, each is sent after the answer to the one before it.
 */
export const overStdio = (
  sent: ReadonlyArray<Sent>,
  count: number,
  role: AccessRole = "orchestrator"
): Effect.Effect<ReadonlyArray<Message>, never, Exclude<ToolRequirements, Shutdown>> =>
  Effect.suspend(() => {
    const messages: Array<Message> = []
    const arrivals = new EventEmitter()
    const arrived = async (atLeast: number): Promise<void> => {
      while (messages.length < atLeast) await once(arrivals, "message")
    }
    const input = async function* () {
      for (const [index, each] of sent.entries()) {
        if (count === sent.length) await arrived(index)
        yield Buffer.concat([toBytes(each), Buffer.from("\n")])
      }
      await arrived(count)
    }
    const output = (text: string) =>
      Effect.sync(() => {
        messages.push(
          ...text
            .split("\n")
            .filter((line) => line !== "")
            .map((line) => JSON.parse(line) as Message)
        )
        arrivals.emit("message")
      })
    return Effect.as(serveStdio({ role, actor: "ann", owner: "ann" }, { input: input(), output }), messages)
  })

/** A response of the MCP endpoint. */
export interface McpResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  readonly text: string
  /** The text as JSON. */
  // oxlint-disable-next-line typescript/no-explicit-any -- tests read answers of every shape
  readonly json: any
}

/** Sends requests to the MCP endpoint with the headers that are given, and no others. */
export interface McpEndpoint {
  readonly url: string
  readonly send: (method: string, headers: Readonly<Record<string, string>>, body?: Sent) => Effect.Effect<McpResponse>
  /** Posts a message as the orchestrator `ann`. */
  readonly post: (body: Sent, headers?: Readonly<Record<string, string>>) => Effect.Effect<McpResponse>
  /** Opens a session, and returns its headers. */
  readonly open: (protocolVersion?: string) => Effect.Effect<Readonly<Record<string, string>>>
}

const agentHeaders = { "backlog-actor": "ann", "backlog-role": "orchestrator" }

/** Serves the test's backlog, with agents at /mcp. */
export const startMcp: Effect.Effect<McpEndpoint, never, Served | SqlClient.SqlClient | Scope.Scope> = Effect.gen(
  function* () {
    const routes = Layer.provide(layerMcpRoutes, Layer.succeed(SqlClient.SqlClient)(yield* SqlClient.SqlClient))
    const { url } = yield* Effect.orDie(serve({ port: 0, routes }))
    const send: McpEndpoint["send"] = (method, headers, body) =>
      Effect.callback<McpResponse>((resume) => {
        const sending = request(`${url}/mcp`, { method, headers }, (response) => {
          const chunks: Array<Buffer> = []
          response.on("data", (chunk: Buffer) => chunks.push(chunk))
          response.on("end", () => {
            const text = Buffer.concat(chunks).toString()
            const isJson = response.headers["content-type"]?.includes("json") === true
            resume(
              Effect.succeed({
                status: response.statusCode ?? 0,
                headers: response.headers,
                text,
                json: isJson && text !== "" ? JSON.parse(text) : undefined
              })
            )
          })
        })
        sending.on("error", (error) => resume(Effect.die(error)))
        sending.end(body === undefined ? undefined : toBytes(body))
      })
    const post: McpEndpoint["post"] = (body, headers = {}) =>
      send(
        "POST",
        {
          "content-type": "application/json",
          accept: "application/json, text/event-stream",
          ...agentHeaders,
          ...headers
        },
        body
      )
    const open: McpEndpoint["open"] = (protocolVersion) =>
      Effect.map(post(initialize(protocolVersion)), ({ headers }) => ({
        "mcp-session-id": String(headers["mcp-session-id"])
      }))
    return { url, send, post, open }
  }
)
