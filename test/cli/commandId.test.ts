import { assert, afterAll, beforeAll, describe, it } from "@effect/vitest"
import { cli, json, onServer, sql } from "./support.ts"

/** The commands that change cards. */
const changing =
  "block claim complete create link note reclaim redact release renew reopen revise unblock unlink".split(" ")

const flagsOf = async (command: string): Promise<ReadonlyArray<string>> =>
  (await json([command, "--help"])).data.flags.map(({ name }: { readonly name: string }) => name)

describe("--command-id", () => {
  it("exactly the commands that change cards have the flag", async () => {
    const { commands } = (await json(["--help"])).data
    const having: Array<string> = []
    for (const { name } of commands) if ((await flagsOf(name)).includes("--command-id")) having.push(name)
    assert.deepStrictEqual(having.sort(), changing)
  })

  it.each([
    [["list"]],
    [["show", "a"]],
    [["verify"]],
    [["rebuild"]],
    [["import", "-"]],
    [["receipts", "prune", "--older-than-days", "1"]]
  ])("%s refuses the flag", async (argv) => {
    const { code, error } = await json([...argv, "--command-id", "c"])
    assert.deepStrictEqual([code, error?._tag], [2, "UnrecognizedOption"])
  })
})

describe("a command under an id", () => {
  const place = onServer()
  afterAll(() => place.remove())

  const plain = async (...argv: ReadonlyArray<string>) => {
    const { code, data, error } = await json([...place.flags, ...argv])
    assert.deepStrictEqual([code, error], [0, undefined])
    return data
  }
  const position = async (): Promise<number> => (await plain("anchor")).position
  const under = (id: string, ...argv: ReadonlyArray<string>) => [...place.flags, ...argv, "--command-id", id]

  /** The first outputs, to compare with those of later retries. */
  const said: Array<{ readonly argv: ReadonlyArray<string>; readonly ran: Awaited<ReturnType<typeof cli>> }> = []

  const once = async (code: number, ...argv: ReadonlyArray<string>) => {
    const ran = await cli(argv)
    assert.strictEqual(ran.code, code, ran.stdout + ran.stderr)
    said.push({ argv, ran })
  }

  /** Runs a command with and without `--json`, under separate ids. */
  const both = async (code: number, id: string, asking: (kind: "json" | "text") => ReadonlyArray<string>) => {
    await once(code, ...under(`${id}-json`, ...asking("json")), "--json")
    await once(code, ...under(`${id}-text`, ...asking("text")))
  }

  beforeAll(async () => {
    await cli(["migrate", ...place.flags])
    const card = (kind: string) => `card-${kind}`
    await both(0, "create", (kind) => ["create", "--id", card(kind), "--title", "C", "--body", "a secret"])
    await both(5, "taken", (kind) => ["create", "--id", card(kind), "--title", "C"])
    await both(4, "nobody", () => ["block", "nobody"])
    await both(0, "revise", (kind) => ["revise", card(kind), "--priority", "7"])
    await both(0, "link", () => ["link", "card-json", "card-text"])
    await both(0, "unlink", () => ["unlink", "card-json", "card-text"])
    await both(0, "claim", () => ["claim", "--owner", "w"])
    await both(3, "none", () => ["claim", "--owner", "w"])
    await both(3, "held", (kind) => ["claim", card(kind), "--owner", "w"])
    const token = async (kind: string) => String((await plain("show", card(kind))).claimToken)
    const tokens = { json: await token("json"), text: await token("text") }
    await both(0, "renew", (kind) => ["renew", card(kind), "--token", tokens[kind]])
    await both(5, "lost", (kind) => ["renew", card(kind), "--token", "1"])
    await both(0, "release", (kind) => ["release", card(kind), "--token", tokens[kind], "--reason", "r"])
    await plain("claim", "card-json", "--owner", "w")
    await plain("claim", "card-text", "--owner", "w")
    await both(0, "reclaim", (kind) => ["reclaim", card(kind)])
    await both(0, "unclaimed", (kind) => ["reclaim", card(kind)])
    await both(0, "block", (kind) => ["block", card(kind), "--reason", "r"])
    await both(0, "unblock", (kind) => ["unblock", card(kind)])
    await plain("create", "--id", "after-json", "--title", "A", "--depends-on", "card-json")
    await plain("create", "--id", "after-text", "--title", "A", "--depends-on", "card-text")
    await both(0, "complete", (kind) => ["complete", card(kind), "--result", "1"])
    await both(0, "reopen", (kind) => ["reopen", card(kind)])
  })

  it("a retry prints exactly the first output and writes nothing", async () => {
    const before = await position()
    for (const { argv, ran } of said) assert.deepStrictEqual(await cli(argv), ran, argv.join(" "))
    assert.strictEqual(await position(), before)
    assert.isAbove(said.length, 2 * 17)
  })

  it("a retry after a redaction prints the first output without the erased parts", async () => {
    const redact = under("redact", "redact", "card-json", "--part", "body", "--reason", "r", "--json")
    const first = await cli(redact)
    assert.strictEqual(first.code, 0)
    const before = await position()
    assert.deepStrictEqual(await cli(redact), first)
    const created = await cli(said[0]?.argv ?? [])
    assert.strictEqual(created.code, 0)
    assert.notInclude(created.stdout, "a secret")
    assert.strictEqual(await position(), before)
  })

  it("the same id conflicts with other content, but not with another actor's command", async () => {
    await plain("block", "after-json", "--command-id", "c1")
    const before = await position()
    for (const other of [
      ["block", "after-json", "--reason", "another"],
      ["unblock", "after-json"],
      ["claim", "--owner", "w"],
      ["redact", "after-json", "--part", "body", "--reason", "r"]
    ]) {
      const { code, error, stderr } = await json(under("c1", ...other))
      assert.deepStrictEqual([code, stderr, error?._tag, error?.commandId], [5, "", "CommandIdConflict", "c1"])
    }
    const people = await cli(under("c1", "unblock", "after-json"))
    assert.deepStrictEqual([people.code, people.stdout], [5, ""])
    assert.include(people.stderr, 'The command id "c1" was already used')
    assert.strictEqual(await position(), before)
    const others = await plain("unblock", "after-json", "--command-id", "c1", "--actor", "other")
    assert.strictEqual(others.status, "ready")
    await plain("block", "after-json")
  })

  it("the id is recorded in the events", async () => {
    await plain("unblock", "after-json", "--command-id", "c2")
    const history = await plain("history", "after-json")
    assert.strictEqual(history.at(-1).commandId, "c2")
  })

  it("a command on a missing card does not use up the id", async () => {
    const argvs = [
      under("early-claim", "claim", "early", "--owner", "w", "--json"),
      under("early-reclaim", "reclaim", "early", "--json")
    ]
    for (const argv of argvs) assert.strictEqual((await cli(argv)).code, 4)
    await plain("create", "--id", "early", "--title", "E")
    for (const argv of argvs) assert.strictEqual((await cli(argv)).code, 0)
  })

  it("the id runs a new command after its receipt was removed", async () => {
    await plain("block", "after-text", "--command-id", "c3")
    await plain("unblock", "after-text")
    const [all] = await sql<ReadonlyArray<{ readonly n: number }>>(
      (client) => client`SELECT count(*)::float8 AS n FROM ${client(`${place.schema}.receipts`)}`
    )
    assert.deepStrictEqual(await plain("receipts", "prune", "--older-than-days", "0.5"), { pruned: 0 })
    // An hour is longer than 0.01 days.
    await sql(
      (client) => client`UPDATE ${client(`${place.schema}.receipts`)}
        SET recorded_at = recorded_at - interval '1 hour' WHERE command_id = 'c3'`
    )
    const pruned = await cli([...place.flags, "receipts", "prune", "--older-than-days", "0.01"])
    assert.deepStrictEqual(pruned, { code: 0, stdout: "Removed 1 receipt.\n", stderr: "" })
    assert.strictEqual((await plain("block", "after-text", "--command-id", "c3")).status, "blocked")
    assert.strictEqual((await plain("show", "after-text")).status, "blocked")
    assert.deepStrictEqual(await plain("receipts", "prune", "--older-than-days", "0"), { pruned: all?.n })
    assert.deepStrictEqual(await plain("receipts", "prune", "--older-than-days", "0"), { pruned: 0 })
  })
})
