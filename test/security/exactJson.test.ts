import { assert } from "@effect/vitest"
import { Context, Effect, Layer, Option, Result, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { layerHttp } from "../../src/http/index.ts"
import { readBeads } from "../../src/import/readBeads.ts"
import { readTaskMaster } from "../../src/import/readTaskMaster.ts"
import { AuditService, BacklogService } from "../../src/index.ts"
import { layerMcpRoutes, serveStdio } from "../../src/mcp/index.ts"
import { anyServer } from "../http/support/anyServer.ts"
import { startServer } from "../http/support/startServer.ts"
import { onServer } from "../support/databases.ts"

/** JSON values that a JavaScript number or object changes, each with a part of its refusal. */
const lossy: ReadonlyArray<readonly [value: string, says: string]> = [
  ["12345678901234567890", "12345678901234567890 would be changed"],
  ["-9007199254740993", "-9007199254740993 would be changed"],
  ["0.1000000000000000055511151231257827", "would be changed"],
  ["1e400", "1e400 would be changed"],
  ["1e-400", "1e-400 would be changed"],
  ['{"a":1,"a":2}', 'the key "a" occurs twice'],
  ['{"a":1,"\\u0061":2}', 'the key "a" occurs twice'],
  ['{"__proto__":1,"__proto__":2}', 'the key "__proto__" occurs twice']
]

/** Values that are stored exactly. */
const kept: ReadonlyArray<unknown> = [
  0.1,
  5e-324,
  9_007_199_254_740_991,
  -1.5e300,
  JSON.parse('{"__proto__":{"polluted":true},"constructor":1}')
]

const over = (url: string) => Effect.orDie(Layer.build(Layer.fresh(layerHttp({ url }))))

const messageOf = <A, R>(effect: Effect.Effect<A, unknown, R>) =>
  Effect.map(Effect.flip(effect), (error) => (error as Error).message)

const toolCall = (acceptance: string): string =>
  `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"backlog_create","arguments":` +
  `{"cards":[{"id":"m","title":"M","acceptance":${acceptance}}]}}}`

const initialize = JSON.stringify({
  jsonrpc: "2.0",
  id: 1,
  method: "initialize",
  params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "test", version: "1" } }
})

onServer("exact JSON", (test) => {
  test(
    "a body over HTTP is stored exactly or refused with the pointer of the value",
    Effect.gen(function* () {
      const { ask, post } = yield* startServer()
      for (const [value, says] of lossy) {
        const answer = yield* post("/create", `{"id":"a","title":"A","actor":"me","acceptance":{"deep":[0,${value}]}}`)
        assert.deepInclude(answer.json(), { status: 400, _tag: "InvalidInput" }, value)
        const detail = String(answer.json()["detail"])
        assert.include(detail, says)
        assert.match(detail, /at character \d+, in \/acceptance\/deep\/1/)
      }
      const twice = yield* post("/create", '{"id":"a","title":"A","actor":"me","title":"B"}')
      assert.include(String(twice.json()["detail"]), "in /title, the key")
      for (const type of ["application/json; charset=utf-8", "Application/JSON"]) {
        const typed = yield* post("/create", '{"id":"a","title":"A","actor":"me","id":"b"}', { "content-type": type })
        assert.strictEqual(typed.status, 400, type)
      }
      const untyped = yield* ask("/create", {
        method: "POST",
        body: new TextEncoder().encode('{"id":"a","title":"A","actor":"me","id":"b"}')
      })
      assert.strictEqual(untyped.status, 400)
      const latin = yield* ask("/create", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: Buffer.from('{"id":"a","title":"\u00e9","actor":"me"}', "latin1")
      })
      assert.include(String(latin.json()["detail"]), "not UTF-8")
      const surrogate = yield* post("/create", '{"id":"a","title":"A","actor":"me","acceptance":{"\\ud800":1}}')
      assert.strictEqual(surrogate.status, 400)
      const backlog = yield* BacklogService
      assert.isTrue(Option.isNone(yield* backlog.get("a")))
      yield* post("/create", { id: "kept", title: "K", actor: "me", acceptance: kept })
      const card = Option.getOrThrow(yield* backlog.get("kept"))
      assert.strictEqual(JSON.stringify(card.acceptance), JSON.stringify(kept))
      assert.isUndefined(({} as { readonly polluted?: unknown }).polluted)
      for (const query of ["after=9007199254740993", "after=1e400"]) {
        assert.strictEqual((yield* ask(`/events?follow=false&${query}`)).status, 400, query)
      }
      assert.strictEqual((yield* ask("/list?minPriority=12345678901234567890")).status, 400)
    })
  )

  test(
    "a tool call is stored exactly or refused with the pointer of the value, over HTTP and standard input",
    Effect.gen(function* () {
      const { post } = yield* startServer({
        routes: Layer.provide(layerMcpRoutes, Layer.succeed(SqlClient.SqlClient)(yield* SqlClient.SqlClient))
      })
      const messageIn: Array<string> = []
      const headers = {
        accept: "application/json, text/event-stream",
        "backlog-actor": "ann",
        "backlog-role": "orchestrator"
      }
      const begun = yield* post("/mcp", initialize, headers)
      const session = { ...headers, "mcp-session-id": begun.headers.get("mcp-session-id") ?? "" }
      const calls = lossy.map(([value]) => toolCall(`{"deep":${value}}`))
      const other = '{"jsonrpc":"2.0","id":8,"method":"tools/list","params":{"x":1,"x":2}}'
      const ambiguous = '{"jsonrpc":"2.0","id":1,"method":"tools/list","id":2}'
      const latin = Buffer.from('{"jsonrpc":"2.0","id":9,"method":"tools/list","params":{"x":"\u00e9"}}', "latin1")
      const input = async function* () {
        yield Buffer.from([...calls, other, ambiguous, ""].join("\n"))
        yield Buffer.concat([latin, Buffer.from("\n")])
      }
      yield* serveStdio(
        { role: "orchestrator", actor: "ann", owner: "ann" },
        { input: input(), output: (text) => Effect.sync(() => void messageIn.push(text)) }
      )
      const overHttp: Array<string> = []
      for (const message of [...calls, other, ambiguous]) overHttp.push((yield* post("/mcp", message, session)).text)
      for (const answers of [messageIn.flatMap((text) => text.trimEnd().split("\n")), overHttp]) {
        for (const [index, [, says]] of lossy.entries()) {
          const { id, result } = JSON.parse(answers[index] ?? "") as {
            readonly id: number
            readonly result: { readonly isError: boolean; readonly content: ReadonlyArray<{ readonly text: string }> }
          }
          assert.deepStrictEqual([id, result.isError], [7, true])
          assert.include(result.content[0]?.text, says)
          assert.include(result.content[0]?.text, "in /params/arguments/cards/0/acceptance/deep")
        }
        const refused = answers.slice(lossy.length, lossy.length + 2).map((text) => JSON.parse(text) as object)
        assert.deepInclude(refused[0], { id: 8 })
        assert.deepInclude(refused[1], { id: null })
        for (const each of refused) assert.property(each, "error")
      }
      assert.include(messageIn.join(""), "not UTF-8")
      assert.isTrue(Option.isNone(yield* Effect.flatMap(BacklogService, (backlog) => backlog.get("m"))))
    })
  )

  test(
    "the typed client refuses responses that would be changed",
    Effect.gen(function* () {
      const answer = { type: "application/json", text: "" }
      const url = yield* anyServer((_, response) =>
        response.writeHead(200, { "content-type": answer.type }).end(answer.text)
      )
      const services = yield* over(url)
      const backlog = Context.get(services, BacklogService)
      const audit = Context.get(services, AuditService)
      for (const [value, says] of lossy) {
        answer.type = "application/json"
        answer.text = `{"counts":${value}}`
        assert.include(yield* messageOf(backlog.stats), says)
        answer.type = "application/x-ndjson"
        answer.text = `{"problem":${value}}\n`
        assert.include(yield* messageOf(Stream.runDrain(audit.history("a"))), says)
        answer.type = "text/event-stream"
        answer.text = `id: 1\ndata: {"position":1,"data":${value}}\n\n`
        assert.include(yield* messageOf(Stream.runDrain(audit.events())), says)
      }
    })
  )

  test(
    "files of other trackers and exported logs are imported exactly or refused with the line",
    Effect.gen(function* () {
      const audit = yield* AuditService
      const issue = (priority: string) =>
        `{"id":"b","title":"B","status":"open","priority":2,"created_at":"2026-01-22T12:04:05Z","x":${priority}}`
      for (const [value, says] of lossy) {
        const source = yield* Effect.promise(() =>
          readBeads(
            (async function* () {
              yield Buffer.from(`${issue("1")}\n${issue(value)}\n`)
            })(),
            "issues.jsonl"
          )
        )
        const [first, second] = yield* Stream.runCollect(source.records)
        assert.strictEqual(first?._tag, "Issue")
        assert.deepInclude(second as object, { _tag: "Malformed", line: 2 })
        assert.include(String((second as { readonly problem?: string }).problem), says)
        const tasks = `{"tasks":[{"id":1,"title":"T","x":${value}}]}`
        const refused = yield* Effect.result(readTaskMaster(tasks, "tasks.json", new Map()))
        assert.isTrue(Result.isFailure(refused) && refused.failure.problem.includes(`in /tasks/0/x`))
        const lines = Stream.make(
          {
            number: 1,
            text: `{"format":"mosaic-backlog-log","formatVersion":1,"position":1,"chainHash":"${"0".repeat(64)}"}`
          },
          { number: 2, text: `{"position":1,"data":${value}}` }
        )
        const problem = yield* messageOf(audit.importLog(lines, { actor: "me" }))
        assert.include(problem, "line 2")
        assert.include(problem, says)
      }
    })
  )
})
