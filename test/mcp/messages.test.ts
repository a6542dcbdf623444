import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { onBothDatabases } from "../support/databases.ts"
import { initialize, type Message, overStdio, requestOf, startMcp } from "./support/exchange.ts"

const mark = Buffer.from([0xef, 0xbb, 0xbf])

const marked = (message: object): Uint8Array => Buffer.concat([mark, Buffer.from(JSON.stringify(message))])

/** Sends messages in a session over both transports, and returns the answers of each. */
const overBoth = Effect.fnUntraced(function* (sent: ReadonlyArray<string | Uint8Array | object>) {
  const [, ...overPipes] = yield* overStdio([initialize(), ...sent], sent.length + 1)
  const { open, post } = yield* startMcp
  const session = yield* open()
  const overHttp: Array<Message> = []
  for (const each of sent) overHttp.push((yield* post(each, session)).json as Message)
  return [overPipes, overHttp] as const
})

/** Messages that are refused, with the id of the answer, its code, and a part of its text. */
const refused: ReadonlyArray<readonly [message: string, id: string | number | null, code: number, says: string]> = [
  ["no JSON", null, -32700, "the message is not JSON: at character 1"],
  ["7", null, -32600, "a message is an object"],
  ["null", null, -32600, "a message is an object"],
  ["[]", null, -32600, "the batch is empty"],
  ['[{"jsonrpc":"2.0","id":1,"method":"ping"},7]', null, -32600, "message 2 of the batch: a message is an object"],
  ['{"jsonrpc":"2.0","id":null,"method":"tools/list"}', null, -32600, "a string or a number, not null"],
  ['{"jsonrpc":"2.0","id":{},"method":"tools/list"}', null, -32600, "a string or a number, not an object"],
  ['{"id":1,"method":"tools/list"}', null, -32600, 'jsonrpc must be "2.0"'],
  ['{"jsonrpc":"2.0","id":1,"method":7}', null, -32600, "the method must be a string"],
  ['{"jsonrpc":"2.0","id":1}', null, -32600, "neither a request, nor a notification, nor a response"],
  ['{"jsonrpc":"2.0","id":1,"result":{},"error":{}}', null, -32600, "neither a request"],
  ['{"jsonrpc":"2.0","id":2,"method":"tools/list","params":[]}', 2, -32602, "params must be an object, not an array"],
  ['{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{}}', 3, -32602, "params.name must be the name of a tool"],
  ['{"jsonrpc":"2.0","id":"c","method":"completion/complete","params":{}}', "c", -32601, "completion/complete"],
  ['{"jsonrpc":"2.0","id":5,"method":"logging/setLevel","params":{"level":"info"}}', 5, -32601, "logging/setLevel"]
]

onBothDatabases("messages of agents", (test) => {
  test(
    "a byte order mark before a message is ignored, over pipes and HTTP",
    Effect.gen(function* () {
      const messages = [marked(initialize()), mark, marked(requestOf(2, "tools/list"))]
      const [begun, listed] = yield* overStdio(messages, 2)
      assert.strictEqual(begun?.result.serverInfo.name, "mosaic-backlog")
      assert.isNotEmpty(listed?.result.tools)
      const { open, post } = yield* startMcp
      const answer = yield* post(marked(requestOf(2, "tools/list")), yield* open())
      assert.isNotEmpty(answer.json.result.tools)
    })
  )

  test(
    "a parameter that is null counts as omitted",
    Effect.gen(function* () {
      const answers = yield* overBoth([
        '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"backlog_show","arguments":null,"_meta":null}}',
        '{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{"cursor":null}}',
        '{"jsonrpc":"2.0","id":3,"method":"tools/list","params":null}',
        '{"jsonrpc":"2.0","id":4,"method":"ping","params":null}'
      ])
      for (const [shown, first, second, pong] of answers) {
        assert.isUndefined(shown?.result.isError)
        assert.include(shown?.result.content[0].text, "0 cards")
        assert.isNotEmpty(first?.result.tools)
        assert.isNotEmpty(second?.result.tools)
        assert.deepInclude(pong, { id: 4, result: {} })
      }
    })
  )

  test(
    "arguments that are not an object are refused with the cause, in a result that agents see",
    Effect.gen(function* () {
      const call = (args: string) =>
        `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"backlog_show","arguments":${args}}}`
      const answers = yield* overBoth(['"{}"', "[]", "7"].map(call))
      for (const results of answers) {
        assert.deepStrictEqual(
          results.map(({ result }) => [result.isError, result.content[0].text.split("\n")[0]]),
          [
            [true, "Invalid input: the arguments must be an object, not a string"],
            [true, "Invalid input: the arguments must be an object, not an array"],
            [true, "Invalid input: the arguments must be an object, not a number"]
          ]
        )
      }
    })
  )

  test(
    "the answer to a refused message has the cause, and the next message is carried out",
    Effect.gen(function* () {
      const answers = yield* overBoth([...refused.map(([message]) => message), requestOf("last", "ping")])
      for (const messages of answers) {
        for (const [index, [message, id, code, says]] of refused.entries()) {
          assert.deepInclude(messages[index], { id }, message)
          assert.strictEqual(messages[index]?.error?.code, code, message)
          assert.include(messages[index]?.error?.message, says, message)
        }
        assert.deepInclude(messages.at(-1), { id: "last", result: {} })
      }
    })
  )

  test(
    "a response of a client gets no answer",
    Effect.gen(function* () {
      const response = '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"x"}}'
      const answers = yield* overStdio([initialize(), response, requestOf("last", "ping")], 2)
      assert.deepStrictEqual(
        answers.map(({ id }) => id),
        ["init", "last"]
      )
      const { open, post } = yield* startMcp
      const { status, text } = yield* post(response, yield* open())
      assert.deepStrictEqual([status, text], [202, ""])
    })
  )

  test(
    "every revision announces tools, and no feature that the server does not have",
    Effect.gen(function* () {
      const { post } = yield* startMcp
      for (const revision of ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]) {
        const [begun] = yield* overStdio([initialize(revision)], 1)
        const overHttp = (yield* post(initialize(revision))).json as Message
        for (const { result } of [begun as Message, overHttp]) {
          assert.deepInclude(result, { protocolVersion: revision, capabilities: { tools: {} } })
          assert.include(result.instructions, "backlog_create")
        }
      }
      const meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": { name: "test", version: "1" }
      }
      const headers = (method: string) => ({ "mcp-protocol-version": "2026-07-28", "mcp-method": method })
      const discover = requestOf(1, "server/discover", { _meta: meta })
      const [discovered] = yield* overStdio([discover], 1)
      const overHttp = (yield* post(discover, headers("server/discover"))).json as Message
      for (const { result } of [discovered as Message, overHttp]) {
        assert.deepStrictEqual(result.capabilities, { tools: {} })
      }
      const complete = requestOf(2, "completion/complete", { _meta: meta })
      const unknown = yield* post(complete, headers("completion/complete"))
      assert.deepStrictEqual([unknown.status, unknown.json.error.code], [404, -32601])
    })
  )
})
