import { layer } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { expect, inject } from "vitest"
import { BacklogSchema } from "../../src/sql/SchemaName.ts"
import { AccessRole, AuditService, BacklogService } from "../../src/index.ts"
import { serverInfo } from "../../src/mcp/protocol.ts"
import { cli } from "../cli/support.ts"
import { freshBacklog, postgresClient } from "../support/backlogs.ts"
import { connectAgent } from "./support/agents.ts"
import { serveBacklog } from "./support/example.ts"

const page = readFileSync(join(import.meta.dirname, "..", "..", "docs", "mcp.md"), "utf8")

const blocks = (language: string): ReadonlyArray<string> =>
  [...page.matchAll(new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``, "g"))].map(([, block = ""]) => block)

/** The rows of every table on the page, with trimmed cells. */
const rows = page
  .split("\n")
  .filter((line) => line.startsWith("| "))
  .map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim())
  )

/** An upper bound of the tokens: common tokenizers need fewer for JSON and English. */
const maxTokensOf = (text: string): number => Math.ceil(Buffer.byteLength(text) / 3)

const maxTools = 10
const maxTokens = 2500

const initialize = {
  jsonrpc: "2.0",
  id: 1,
  method: "initialize",
  params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "test", version: "1" } }
}

const claiming = (id: number, phase: string) => ({
  jsonrpc: "2.0",
  id,
  method: "tools/call",
  params: { name: "backlog_claim", arguments: { phase, waitSeconds: 50 } }
})

interface Configuration {
  readonly mcpServers: {
    readonly backlog: {
      readonly args: ReadonlyArray<string>
      readonly env: Readonly<Record<string, string>>
      readonly headers: Readonly<Record<string, string>>
    }
  }
}

const [overStdio, overHttp] = blocks("json").map((block) => (JSON.parse(block) as Configuration).mcpServers.backlog)

layer(Layer.provideMerge(freshBacklog, postgresClient(10)), { timeout: "60 seconds", excludeTestServices: true })(
  "docs/mcp.md",
  (it) => {
    it.effect("lists the tools and the tokens of each role", () =>
      Effect.gen(function* () {
        for (const role of AccessRole.literals) {
          const { client } = yield* connectAgent(role, "someone")
          const { tools } = yield* Effect.orDie(client.listTools())
          const tokens = maxTokensOf(JSON.stringify(tools))
          expect(tools.length).toBeLessThanOrEqual(maxTools)
          expect(tokens).toBeLessThan(maxTokens)
          expect(rows.find(([first]) => first === role)).toEqual([
            role,
            tools.map(({ name }) => `\`${name}\``).join(" "),
            tokens.toLocaleString("en")
          ])
          for (const { annotations } of tools) {
            expect(annotations).toMatchObject({
              openWorldHint: false,
              readOnlyHint: expect.any(Boolean) as boolean
            })
          }
        }
        const instructions = AccessRole.literals.map((role) => maxTokensOf(serverInfo(role).instructions))
        expect(page).toContain(`are at most ${Math.max(...instructions)} tokens more.`)
      })
    )

    it.effect("shows the actual result of each call", () =>
      Effect.gen(function* () {
        const examples = blocks("tool")
        expect(examples.length).toBeGreaterThan(5)
        for (const example of examples) {
          const [who = "", request = "", , ...answer] = example.trimEnd().split("\n")
          const [actor = "", role] = who.split(", ")
          const [, name = "", args = ""] = /^backlog_(\w+) (.*)$/.exec(request) ?? []
          const { call } = yield* connectAgent(role as AccessRole, actor)
          const { text } = yield* call(name, JSON.parse(args) as object)
          expect(text).toBe(answer.join("\n"))
        }
      })
    )

    it.effect(
      "shows how to connect over both transports",
      () =>
        Effect.gen(function* () {
          const { args = [], env = {} } = overStdio ?? {}
          const [, , program, ...argv] = args
          expect([program, Object.keys(env)]).toEqual(["backlog", ["BACKLOG_DATABASE_URL"]])
          const schema = yield* BacklogSchema
          yield* (yield* BacklogService).create({ id: "c", title: "C", phase: "connected", actor: "planner" })
          const child = yield* Effect.promise(() =>
            cli([...argv, "--schema", schema], {
              env: { BACKLOG_DATABASE_URL: inject("postgresUrl"), BACKLOG_ACTOR: "" },
              stdin: [initialize, claiming(2, "nothing"), claiming(3, "connected")]
                .map((message) => `${JSON.stringify(message)}\n`)
                .join("no JSON\n")
            })
          )
          expect([child.code, child.stderr]).toEqual([0, ""])
          const answers = child.stdout.split("\n", 5).map((line) => JSON.parse(line) as object)
          const message = expect.stringContaining("the message is not JSON") as string
          expect(answers).toContainEqual(expect.objectContaining({ error: { code: -32700, message } }))
          expect(answers).toContainEqual(expect.objectContaining({ id: 1, result: expect.anything() as object }))
          // The claim stopped waiting when the input ended.
          expect(answers).toContainEqual(expect.objectContaining({ id: 2, result: expect.anything() as object }))
          const history = yield* Stream.runCollect((yield* AuditService).history("c"))
          expect(history.map(({ actor, data }) => [actor, data["owner"]])).toEqual([
            ["planner", undefined],
            ["worker-1", "worker-1"]
          ])

          const { url } = yield* serveBacklog
          const example = readFileSync(join(import.meta.dirname, "support", "example.ts"), "utf8")
            .replace("../../../src/http/index.ts", "mosaic-backlog/http")
            .replace("../../../src/mcp/index.ts", "mosaic-backlog/mcp")
          expect(blocks("ts")).toEqual([example])
          const response = yield* Effect.promise(() =>
            fetch(`${url}/mcp`, {
              method: "POST",
              headers: {
                "content-type": "application/json",
                accept: "application/json, text/event-stream",
                ...overHttp?.headers
              },
              body: JSON.stringify(initialize)
            })
          )
          expect([response.status, yield* Effect.promise(() => response.json())]).toMatchObject([200, { id: 1 }])
        }),
      // Shorter than the claim's wait.
      40_000
    )
  }
)
