import { Effect, Fiber } from "effect"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { startServe } from "../http/support/startServe.ts"
import { runInBackground } from "../support/runInBackground.ts"
import { allCommands, commandIn } from "./allCommands.ts"
import { cli, inDirectory, json, onServer, type Place, type RunOptions, temporaryDirectory } from "./support.ts"

type Role = "worker" | "orchestrator" | "auditor"

const holders: Readonly<Record<Role, string>> = { worker: "worker-1", orchestrator: "planner", auditor: "eve" }

/** The commands that need the database, with arguments. */
const refusedCommands: ReadonlyArray<ReadonlyArray<string>> = [
  ["migrate"],
  ["token", "create", "--actor", "a", "--role", "worker"],
  ["token", "list"],
  ["token", "revoke", "0123456789abcdef"],
  ["restored"],
  ["rebuild"],
  ["serve"]
]

const places: ReadonlyArray<readonly [string, () => Promise<Place>]> = [
  ["a directory", inDirectory],
  ["a Postgres server", () => Promise.resolve(onServer())]
]

describe.each(places)("the command line over a served backlog in %s", (_, makePlace) => {
  const tokens: Record<string, string> = {}
  const ran = new Set<string>()
  let place: Place
  let server: Awaited<ReturnType<typeof startServe>>

  beforeAll(async () => {
    place = await makePlace()
    await cli(["migrate", ...place.flags])
    for (const [role, actor] of Object.entries(holders)) {
      const created = await json(["token", "create", "--actor", actor, "--role", role, ...place.flags])
      tokens[role] = created.data.token
    }
    server = await startServe(["--require-tokens", ...place.flags])
  })

  afterAll(async () => {
    await server.end()
    await place.remove()
  })

  const as = (role: Role, more: Partial<RunOptions> = {}): RunOptions => ({
    ...more,
    env: { BACKLOG_ACTOR: "", BACKLOG_DATABASE_URL: server.url, BACKLOG_TOKEN: tokens[role] ?? "", ...more.env }
  })

  /** Runs a command with the token of a role, which must succeed, and returns its data. */
  const run = async (role: Role, argv: ReadonlyArray<string>, options: Partial<RunOptions> = {}) => {
    ran.add(commandIn(argv))
    const { code, data, error, stderr } = await json(argv, as(role, options))
    expect([argv, code, error, stderr]).toEqual([argv, 0, undefined, ""])
    return data
  }

  const create = (id: string, ...more: ReadonlyArray<string>) =>
    run("orchestrator", ["create", "--id", id, "--title", `Card ${id}`, ...more])

  it("commands on cards act as the holder of the token", async () => {
    await create("a", "--phase", "one", "--priority", "9")
    await create("b", "--phase", "one", "--depends-on", "a")
    await create("c", "--phase", "one")
    await run("orchestrator", ["revise", "c", "--body", "text"])
    await run("orchestrator", ["link", "c", "b"])
    await run("orchestrator", ["unlink", "c", "b"])
    const claim = ["claim", "--owner", "worker-1", "--phase", "one", "--command-id", "claim-1"]
    const claimed = await run("worker", claim)
    expect([claimed.id, claimed.claimOwner]).toEqual(["a", "worker-1"])
    expect(await run("worker", claim)).toEqual(claimed)
    const token = String(claimed.claimToken)
    await run("worker", ["renew", "a", "--token", token, "--ttl", "60"])
    const done = await run("worker", ["complete", "a", "--token", token, "--claim-next", "worker-1", "--phase", "one"])
    expect([done.madeClaimable, done.next.id]).toEqual([["b"], "b"])
    const released = ["release", "b", "--token", String(done.next.claimToken), "--reason", "later"]
    expect((await run("worker", released)).status).toBe("ready")
    const [first, second] = await run("worker", ["claim", "--owner", "worker-1/x", "--phase", "one", "--limit", "2"])
    const blocking = ["block", first.id, "--token", String(first.claimToken), "--reason", "a question"]
    expect(await run("worker", blocking)).toMatchObject({ status: "blocked", blockedReason: "a question" })
    await run("orchestrator", ["unblock", first.id])
    expect(await run("orchestrator", ["reclaim", second.id])).toEqual([second.id])
    await run("orchestrator", ["reopen", "a"])
    const listed = await run("worker", ["list", "--phase", "one", "--at", "1"])
    expect(listed.map(({ id }: { id: string }) => id)).toEqual(["a"])
    expect((await run("auditor", ["show", "a", "--at", "v2"])).status).toBe("claimed")
    expect((await run("worker", ["explain", "b"])).obstacles).not.toEqual([])
    expect((await run("worker", ["stats"])).total).toBe(3)
    await run("worker", ["note", "b", "--text", "half done"])
    expect(await run("auditor", ["notes", "b"])).toMatchObject([{ text: "half done", actor: "worker-1" }])
    expect((await run("worker", ["search", "card b"])).map(({ id }: { id: string }) => id)).toEqual(["b"])
    expect(await run("worker", ["claims"])).toEqual([])
    expect((await cli(["claims"], as("worker"))).stdout).toContain("No card is claimed.")
    expect((await run("auditor", ["deps", "b"])).edges).toEqual([{ from: "b", to: "a" }])
    expect((await run("worker", ["critical-path"])).map(({ id }: { id: string }) => id)).toEqual(["a", "b"])
    expect((await run("worker", ["diff", "0", "1"])).map(({ id }: { id: string }) => id)).toEqual(["a"])
    expect(await run("worker", ["flow", "--by", "owner"])).toMatchObject({ by: "owner", bucket: "day" })
    const history = await run("worker", ["history", "a"])
    expect([...new Set(history.map(({ actor }: { actor: string }) => actor))]).toEqual(["planner", "worker-1"])
    const events = await run("worker", ["events", "--actor", "worker-1", "--type", "CardBlocked"])
    expect(events).toMatchObject([{ cardId: first.id, data: { endedClaim: { owner: "worker-1/x" } } }])
    const nothing = await json(["claim", "--owner", "worker-1", "--phase", "none"], as("worker"))
    expect([nothing.code, nothing.error?._tag]).toEqual([3, "NothingClaimable"])
  })

  it("commands of auditors and of operators work", async () => {
    const folder = await temporaryDirectory()
    await create("secret", "--body", "a key")
    const redaction = ["redact", "secret", "--part", "body", "--reason", "a key", "--no-wait"]
    expect((await run("auditor", redaction)).card.body).toBe("[redacted]")
    expect(await run("auditor", ["erasures"])).toMatchObject([{ cardId: "secret" }])
    const { line, position } = await run("auditor", ["anchor"])
    expect(await run("auditor", ["verify", "--anchor", line])).toMatchObject({ divergenceCount: 0 })
    const [verification] = await run("worker", ["verifications", "--limit", "1"])
    expect(verification).toMatchObject({
      outcome: "consistent",
      position,
      anchorPosition: position,
      anchorMatched: true,
      actor: "eve"
    })
    expect(await run("worker", ["anchors", "--limit", "1"])).toMatchObject([{ position, actor: "eve" }])
    const file = join(folder, "log.jsonl")
    expect((await run("auditor", ["export", file])).position).toBe(position)
    expect((await cli(["verify", file, "--anchor", line])).code).toBe(0)
    const exported = await cli(["export"], as("auditor"))
    expect(exported.stdout.split("\n").length).toBe(position + 2)
    expect(await run("auditor", ["consumers"])).toEqual([])
    expect(await run("orchestrator", ["receipts", "prune", "--older-than-days", "1"])).toEqual({ pruned: 0 })
    const at = "2026-01-22T12:00:00Z"
    const issue = {
      id: "bd-1",
      title: "T",
      status: "open",
      priority: 1,
      issue_type: "task",
      created_at: at,
      updated_at: at
    }
    const imported = await run("orchestrator", ["import", "-"], { stdin: `${JSON.stringify(issue)}\n` })
    expect(imported.taken).toBe(1)
    const again = await json(["import", file, "--format", "log"], as("orchestrator"))
    expect([again.code, again.error?._tag]).toEqual([5, "BacklogNotEmpty"])
    const board = await cli(["watch"], as("auditor"))
    expect(board.stdout).toContain("Backlog at position")
    ran.add("watch")
    await cli(["doctor", "--fix"], as("auditor"))
    const examined = await json(["doctor", "--anchor-file", await anchorFile(folder, line)], as("auditor"))
    ran.add("doctor")
    expect([examined.code, examined.data.isWell, examined.data.facts.caller]).toEqual([
      0,
      true,
      { actor: "eve", role: "auditor" }
    ])
    const partly = await json(["doctor"], as("worker"))
    expect([partly.code, partly.data.facts.caller.role, partly.data.facts.consumers]).toEqual([0, "worker", null])
    expect(examined.data.facts.erasures.pending).toBe(0)
    expect(examined.data.facts.anchorFile.newest).toMatchObject({ position, isContinued: true })
  })

  it("followers get events as they happen", async () => {
    ran.add("events")
    for (const argv of [
      ["events", "--follow", "--json"],
      ["watch", "--json"]
    ]) {
      const written: Array<string> = []
      let onChange = (): void => {}
      const output = (to: Array<string>) => ({
        write: (text: string) => {
          to.push(text)
          onChange()
        },
        drain: Effect.void,
        isTerminal: false,
        size: () => ({ columns: 80, rows: 24 })
      })
      const shows = (text: string) =>
        new Promise<void>((resolve) => {
          onChange = () => {
            if (written.join("").includes(text)) resolve()
          }
          onChange()
        })
      const { env = {} } = as("auditor")
      const fiber = runInBackground(argv, env, { stdout: output(written), stderr: output([]) })
      await shows("schemaVersion")
      const id = `followed-${argv[0]}`
      await create(id)
      await shows(id)
      await Effect.runPromise(Fiber.interrupt(fiber))
    }
  })

  it("work runs with the token of a worker, and blocks a card after its last attempt", async () => {
    await create("good", "--phase", "work")
    await create("bad", "--phase", "work")
    const exec = '[ "$BACKLOG_CARD_ID" = good ] && echo made'
    const argv = [
      "work",
      "--owner",
      "worker-1",
      "--phase",
      "work",
      "--until-empty",
      "--max-attempts",
      "1",
      "--exec",
      exec
    ]
    const worked = await json(argv, as("worker"))
    ran.add("work")
    expect([worked.code, worked.data]).toEqual([
      0,
      { claimed: 2, completed: 1, failed: 0, blocked: 1, lost: 0, released: 0 }
    ])
    expect(await run("worker", ["show", "good"])).toMatchObject({ status: "done", result: "made" })
    expect((await run("worker", ["show", "bad"])).blockedReason).toContain("Attempt 1 failed")
    const other = await json([...argv, "--actor", "worker-2"], as("worker"))
    expect([other.code, other.error?._tag]).toEqual([6, "Forbidden"])
  })

  it("work ends when its token is revoked", async () => {
    await create("last", "--phase", "revoked")
    const created = await json(["token", "create", "--actor", "leaver", "--role", "worker", ...place.flags])
    const written: Array<string> = []
    let onWrite = (): void => {}
    const output = {
      write: (text: string) => {
        written.push(text)
        onWrite()
      },
      drain: Effect.void,
      isTerminal: false,
      size: () => ({ columns: 80, rows: 24 })
    }
    const completed = new Promise<void>((resolve) => {
      onWrite = () => {
        if (/last {2}completed/.test(written.join(""))) resolve()
      }
    })
    const argv = ["work", "--owner", "leaver", "--phase", "revoked", "--exec", "true"]
    const { env = {} } = as("worker", { env: { BACKLOG_TOKEN: created.data.token } })
    const fiber = runInBackground(argv, env, { stdout: output, stderr: output })
    await completed
    await cli(["token", "revoke", created.data.id, ...place.flags])
    expect(await Effect.runPromise(Fiber.join(fiber))).toBe(6)
    expect(written.join("")).toContain("does not accept the token in BACKLOG_TOKEN")
  })

  /** Calls one tool in a session of its own, and returns the text of the result. */
  const callTool = async (role: Role, name: string, args: object, ...flags: ReadonlyArray<string>): Promise<string> => {
    const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "test", version: "1" } }
    const messages = [
      { id: 1, method: "initialize", params },
      { method: "notifications/initialized" },
      { id: 2, method: "tools/call", params: { name: `backlog_${name}`, arguments: args } }
    ]
    const stdin = messages.map((message) => `${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`).join("")
    const { code, stdout } = await cli(["mcp", ...flags], as(role, { stdin }))
    ran.add("mcp")
    expect(code).toBe(0)
    const answers = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line))
    return answers.find(({ id }) => id === 2)?.result.content[0].text
  }

  it("mcp serves an agent with the role, the actor and the rights of the token", async () => {
    const cards = ["m1", "m2", "m3"].map((id) => ({ id, title: id, phase: "mcp" }))
    expect(await callTool("orchestrator", "create", { cards })).toContain("Created 3 cards")
    const revision = { id: "m1", title: "New", addDependsOn: ["m2", "nowhere"], removeDependsOn: ["m3"] }
    const wrong = { id: "m1", title: "", addDependsOn: ["m2"] }
    expect(await callTool("orchestrator", "revise", wrong)).toContain("Invalid input")
    expect(await run("worker", ["show", "m1"])).toMatchObject({ title: "m1", dependsOn: [] })
    const refused = await callTool("orchestrator", "revise", revision)
    expect(refused).toContain("there is no such card")
    expect(refused).toContain('were made before and stay: the dependency on "m3" is removed; it depends on "m2".')
    expect(await run("worker", ["show", "m1"])).toMatchObject({ title: "m1", dependsOn: ["m2"] })
    expect(await callTool("orchestrator", "revise", { ...revision, addDependsOn: ["m2"] })).toContain(
      'it depends on "m2"'
    )
    expect(await run("worker", ["show", "m1"])).toMatchObject({ title: "New", dependsOn: ["m2"] })

    for (const [flag, words] of [
      ["--owner", 'must be "worker-1" or begin with "worker-1/"'],
      ["--actor", 'must be "worker-1", to whom the token']
    ] as const) {
      const { code, error } = await json(["mcp", flag, "other"], as("worker"))
      expect([code, error?._tag, error?.message]).toEqual([2, "InvalidInput", expect.stringContaining(words)])
    }
    const claimed = await callTool("worker", "claim", { phase: "mcp", waitSeconds: 1 }, "--owner", "worker-1/agent")
    expect(claimed).toContain('You hold "m2" with token 2')
    expect(await callTool("worker", "block", { id: "m2", token: 2, reason: "no key" })).toContain('"m2" is blocked')
    const history = await run("worker", ["history", "m2"])
    expect(history.at(-1)).toMatchObject({ type: "CardBlocked", actor: "worker-1" })
    const mismatch = await json(["mcp", "--role", "orchestrator"], as("worker"))
    expect([mismatch.code, mismatch.error?._tag, mismatch.error?.message]).toEqual([
      2,
      "InvalidInput",
      expect.stringContaining("has the role worker")
    ])
  })

  it.each(refusedCommands.map((argv) => [commandIn(argv), argv] as const))(
    "%s is refused by its name",
    async (name, argv) => {
      ran.add(name)
      const refused = await json(argv, as("orchestrator"))
      expect([refused.code, refused.error]).toMatchObject([
        2,
        { _tag: "NeedsDatabase", command: name, server: server.url }
      ])
      expect(refused.error.message).toContain(`\`backlog ${name}\` needs the database itself`)
    }
  )

  it("every command runs over a served backlog, or is refused", () => {
    expect(allCommands()).toEqual([...ran].sort())
  })

  it("errors of access say what to do", async () => {
    const stats = ["stats"]
    const cases: ReadonlyArray<readonly [ReadonlyArray<string>, Record<string, string>, number, string, string]> = [
      [
        stats,
        { BACKLOG_TOKEN: "" },
        6,
        "Unauthorized",
        "requires an access token. Put one into the environment variable"
      ],
      [
        stats,
        { BACKLOG_TOKEN: "mbk_wrong" },
        6,
        "Unauthorized",
        "does not accept the token in BACKLOG_TOKEN. This is not"
      ],
      [stats, { BACKLOG_TOKEN: "a b" }, 2, "InvalidInput", "BACKLOG_TOKEN has white space"],
      [
        ["create", "--id", "z", "--title", "Z"],
        {},
        6,
        "Forbidden",
        "A worker may not call /create. That needs the token of an orchestrator."
      ],
      [["anchor"], {}, 6, "Forbidden", "That needs the token of an orchestrator or an auditor."],
      [
        ["claim", "--owner", "worker-1"],
        { BACKLOG_ACTOR: "me" },
        6,
        "Forbidden",
        'The token belongs to "worker-1", which cannot act as "me". Omit the actor. It comes from --actor or BACKLOG_ACTOR.'
      ],
      [["claim", "--owner", "other"], {}, 6, "Forbidden", "A worker claims under its own name"],
      [["--schema", "work", ...stats], {}, 2, "InvalidInput", "Omit --schema"],
      [["work", "--owner", "worker-1", "--exec", "true"], { BACKLOG_TOKEN: "" }, 6, "Unauthorized", "BACKLOG_TOKEN"],
      [["mcp"], { BACKLOG_TOKEN: "mbk_wrong" }, 6, "Unauthorized", "does not accept the token"]
    ]
    for (const [argv, env, code, tag, words] of cases) {
      const refused = await json(argv, as("worker", { env }))
      expect([argv, refused.code, refused.error?._tag, refused.error?.message]).toEqual([
        argv,
        code,
        tag,
        expect.stringContaining(words)
      ])
      const { stderr, stdout } = await cli(argv, as("worker", { env }))
      expect([argv, stdout, stderr]).toEqual([argv, "", expect.stringContaining(words)])
      expect(stderr).not.toContain(tokens["worker"])
    }
  })
})

/** Writes an anchor's line to a file, and returns its path. */
const anchorFile = async (folder: string, line: string): Promise<string> => {
  const file = join(folder, "anchors.txt")
  await writeFile(file, `${line}\n`)
  return file
}
