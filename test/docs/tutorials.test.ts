import { assert } from "@effect/vitest"
import { randomBytes } from "node:crypto"
import { join } from "node:path"
import { describe, expect, inject, it } from "vitest"
import { sql, temporaryDirectory } from "../cli/support.ts"
import { textsOn } from "./support/pages.ts"
import { runTutorial } from "./support/Tutorial.ts"

const root = join(import.meta.dirname, "..", "..")

interface McpServer {
  readonly command?: string
  readonly args?: ReadonlyArray<string>
}

const serverIn = (block: string): McpServer =>
  (JSON.parse(block) as { readonly mcpServers: { readonly backlog: McpServer } }).mcpServers.backlog

/** Fails if the page shows other outputs. `vitest run -u` writes the outputs of this run into the page. */
const expectSame = (page: string, text: string) => expect(text).toMatchFileSnapshot(join(root, page))

/** The variables that docs/first-hour.md leaves in the shell. */
const leftByFirstHour = { BACKLOG_ACTOR: "ada", BACKLOG_DATABASE_URL: "postgres://me@127.0.0.1:1/work" }

/** The variables that docs/agents.md leaves in the shell. Its server has ended. */
const leftByAgents = { BACKLOG_DATABASE_URL: "http://127.0.0.1:1", BACKLOG_TOKEN: "mbk_left" }

describe("the tutorials", { timeout: 900_000 }, () => {
  it("every command of docs/first-hour.md prints what the page shows", async () => {
    const database = `first_hour_${randomBytes(6).toString("hex")}`
    await sql((client) => client.unsafe(`CREATE DATABASE ${database}`))
    const url = new URL(inject("postgresUrl"))
    url.pathname = `/${database}`
    try {
      const ran = await runTutorial("docs/first-hour.md", {
        home: await temporaryDirectory(),
        startsIn: root,
        without: /^(npm |mkdir .*\nnpm )/,
        instead: [
          ["postgres://me@db.example.com/work", url.href],
          ["db.example.com:5432", url.host]
        ]
      })
      assert.deepStrictEqual(
        ran.failures,
        [
          [`backlog work --owner worker-2 --ttl 10 --exec 'kill -9 "$PPID"'`, 137],
          ["backlog complete release --token 2", 5]
        ],
        ran.failed
      )
      await expectSame("docs/first-hour.md", ran.page)
    } finally {
      await sql((client) => client.unsafe(`DROP DATABASE ${database} WITH (FORCE)`))
    }
  })

  it("every command of docs/agents.md prints what the page shows", async () => {
    const home = await temporaryDirectory()
    const ran = await runTutorial("docs/agents.md", { home, startsIn: home, left: leftByFirstHour })
    assert.deepStrictEqual(ran.failures, [], ran.failed)
    await expectSame("docs/agents.md", ran.page)
  })

  it("the configurations of docs/agents.md are those of docs/mcp.md, which is tested", () => {
    const [stdio, http] = textsOn("docs/mcp.md", "json").map(serverIn)
    const [teamHttp, teamStdio] = textsOn("docs/agents.md", "json").map(serverIn)
    expect(teamHttp).toEqual({ ...http, headers: { Authorization: "Bearer ${BACKLOG_TOKEN}" } })
    expect(teamStdio?.command).toBe(stdio?.command)
    expect(stdio?.args?.slice(0, teamStdio?.args?.length)).toEqual(teamStdio?.args)
  })

  it("every command of docs/what-happened.md prints what the page shows", async () => {
    const home = await temporaryDirectory()
    const ran = await runTutorial("docs/what-happened.md", { home, startsIn: home, left: leftByAgents })
    assert.deepStrictEqual(
      ran.failures,
      [
        ["backlog verify forged.jsonl", 5],
        ["backlog verify --anchor-file ~/anchor.txt", 5]
      ],
      ran.failed
    )
    await expectSame("docs/what-happened.md", ran.page)
  })
})
