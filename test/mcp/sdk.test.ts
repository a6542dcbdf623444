import { layer } from "@effect/vitest"
import { Client } from "@modelcontextprotocol/sdk/client/index.js"
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js"
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js"
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js"
import { Context, Effect, Layer, Redacted, type Scope } from "effect"
import { SqlClient } from "effect/sql"
import { fileURLToPath } from "node:url"
import { serve } from "../../src/http/index.ts"
import { AccessTokens, BacklogService } from "../../src/index.ts"
import { layerMcpRoutes } from "../../src/mcp/index.ts"
import { makeSessions } from "../../src/mcp/routes.ts"
import { BacklogSchema } from "../../src/sql/SchemaName.ts"
import { cli, onServer } from "../cli/support.ts"
import { currentClient, eventsOf, freshBacklog, postgresClient } from "../support/backlogs.ts"
import { afterAll, describe, expect, it } from "vitest"

/*
 * Tests with the official SDK's client over both transports.
 */

const connect = async (transport: Transport): Promise<Client> => {
  const client = new Client({ name: "test", version: "1.0.0" })
  await client.connect(transport)
  return client
}

// oxlint-disable-next-line typescript/no-explicit-any -- tests read results of every shape
const call = async (client: Client, name: string, args: object = {}, options: object = {}): Promise<any> => {
  const result = await client.callTool({ name: `backlog_${name}`, arguments: { ...args } }, undefined, options)
  const [content] = result.content as ReadonlyArray<{ readonly text: string }>
  return { isError: result.isError ?? false, text: content?.text, data: result.structuredContent }
}

const toolsOf = async (client: Client): Promise<ReadonlyArray<string>> =>
  (await client.listTools()).tools.map(({ name }) => name)

describe("backlog mcp, with the official client", () => {
  const place = onServer()
  afterAll(() => place.remove())
  const program = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url))

  it("serves an agent over standard input and output until the input ends", async () => {
    const created = await cli([...place.flags, "create", "--id", "a", "--title", "A"])
    expect(created.code).toBe(0)
    const transport = new StdioClientTransport({
      command: process.execPath,
      args: [program, ...place.flags, "mcp", "--actor", "host-7", "--owner", "w1"],
      env: { PATH: process.env["PATH"] ?? "" },
      stderr: "pipe"
    })
    let stderr = ""
    transport.stderr?.on("data", (chunk) => (stderr += String(chunk)))
    const broken: Array<Error> = []
    // oxlint-disable-next-line unicorn/prefer-add-event-listener -- a transport is no event target
    transport.onerror = (error) => broken.push(error)
    const client = await connect(transport)
    expect(client.getServerVersion()).toMatchObject({ name: "mosaic-backlog" })
    expect(client.getInstructions()).toContain("backlog_claim")
    expect(await toolsOf(client)).not.toContain("backlog_create")
    expect((await call(client, "claim")).data.claimed).toMatchObject([{ id: "a", owner: "w1", token: 2 }])
    // When the input ends, the waiting call ends, and so does the program.
    const waiting = call(client, "claim", { waitSeconds: 50 })
    await call(client, "show")
    const [, answer] = await Promise.all([client.close(), waiting])
    expect(answer.data.claimed).toEqual([])
    expect([broken, stderr]).toEqual([[], ""])
    const { stdout } = await cli([...place.flags, "--json", "history", "a"])
    expect(JSON.parse(stdout).data[1]).toMatchObject({ type: "CardClaimed", actor: "host-7", data: { owner: "w1" } })
  })
})

it("a session belongs to its caller, and the least recently used one is evicted", () => {
  const sessions = makeSessions(2)
  expect([sessions.open("a", "w1"), sessions.open("b", "w1")]).toEqual([undefined, undefined])
  expect([sessions.belongsTo("a", "w1"), sessions.belongsTo("b", "w2"), sessions.belongsTo("c", "w1")]).toEqual([
    true,
    false,
    false
  ])
  expect([sessions.open("c", "w2"), sessions.belongsTo("b", "w1")]).toEqual(["b", false])
  sessions.close("a")
  expect([sessions.belongsTo("a", "w1"), sessions.belongsTo("c", "w2")]).toEqual([false, true])
})

/** A server that requires tokens, and one that does not. */
class Served extends Context.Service<
  Served,
  { readonly open: string; readonly guarded: string; readonly tokens: AccessTokens["Service"] }
>()("test/Served") {}

const layerServed = Layer.effect(
  Served,
  Effect.gen(function* () {
    const tokens = yield* AccessTokens
    const routes = Layer.provide(layerMcpRoutes, Layer.succeed(SqlClient.SqlClient)(yield* SqlClient.SqlClient))
    const open = yield* serve({ port: 0, routes })
    const guarded = yield* serve({ port: 0, routes, tokens, requireTokens: true })
    return { open: open.url, guarded: guarded.url, tokens }
  })
).pipe(
  Layer.provideMerge(
    Layer.unwrap(
      Effect.gen(function* () {
        return Layer.fresh(AccessTokens.layer).pipe(
          Layer.provide(yield* currentClient),
          Layer.provide(Layer.succeed(BacklogSchema)(yield* BacklogSchema))
        )
      })
    )
  ),
  Layer.provideMerge(freshBacklog),
  Layer.provideMerge(postgresClient(10))
)

/** A client over HTTP that sends additional headers. */
const overHttp = (
  url: string,
  headers: Readonly<Record<string, string>>
): Effect.Effect<{ readonly client: Client; readonly transport: StreamableHTTPClientTransport }, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const transport = new StreamableHTTPClientTransport(new URL(`${url}/mcp`), { requestInit: { headers } })
      return { transport, client: await connect(transport) }
    }),
    ({ client }) => Effect.promise(() => client.close())
  )

layer(layerServed, { timeout: "60 seconds", excludeTestServices: true })("/mcp, with the official client", (its) => {
  its.effect("gives each role its tools and takes the actor from the connection", () =>
    Effect.gen(function* () {
      const { open } = yield* Served
      const { client: boss } = yield* overHttp(open, { "backlog-actor": "planner", "backlog-role": "orchestrator" })
      const { client: w1, transport } = yield* overHttp(open, { "backlog-actor": "w1" })
      const { client: w2 } = yield* overHttp(open, { "backlog-actor": "host-2", "backlog-owner": "w2" })
      yield* Effect.promise(async () => {
        expect(await toolsOf(boss)).toContain("backlog_create")
        expect(await toolsOf(w1)).not.toContain("backlog_create")
        await call(boss, "create", { cards: ["a", "b", "c"].map((id) => ({ id, title: id, phase: "roles" })) })
        const [first, second] = await Promise.all([
          call(w1, "claim", { phase: "roles" }),
          call(w2, "claim", { phase: "roles" })
        ])
        const owners = [...first.data.claimed, ...second.data.claimed].map(({ owner }) => owner as string)
        expect(owners.toSorted()).toEqual(["w1", "w2"])
        const [{ id, token }] = second.data.claimed
        expect((await call(w1, "complete", { id, token })).text).toContain("No claim of yours")
        expect((await call(w2, "complete", { id, token })).text).toBe(`"${id}" is done.`)
        await expect(call(w1, "create", { cards: [] })).rejects.toThrow("not found")
        const ended = transport.sessionId ?? ""
        await transport.terminateSession()
        const late = await fetch(`${open}/mcp`, {
          method: "POST",
          headers: { "backlog-actor": "w1", "mcp-session-id": ended }
        })
        expect([late.status, await late.text()]).toEqual([404, expect.stringContaining("UnknownSession")])
      })
    })
  )

  its.effect("ends a canceled call without a claim", () =>
    Effect.gen(function* () {
      const { open } = yield* Served
      const { client } = yield* overHttp(open, { "backlog-actor": "w1" })
      const { client: waiter } = yield* overHttp(open, { "backlog-actor": "w2" })
      const backlog = yield* BacklogService
      yield* Effect.promise(async () => {
        const cancel = new AbortController()
        const canceled = call(client, "claim", { phase: "cancel", waitSeconds: 50 }, { signal: cancel.signal })
        await call(waiter, "show")
        cancel.abort()
        await expect(canceled).rejects.toThrow("abort")
        await call(client, "show")
      })
      const waiting = call(waiter, "claim", { phase: "cancel", waitSeconds: 50 })
      yield* backlog.create({ id: "canceled", title: "C", phase: "cancel", actor: "planner" })
      expect((yield* Effect.promise(() => waiting)).data.claimed).toMatchObject([{ id: "canceled", owner: "w2" }])
      expect(yield* eventsOf("canceled")).toHaveLength(2)
    })
  )

  its.effect("identifies an agent that sends a token by the token only", () =>
    Effect.gen(function* () {
      const { guarded, tokens } = yield* Served
      const bearer = (actor: string, role: "worker" | "orchestrator" | "auditor") =>
        Effect.map(tokens.create({ actor, role, createdBy: "test" }), ({ secret, token }) => ({
          id: token.id,
          headers: { authorization: `Bearer ${Redacted.value(secret)}` }
        }))
      const worker = yield* bearer("t1", "worker")
      const auditor = yield* bearer("eve", "auditor")
      const { client, transport } = yield* overHttp(guarded, { ...worker.headers, "backlog-owner": "t1/browser" })
      const { client: eve } = yield* overHttp(guarded, auditor.headers)
      yield* (yield* BacklogService).create({ id: "t", title: "T", phase: "tokens", actor: "planner" })
      const post = (headers: Readonly<Record<string, string>>, message: object = { method: "tools/list" }) =>
        Effect.promise(async () => {
          const response = await fetch(`${guarded}/mcp`, {
            method: "POST",
            headers: {
              "content-type": "application/json",
              accept: "application/json, text/event-stream",
              "mcp-protocol-version": "2025-11-25",
              ...headers
            },
            body: JSON.stringify({ jsonrpc: "2.0", id: 1, ...message })
          })
          return [response.status, await response.text()] as const
        })
      yield* Effect.promise(async () => {
        expect(await toolsOf(eve)).toEqual(["backlog_list", "backlog_show"])
        const claimed = await call(client, "claim", { phase: "tokens" })
        expect(claimed.data.claimed).toMatchObject([{ id: "t", owner: "t1/browser" }])
      })
      expect((yield* post({}))[0]).toBe(401)
      expect(yield* post({ ...worker.headers, "backlog-actor": "t2" })).toEqual([403, expect.stringContaining("t1")])
      expect((yield* post({ ...worker.headers, "backlog-role": "orchestrator" }))[0]).toBe(403)
      expect((yield* post({ ...worker.headers, "backlog-owner": "t2" }))[0]).toBe(403)
      expect((yield* post({ ...worker.headers, "backlog-role": "boss" }))[0]).toBe(400)
      // A session belongs to the caller that opened it.
      const session = { "mcp-session-id": transport.sessionId ?? "" }
      expect((yield* post({ ...worker.headers, ...session }))[0]).toBe(200)
      expect((yield* post({ ...auditor.headers, ...session }))[0]).toBe(404)
      // A protocol error is returned as a protocol error.
      const [status, text] = yield* post(worker.headers)
      expect([status, JSON.parse(text)]).toMatchObject([400, { jsonrpc: "2.0", error: {} }])
      const waiting = call(client, "claim", { phase: "tokens", waitSeconds: 50 })
      yield* Effect.promise(() => call(eve, "show"))
      yield* tokens.revoke(worker.id, "test")
      yield* Effect.promise(() => expect(waiting).rejects.toThrow("revoked"))
    })
  )

  its.effect("refuses messages of more than 2 MiB, with and without a Content-Length", () =>
    Effect.gen(function* () {
      const { open } = yield* Served
      const message = { jsonrpc: "2.0", id: 1, method: "tools/list", params: { much: "x".repeat(3 * 1024 * 1024) } }
      const post = (body: string | ReadableStream) =>
        Effect.promise(async () => {
          const response = await fetch(`${open}/mcp`, {
            method: "POST",
            headers: {
              "content-type": "application/json",
              accept: "application/json, text/event-stream",
              "backlog-actor": "w1"
            },
            body,
            ...(typeof body === "string" ? {} : { duplex: "half" })
          })
          return [response.status, await response.text()]
        })
      const text = JSON.stringify(message)
      expect(yield* post(text)).toEqual([413, expect.stringContaining("BodyTooLarge")])
      expect(yield* post(new Blob([text]).stream())).toEqual([413, expect.stringContaining("BodyTooLarge")])
    })
  )

  its.effect("requires an actor header without a token", () =>
    Effect.gen(function* () {
      const { open } = yield* Served
      const nobody = yield* Effect.promise(() => fetch(`${open}/mcp`, { method: "POST" }))
      expect([nobody.status, yield* Effect.promise(() => nobody.text())]).toEqual([
        400,
        expect.stringContaining("backlog-actor")
      ])
      const get = yield* Effect.promise(() => fetch(`${open}/mcp`, { headers: { "backlog-actor": "w1" } }))
      expect([get.status, get.headers.get("allow")]).toEqual([405, "POST, DELETE"])
    })
  )
})
