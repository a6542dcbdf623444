import { mkdir } from "node:fs/promises"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { startServe } from "../http/support/startServe.ts"
import { allCommands, commandIn } from "./allCommands.ts"
import { cli, documentIn, inDirectory, onServer, type Place, temporaryDirectory } from "./support.ts"

const places: ReadonlyArray<readonly [string, () => Promise<Place>]> = [
  ["a directory", inDirectory],
  ["a Postgres server", () => Promise.resolve(onServer())]
]

/** A note that every command prints that opens a database: `DATABASE_URL` is used although there is a `.backlog`. */
const note = /^note: DATABASE_URL is set/

describe.each(places)("standard output over %s", (_, makePlace) => {
  const before = process.cwd()
  let place: Place
  let folder: string
  let server: Awaited<ReturnType<typeof startServe>>

  beforeAll(async () => {
    place = await makePlace()
    folder = await temporaryDirectory()
    await mkdir(join(folder, ".backlog"))
    // Keeps a directory open, so that the commands share it.
    server = await startServe(place.flags)
    process.chdir(folder)
  })

  afterAll(async () => {
    process.chdir(before)
    await server.end()
    await place.remove()
  })

  /** Every command, with arguments that succeed, in an order in which they do. `x` is a new card's id. */
  const commands = (x: string): ReadonlyArray<ReadonlyArray<string>> => [
    ["migrate"],
    ["create", "--id", x, "--title", "T", "--body", "B"],
    ["create", "--id", `${x}-base`, "--title", "T"],
    ["revise", x, "--priority", "9"],
    ["claim", x, "--owner", "w"],
    ["renew", x, "--token", "3", "--ttl", "60"],
    ["claims"],
    ["release", x, "--token", "3"],
    ["claim", x, "--owner", "w"],
    ["complete", x, "--token", "6"],
    ["reopen", x],
    ["block", x],
    ["unblock", x],
    ["link", x, `${x}-base`],
    ["unlink", x, `${x}-base`],
    ["reclaim", x],
    ["show", x],
    ["note", x, "--text", "n"],
    ["notes", x],
    ["search", "t"],
    ["deps", x],
    ["critical-path"],
    ["diff", "0"],
    ["flow", "--by", "label"],
    ["explain", x],
    ["list"],
    ["stats"],
    ["history", x],
    ["events"],
    ["watch"],
    ["anchor"],
    ["anchors"],
    ["verify"],
    ["verifications"],
    ["redact", x, "--part", "body", "--reason", "a name"],
    ["erasures"],
    ["consumers"],
    ["export", join(folder, `${x}.jsonl`)],
    ["import", "-"],
    ["rebuild"],
    ["receipts", "prune", "--older-than-days", "1"],
    ["token", "create", "--actor", x, "--role", "worker"],
    ["token", "list"],
    ["doctor"],
    ["work", "--owner", "w", "--phase", "none", "--until-empty", "--exec", "true"]
  ]

  const issue = `${JSON.stringify({ id: "issue", title: "An issue of beads", status: "open", priority: 2, issue_type: "task" })}\n`

  const run = async (argv: ReadonlyArray<string>) => {
    const [, url = "", ...flags] = place.flags
    return cli([...argv, ...flags], { env: { DATABASE_URL: url }, stdin: argv.includes("import") ? issue : "" })
  }

  it("is the answer alone, and notes go to standard error", async () => {
    const ran = new Set(["serve", "mcp", "token revoke", "restored"])
    for (const argv of commands("x")) {
      ran.add(commandIn(argv))
      const { code, stderr, stdout } = await run(argv)
      // The doctor may find that the tests connect as a superuser.
      expect([argv, argv[0] === "doctor" || code === 0, stderr]).toEqual([argv, true, expect.stringMatching(note)])
      expect([argv, stdout]).toEqual([argv, expect.not.stringMatching(/note:|DATABASE_URL/i)])
      expect([argv, stdout === ""]).toEqual([argv, false])
    }
    expect([...ran].sort()).toEqual(allCommands())
  })

  it("is one document with --json, and notes go to standard error", async () => {
    for (const argv of commands("y")) {
      // With --json it runs until it is interrupted.
      if (argv[0] === "watch") continue
      const { stderr, stdout } = await run(["--json", ...argv])
      expect([argv, stderr]).toEqual([argv, expect.stringMatching(note)])
      expect([argv, Object.keys(documentIn(stdout))]).toEqual([argv, expect.arrayContaining(["data"])])
    }
  })

  it("of commands for scripts is one line, and nothing else", async () => {
    const [token, anchor] = [await run(["token", "create", "--actor", "z", "--role", "auditor"]), await run(["anchor"])]
    expect(token.stdout).toMatch(/^mbk_\w+\n$/)
    expect(anchor.stdout).toMatch(/^mosaic-backlog-anchor 1 [^\n]+\n$/)
    const revoked = await run(["token", "revoke", token.stdout.slice(4, 20)])
    expect([revoked.code, revoked.stdout]).toEqual([0, expect.stringMatching(/^Token \w+ of z is revoked\./)])
    expect(await run(["export"])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^(\{[^\n]*\}\n)+$/) })
    expect(await run(["mcp"])).toMatchObject({ code: 0, stdout: "" })
    // The last one, because it begins a new generation of tokens.
    expect(await run(["restored"])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^New tokens have [^\n]+\n$/)
    })
  })

  it("has no hint about what a redaction leaves behind", async () => {
    await run(["create", "--id", "hint", "--title", "T", "--body", "B"])
    const { stderr, stdout } = await run(["redact", "hint", "--part", "body", "--reason", "a name"])
    expect(stdout).toBe("Erased in hint: body of version 1.\nThe bytes are removed from the data files.\n")
    expect(stderr).toContain("note: backups, replicas, exports and server logs may still contain what was erased\n")
  })
})
