import { DateTime, Effect, Layer } from "effect"
import { randomBytes } from "node:crypto"
import { cp, mkdir } from "node:fs/promises"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import { BacklogService, BacklogTestClock, layerTestOver } from "../../src/index.ts"
import { layerPostgresClient } from "../../src/services/postgres/PostgresClient.ts"
import { cli, onServer, sql, temporaryDirectory } from "../cli/support.ts"
import { blocksOn, textsOn } from "./support/pages.ts"
import { folderWithBacklog } from "./support/folderWithBacklog.ts"
import { Shell } from "./support/Shell.ts"

const fixtures = join(import.meta.dirname, "..", "import", "fixtures")

/** The only block of a page that contains a text. */
const blockWith = (page: string, words: string): string => {
  const found = blocksOn(page).filter(({ text }) => text.includes(words))
  expect([page, words, found.length]).toEqual([page, words, 1])
  return found[0]?.text ?? ""
}

describe("the commands in docs/command-line.md", () => {
  const page = "docs/command-line.md"
  const url = inject("postgresUrl")
  const place = onServer()
  const elsewhere = onServer()
  const old = `app_${randomBytes(6).toString("hex")}`
  let shell: Shell

  beforeAll(async () => {
    const folder = await temporaryDirectory()
    shell = new Shell({
      folder,
      env: { BACKLOG_DATABASE_URL: url },
      flags: ["--schema", place.schema],
      variables: { "fpath[1]": join(folder, "functions"), PROFILE: join(folder, "profile.ps1") },
      instead: [
        ["--db postgres://me@db.example.com/work", `--db ${url} --schema ${elsewhere.schema}`],
        ["postgres://me@old.example.com/app", url],
        ["public.tasks", `${old}.tasks`]
      ]
    })
    // As if everything happened on that day.
    const day = Effect.gen(function* () {
      const clock = yield* BacklogTestClock
      const backlog = yield* BacklogService
      yield* clock.set(DateTime.makeUnsafe("2026-01-22T08:00:00Z"))
      yield* backlog.create({ id: "build", title: "Build it", actor: "me" })
      yield* backlog.revise({ id: "build", title: "Build it all", actor: "me" })
      yield* backlog.revise({ id: "build", body: "All of it", actor: "me" })
      const cards = Array.from({ length: 1200 }, (_, index) => ({ id: `c${index}`, title: "C" }))
      yield* backlog.createMany({ cards, actor: "me" })
      yield* backlog.complete({ id: "c0", actor: "me" })
    })
    const layer = layerTestOver(layerPostgresClient({ url, poolSize: 1 }), place.schema)
    await Effect.runPromise(Effect.provide(day, Layer.fresh(layer)))
  })

  afterAll(async () => {
    await shell.end()
    await place.remove()
    await elsewhere.remove()
    await sql((client) => client`DROP SCHEMA IF EXISTS ${client(old)} CASCADE`)
  })

  it("a command with an id runs once", async () => {
    const claiming = blockWith(page, "--command-id 7b0f2a6e-claim")
    const [claimed] = await shell.runs(claiming)
    const [again] = await shell.runs(claiming)
    expect(claimed?.stdout).toContain('"claimOwner":"worker-1"')
    expect(again?.stdout).toBe(claimed?.stdout)
  })

  it("the audit commands show events and past states", async () => {
    const [history, completed, followed] = await shell.runs(blockWith(page, "backlog history build"))
    expect(history?.stdout).toContain("created ready")
    expect(completed?.stdout).toContain("c0")
    expect(followed?.stdout).toContain('"schemaVersion":1')
    const [shown, explained, listed, stats] = await shell.runs(blockWith(page, "--at v3"))
    expect(shown?.stdout).toContain("All of it")
    expect(explained?.stdout).not.toBe("")
    expect(listed?.stdout).toContain("build")
    expect(stats?.stdout).not.toBe("")
  })

  it("the proof commands verify, export and import the log", async () => {
    await shell.runs(blockWith(page, "backlog anchor > anchor.txt"))
    await shell.runs(blockWith(page, "backlog import backlog.jsonl --format log"))
    const { stdout } = await cli([...elsewhere.flags, "--json", "stats"])
    expect(JSON.parse(stdout).data.total).toBe(1201)
  })

  it("the import and export commands run", async () => {
    await mkdir(".beads")
    await mkdir(".taskmaster/tasks", { recursive: true })
    await cp(join(fixtures, "sample.beads.jsonl"), ".beads/issues.jsonl")
    await cp(join(fixtures, "tasks.json"), ".taskmaster/tasks/tasks.json")
    await cp(join(fixtures, "backlog-md"), "backlog", { recursive: true })
    await sql((client) => client`CREATE SCHEMA ${client(old)}`)
    const [tables = ""] = textsOn("docs/import.md", "sql")
    for (const statement of tables.replaceAll("app.tasks", `${old}.tasks`).split(/;\n/)) {
      if (statement.trim() !== "") await sql((client) => client.unsafe(statement))
    }
    await shell.runs(blockWith(page, "backlog import .beads/issues.jsonl"))
  })

  it("watch and the completion commands run", async () => {
    const [board, document] = await shell.runs(blockWith(page, "backlog watch --interval 10"))
    expect(board?.stdout).toContain("claimed")
    expect(JSON.parse(document?.stdout.split("\n")[0] ?? "")).toMatchObject({ schemaVersion: 1 })
    await shell.runs(blockWith(page, "--completions zsh"))
  })
})

describe("the commands for a directory", () => {
  it("the commands of docs/auditing.md read, verify, rebuild, erase and move a backlog", async () => {
    const page = "docs/auditing.md"
    const folder = await folderWithBacklog()
    const elsewhere = onServer()
    const shell = new Shell({
      folder,
      instead: [["postgres://me@db.example.com/work", `${inject("postgresUrl")} --schema ${elsewhere.schema}`]]
    })
    try {
      // Keeps the directory open.
      await shell.runs("backlog serve &")
      await shell.runs('backlog create --id build --title "Build it" --body "The key is 123"')
      const [history] = await shell.runs(blockWith(page, "backlog history build"))
      expect(history?.stdout).toContain("created ready")
      const [past] = await shell.runs(blockWith(page, "backlog show build --at v1"))
      expect(past?.stdout).toContain("Build it")
      await shell.runs(blockWith(page, "backlog flow"))
      const shown = blockWith(page, "$ backlog anchor\n")
      const [anchor, verify] = shown.split("\n").filter((line) => line.startsWith("$ "))
      const [anchored] = await shell.runs((anchor ?? "").slice(2))
      const line = anchored?.stdout.trim() ?? ""
      const pattern = /mosaic-backlog-anchor 1 \d+ [0-9a-f…]+ [\d-]+T[\d:.]+Z/
      expect(line).toMatch(pattern)
      await shell.runs((verify ?? "").slice(2).replace(pattern, line))
      const lists = blockWith(page, "$ backlog verifications").split("\n")
      for (const [index, command] of lists.entries()) {
        if (!command.startsWith("$ ")) continue
        const [listed] = await shell.runs(command.slice(2))
        const titles = (text = "") => text.split("\n")[0]?.trim().split(/ {2,}/)
        expect(titles(listed?.stdout)).toEqual(titles(lists[index + 1]))
      }
      await shell.runs(blockWith(page, "openssl genpkey"))
      const [, , examined] = await shell.run(blockWith(page, "--anchor-every 15"))
      expect(examined?.stdout).toMatch(/anchors .*The newest anchor in "..\/anchors.txt" is at position 1/)
      await shell.runs(blockWith(page, "backlog rebuild"))
      await shell.runs(blockWith(page, "backlog redact build"))
      const [card] = await shell.runs("backlog show build")
      expect(card?.stdout).toContain("[redacted]")
      await shell.runs(blockWith(page, "backlog export --db .backlog"))
      const { stdout } = await cli([...elsewhere.flags, "--json", "show", "build"])
      expect(JSON.parse(stdout).data).toMatchObject({ body: "[redacted]" })
    } finally {
      await shell.end()
      await elsewhere.remove()
    }
  })

  it("the commands of docs/embedded.md claim with and without a process that holds the directory", async () => {
    const folder = await folderWithBacklog()
    const shell = new Shell({ folder })
    try {
      const [, served = "", alone = ""] =
        /^(backlog serve[^]*?)\n\n([^]*)$/.exec(blockWith("docs/embedded.md", "backlog serve &")) ?? []
      const [serving = "", claiming = ""] = served.split("\n")
      await shell.runs(serving)
      await shell.runs("backlog create --id a --title A\nbacklog create --id b --title B")
      const [first] = await shell.runs(claiming)
      await shell.interrupt()
      const [second] = await shell.runs(alone)
      for (const claimed of [first, second]) expect(claimed?.stdout).toContain("worker-1")
    } finally {
      await shell.end()
    }
  })
})
