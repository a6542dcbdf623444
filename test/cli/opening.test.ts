import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { existsSync } from "node:fs"
import { cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { afterAll } from "vitest"
import { BacklogMissing, layerPglite, layerPostgres } from "../../src/index.ts"
import { postgresUrl } from "../support/backlogs.ts"
import { wayBack } from "../support/wayBack.ts"
import { cli, inDirectory, json, onServer, sql, temporaryDirectory } from "./support.ts"

/** Every command that requires an existing backlog, with minimal arguments. */
const others: ReadonlyArray<ReadonlyArray<string>> = [
  ["list"],
  ["show", "a"],
  ["explain", "a"],
  ["stats"],
  ["history", "a"],
  ["events"],
  ["events", "--follow"],
  ["watch"],
  ["verify"],
  ["verifications"],
  ["anchor"],
  ["anchors"],
  ["export"],
  ["export", "--format", "beads"],
  ["consumers"],
  ["doctor"],
  ["doctor", "--fix"],
  ["erasures"],
  ["token", "list"],
  ["token", "create", "--actor", "w", "--role", "worker"],
  ["token", "revoke", "x"],
  ["rebuild"],
  ["restored"],
  ["receipts", "prune", "--older-than-days", "1"],
  ["redact", "a", "--part", "body", "--reason", "r"],
  ["claim", "--owner", "w"],
  ["work", "--owner", "w", "--exec", "true"],
  ["renew", "a", "--token", "1"],
  ["release", "a", "--token", "1"],
  ["complete", "a"],
  ["reclaim"],
  ["revise", "a", "--title", "A"],
  ["link", "a", "b"],
  ["unlink", "a", "b"],
  ["block", "a"],
  ["unblock", "a"],
  ["reopen", "a"],
  ["note", "a", "--text", "n"],
  ["notes", "a"],
  ["search", "a"],
  ["claims"],
  ["deps", "a"],
  ["critical-path"],
  ["diff", "0"],
  ["flow"]
]

/** Commands that create a backlog. */
const creating = ["create", "import", "migrate", "serve", "mcp"]

const inFolder = async <A>(folder: string, run: () => Promise<A>): Promise<A> => {
  const before = process.cwd()
  process.chdir(folder)
  try {
    return await run()
  } finally {
    process.chdir(before)
  }
}

describe("a place without a backlog", () => {
  const place = onServer()
  afterAll(() => place.remove())

  it("only five commands create a backlog, in a directory or on a server", async () => {
    const folder = await temporaryDirectory()
    const { commands } = (await json(["--help"])).data
    const known = new Set([...others.map(([name]) => name), ...creating])
    assert.deepStrictEqual(
      commands.map(({ name }: { readonly name: string }) => name).filter((name: string) => !known.has(name)),
      []
    )
    await mkdir(join(folder, "empty"))
    for (const argv of others) {
      const directory = join(folder, argv[0] === "verify" ? "empty" : "typo")
      for (const where of [["--db", directory], place.flags]) {
        const ran = await cli([...argv, ...where])
        assert.deepStrictEqual([argv, ran.code, ran.stdout], [argv, 6, ""], ran.stderr)
        assert.match(ran.stderr, /There is no backlog in .*`backlog create`, `import`, `migrate`, `serve` and `mcp`/s)
      }
    }
    assert.deepStrictEqual([await readdir(folder), await readdir(join(folder, "empty"))], [["empty"], []])
    assert.deepStrictEqual(await sql((client) => client`SELECT FROM pg_namespace WHERE nspname = ${place.schema}`), [])
  })

  it("the error names the searched directories", async () => {
    const folder = await temporaryDirectory()
    const { code, error } = await inFolder(folder, () => json(["list"]))
    assert.deepStrictEqual(
      [code, error?._tag, error?.place],
      [6, "BacklogMissing", `${folder} or the directories above it (.backlog)`]
    )
    assert.include(error?.message, `There is no backlog in ${folder} or the directories above it (.backlog)`)
    assert.isFalse(existsSync(join(folder, ".backlog")))
  })

  it("an export is not overwritten without a backlog", async () => {
    const folder = await temporaryDirectory()
    const backup = join(folder, "backup.jsonl")
    await writeFile(backup, "a good backup")
    for (const format of ["log", "beads"]) {
      const { code } = await inFolder(folder, () => cli(["export", backup, "--force", "--format", format]))
      assert.deepStrictEqual([code, await readFile(backup, "utf8")], [6, "a good backup"])
    }
    assert.deepStrictEqual(await readdir(folder), ["backup.jsonl"])
  })

  it("a program that opens an existing backlog creates none", async () => {
    const folder = await temporaryDirectory()
    for (const layer of [
      layerPglite({ dataDir: join(folder, "none"), opening: "existing" }),
      layerPostgres({ url: postgresUrl(), schema: place.schema, opening: "existing" })
    ]) {
      const error = await Effect.runPromise(Effect.flip(Effect.provide(Effect.void, layer)))
      assert.instanceOf(error, BacklogMissing)
    }
    assert.deepStrictEqual(await readdir(folder), [])
  })

  it("create creates a backlog and reports it on standard error", async () => {
    const created = await json(["create", "--id", "a", "--title", "A", ...place.flags])
    assert.strictEqual(created.code, 0)
    assert.match(
      created.stderr,
      new RegExp(`^note: a new backlog was created in schema "${place.schema}" on 127.0.0.1:\\d+\n$`)
    )
    assert.strictEqual((await json(["create", "--id", "b", "--title", "B", ...place.flags])).stderr, "")
    assert.strictEqual((await json(["list", ...place.flags])).data.length, 2)
  })

  it("a reading command refuses a backlog with missing migrations", async () => {
    const table = `${place.schema}.migrations`
    const [last] = await sql(
      (client) => client<{ name: string }>`
      DELETE FROM ${client(table)} WHERE id = (SELECT max(id) FROM ${client(table)}) RETURNING name`
    )
    const count = () => sql((client) => client`SELECT FROM ${client(table)}`)
    const before = (await count()).length
    for (const argv of [["list"], ["verify"], ["claim", "--owner", "w"]]) {
      const { code, error } = await json([...argv, ...place.flags])
      assert.deepStrictEqual([code, error?._tag], [6, "MigrationRefused"])
      assert.include(error?.message, `(${last?.name}) is missing: run \`backlog migrate\``)
    }
    assert.strictEqual((await count()).length, before)
  })

  it("create applies missing migrations and reports it on standard error", async () => {
    // The previous test removed the record of the last migration; this removes what it created.
    await sql((client) => client.withTransaction(Effect.forEach(wayBack(place.schema), (text) => client.unsafe(text))))
    const { code, stderr } = await json(["create", "--id", "c", "--title", "C", ...place.flags])
    assert.strictEqual(code, 0)
    assert.match(
      stderr,
      /^note: the backlog in schema "\w+" on \S+ was migrated \(0011_commands, 0012_claims_from, 0013_labels_and_notes, 0014_keyframes, 0015_observations, 0016_claims_by_labels, 0017_fewer_expressions, 0018_one_round_trip\): older programs/
    )
  })
})

describe("without --db", () => {
  it("the nearest .backlog in a parent directory is used", async () => {
    const place = await inDirectory()
    const folder = await temporaryDirectory()
    await cp(place.directory, join(folder, ".backlog"), { recursive: true })
    await place.remove()
    const below = join(folder, "one", "two")
    await mkdir(below, { recursive: true })
    const created = await inFolder(below, () => json(["create", "--id", "a", "--title", "A"]))
    assert.deepStrictEqual([created.code, created.stderr], [0, ""])
    assert.deepStrictEqual(
      (await inFolder(folder, () => json(["list"]))).data.map(({ id }: { id: string }) => id),
      ["a"]
    )
    assert.deepStrictEqual(await readdir(below), [])

    const overridden = await inFolder(below, () =>
      json(["list"], { env: { DATABASE_URL: `postgres://me:secret@127.0.0.1:1/work` } })
    )
    assert.strictEqual(overridden.error?._tag, "DatabaseUnavailable")
    assert.include(
      overridden.stderr,
      `DATABASE_URL is set, so 127.0.0.1:1 is used and not the backlog in ${join(folder, ".backlog")}`
    )
    assert.notInclude(overridden.stderr, "secret")
    const chosen = await inFolder(below, () =>
      json(["list"], { env: { BACKLOG_DATABASE_URL: "postgres://me@127.0.0.1:1/work" } })
    )
    assert.strictEqual(chosen.stderr, "")
  })
})
