import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { gzipSync } from "node:zlib"
import { onBothDatabases } from "../support/databases.ts"
import { type McpResponse, requestOf, startMcp } from "./support/exchange.ts"

/** Checks that a response is a problem of RFC 9457, and returns the members that differ between problems. */
const problem = ({ headers, json, status }: McpResponse) => {
  assert.strictEqual(headers["content-type"], "application/problem+json")
  const { detail, status: said, title, type, ...rest } = json
  assert.strictEqual(said, status)
  assert.strictEqual(type, `urn:mosaic-backlog:problem:${rest._tag}`)
  assert.isNotEmpty(title)
  return { status, detail: String(detail), ...rest } as Record<string, unknown> & { readonly detail: string }
}

const ann = { "backlog-actor": "ann" }
const json = { "content-type": "application/json" }
const list = requestOf(1, "tools/list")

onBothDatabases("refusals of /mcp", (test) => {
  test(
    "a client that accepts both media types in any way gets an answer",
    Effect.gen(function* () {
      const { open, send } = yield* startMcp
      const session = yield* open()
      for (const accept of [
        undefined,
        "",
        "*/*",
        "application/*, text/*",
        "text/event-stream;q=0.5, Application/JSON; charset=utf-8",
        "text/html, */*;q=0.1"
      ]) {
        const headers = { ...ann, "backlog-role": "orchestrator", ...json, ...session }
        const answer = yield* send("POST", accept === undefined ? headers : { ...headers, accept }, list)
        assert.strictEqual(answer.status, 200, `${accept}: ${answer.text}`)
        assert.isNotEmpty(answer.json.result.tools)
      }
    })
  )

  test(
    "a client that does not accept both media types is refused with 406, which names the missing type",
    Effect.gen(function* () {
      const { send } = yield* startMcp
      for (const [accept, missing] of [
        ["application/json", ["text/event-stream"]],
        ["text/event-stream", ["application/json"]],
        ["text/html", ["application/json", "text/event-stream"]],
        ["application/json, text/event-stream;q=0", ["text/event-stream"]],
        ["*/*, application/json;q=0", ["application/json"]]
      ] as const) {
        const refused = problem(yield* send("POST", { ...ann, ...json, accept }, list))
        assert.deepInclude(refused, { status: 406, _tag: "NotAcceptable", missing })
        for (const type of missing) assert.include(refused.detail, type)
      }
    })
  )

  test(
    "a method that the endpoint does not have is refused with 405 and the methods that it has",
    Effect.gen(function* () {
      const { send } = yield* startMcp
      for (const method of ["GET", "PUT", "PATCH", "OPTIONS"]) {
        for (const headers of [ann, { ...ann, accept: "text/event-stream" }, {}]) {
          const answer = yield* send(method, headers)
          const refused = problem(answer)
          assert.deepInclude(refused, { status: 405, _tag: "MethodNotAllowed", allowed: ["POST", "DELETE"] })
          assert.include(refused.detail, `/mcp accepts POST, DELETE, not ${method}.`)
          assert.strictEqual(answer.headers["allow"], "POST, DELETE")
        }
      }
      const { headers, status } = yield* send("HEAD", ann)
      assert.deepStrictEqual([status, headers["allow"]], [405, "POST, DELETE"])
    })
  )

  test(
    "a body that is not JSON, or compressed, is refused with 415, which names the reason",
    Effect.gen(function* () {
      const { post, send } = yield* startMcp
      const typed = problem(yield* post(list, { "content-type": "text/plain; charset=utf-8" }))
      assert.deepInclude(typed, { status: 415, _tag: "UnsupportedMediaType" })
      assert.include(typed.detail, 'not "text/plain; charset=utf-8"')
      const untyped = problem(yield* send("POST", ann, list))
      assert.deepInclude(untyped, { status: 415, _tag: "UnsupportedMediaType" })
      assert.include(untyped.detail, "Content-Type is missing")
      const compressed = yield* post(gzipSync(JSON.stringify(list)), { "content-encoding": "gzip" })
      assert.deepInclude(problem(compressed), { status: 415, _tag: "UnsupportedMediaType" })
      assert.include(problem(compressed).detail, "Content-Encoding: gzip")
    })
  )

  test(
    "a batch is carried out in a session of revision 2025-03-26, and refused with the reason in every other",
    Effect.gen(function* () {
      const { open, post } = yield* startMcp
      const batch = [requestOf(1, "ping"), { ...requestOf(2, "tools/list"), params: null }]
      const accepted = yield* post(batch, yield* open("2025-03-26"))
      assert.deepStrictEqual(
        (accepted.json as ReadonlyArray<{ readonly id: number }>).map(({ id }) => id),
        [1, 2]
      )
      for (const headers of [yield* open(), {}]) {
        const { json: answer, status } = yield* post(batch, headers)
        assert.deepStrictEqual([status, answer.id, answer.error.code], [400, null, -32600])
        assert.include(answer.error.message, "Send one message per request")
      }
    })
  )

  test(
    "a session that is missing, unknown or ended is named",
    Effect.gen(function* () {
      const { open, post, send } = yield* startMcp
      const without = yield* post(list)
      assert.deepStrictEqual([without.status, without.json.id], [400, 1])
      assert.include(without.json.error.message, "MCP-Session-Id header is required")
      const role = { ...ann, "backlog-role": "orchestrator" }
      const ending = problem(yield* send("DELETE", role))
      assert.deepInclude(ending, { status: 400, _tag: "BadRequest" })
      assert.include(ending.detail, "The header mcp-session-id is missing")
      const session = yield* open()
      const unknown = { status: 404, _tag: "UnknownSession" }
      assert.deepInclude(problem(yield* post(list, { "mcp-session-id": "other" })), unknown)
      const ended = yield* send("DELETE", { ...role, ...session })
      assert.deepStrictEqual([ended.status, ended.text], [204, ""])
      assert.deepInclude(problem(yield* post(list, session)), unknown)
      assert.deepInclude(problem(yield* send("DELETE", { ...role, ...session })), unknown)
    })
  )
})
