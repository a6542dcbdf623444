import { assert, afterAll, beforeAll, describe, it } from "@effect/vitest"
import { mkdir, writeFile } from "node:fs/promises"
import { createServer, type Server } from "node:net"
import { join } from "node:path"
import { inject } from "vitest"
import { cli, documentIn, inDirectory, json, onServer, type Place, sql, temporaryDirectory } from "./support.ts"

const evil = "x'); DROP TABLE cards;--"
const long = (length: number) => "x".repeat(length)

interface BadInput {
  readonly why: string
  readonly argv: ReadonlyArray<string>
  readonly code: number
  readonly tag: string
  readonly says?: string
  readonly stdin?: string | Uint8Array
}

const create = (...argv: ReadonlyArray<string>) => ["create", "--id", "n", "--title", "N", ...argv]

/** What is refused before a database is opened. */
const refusedAtOnce: ReadonlyArray<BadInput> = [
  { why: "no command", argv: [], code: 2, tag: "MissingCommand" },
  { why: "a misspelt command", argv: ["clame"], code: 2, tag: "UnknownSubcommand", says: "claim" },
  { why: "a command of nowhere", argv: ["frobnicate"], code: 2, tag: "UnknownSubcommand" },
  { why: "a misspelt flag", argv: create("--priorty", "1"), code: 2, tag: "UnrecognizedOption", says: "--priority" },
  { why: "another command's flag", argv: ["list", "--owner", "w"], code: 2, tag: "UnrecognizedOption" },
  { why: "a missing flag", argv: ["claim"], code: 2, tag: "MissingOption", says: "--owner" },
  { why: "a missing argument", argv: ["show"], code: 2, tag: "MissingArgument" },
  { why: "an argument too many", argv: ["show", "a", "b"], code: 2, tag: "UnexpectedArgument" },
  { why: "a flag without its value", argv: ["claim", "--owner"], code: 2, tag: "InvalidValue" },
  { why: "a flag given twice", argv: ["claim", "--owner", "a", "--owner", "b"], code: 2, tag: "InvalidValue" },
  ...["NaN", "Infinity", "-Infinity", "1.5", "1e3", "0x10", "", " 1", "1_000", "12345678901234567890", long(5000)].map(
    (number) => ({
      why: `the number ${JSON.stringify(number.slice(0, 30))}`,
      argv: create(`--priority=${number}`),
      code: 2,
      tag: "InvalidValue"
    })
  ),
  { why: "a priority beyond 32 bits", argv: create("--priority", "2147483648"), code: 2, tag: "InvalidInput" },
  { why: "a priority below 32 bits", argv: create("--priority", "-2147483649"), code: 2, tag: "InvalidInput" },
  { why: "a fractional token", argv: ["renew", "a", "--token", "1.5"], code: 2, tag: "InvalidValue" },
  { why: "token 0", argv: ["renew", "a", "--token", "0"], code: 2, tag: "InvalidInput" },
  { why: "a huge token", argv: ["complete", "a", "--token", "9999999999999"], code: 2, tag: "InvalidInput" },
  { why: "a lease of 0", argv: ["claim", "--owner", "w", "--ttl", "0"], code: 2, tag: "InvalidInput" },
  { why: "a lease without end", argv: ["claim", "--owner", "w", "--ttl", "99999999"], code: 2, tag: "InvalidInput" },
  {
    why: "a retry in the past",
    argv: ["release", "a", "--token", "1", "--retry-after", "-1"],
    code: 2,
    tag: "InvalidInput"
  },
  { why: "a limit of 0", argv: ["list", "--limit", "0"], code: 2, tag: "InvalidInput" },
  { why: "an unknown status", argv: ["list", "--status", "open"], code: 2, tag: "InvalidValue", says: "ready" },
  {
    why: "a status to begin with that needs a claim",
    argv: create("--status", "claimed"),
    code: 2,
    tag: "InvalidValue"
  },
  { why: "a reason to be blocked without being so", argv: create("--reason", "x"), code: 2, tag: "InvalidInput" },
  ...["", " a", "a ", "a\nb", "a\u0000b", "a\ud800", long(201)].flatMap((id) =>
    [
      ["show", id],
      ["explain", id],
      ["claim", "--owner", "w", `--id=${id}`],
      ["link", "a", id],
      ["reclaim", `--id=${id}`]
    ].map((argv) => ({
      why: `the id ${JSON.stringify(id.slice(0, 10))} to ${argv[0]}`,
      argv,
      code: 2,
      tag: "InvalidInput"
    }))
  ),
  ...["title", "body", "phase", "key", "actor"].flatMap((flag) => [
    {
      why: `NUL in the ${flag}`,
      argv: ["create", "--id", "n", ...(flag === "title" ? [] : ["--title", "N"]), `--${flag}=a\u0000`],
      code: 2,
      tag: "InvalidInput"
    },
    {
      why: `a lone surrogate in the ${flag}`,
      argv: ["create", "--id", "n", ...(flag === "title" ? [] : ["--title", "N"]), `--${flag}=\udc00`],
      code: 2,
      tag: "InvalidInput"
    }
  ]),
  { why: "no title", argv: ["create", "--id", "n", "--title", ""], code: 2, tag: "InvalidInput" },
  {
    why: "a title that is too long",
    argv: ["create", "--id", "n", "--title", long(501)],
    code: 2,
    tag: "InvalidInput"
  },
  { why: "a body of 2 MiB", argv: create("--body", long(2 ** 21)), code: 2, tag: "InvalidInput", says: "1048576" },
  {
    why: "a body of 2 MiB from input",
    argv: create("--body", "-"),
    stdin: long(2 ** 21),
    code: 2,
    tag: "InvalidInput"
  },
  {
    why: "a body of 5 MiB from input",
    argv: create("--body", "-"),
    stdin: long(5 * 2 ** 20),
    code: 2,
    tag: "InvalidInput"
  },
  {
    why: "a body that is not UTF-8",
    argv: create("--body", "-"),
    stdin: new Uint8Array([97, 255]),
    code: 2,
    tag: "InvalidInput",
    says: "UTF-8"
  },
  { why: "NUL from input", argv: create("--body", "-"), stdin: "a\u0000", code: 2, tag: "InvalidInput" },
  { why: "a body from no file", argv: create("--body-file", "/no/such/file"), code: 2, tag: "InvalidInput" },
  {
    why: "a body from a file with NUL in its name",
    argv: create("--body-file", "a\u0000"),
    code: 2,
    tag: "InvalidInput"
  },
  {
    why: "JSON that is none",
    argv: create("--acceptance", "{a:1}"),
    code: 2,
    tag: "InvalidInput",
    says: "character 2"
  },
  { why: "JSON with NaN", argv: create("--acceptance", "[NaN]"), code: 2, tag: "InvalidInput" },
  {
    why: "JSON with a number that would change",
    argv: create("--acceptance", "[1e400]"),
    code: 2,
    tag: "InvalidInput",
    says: "changed"
  },
  {
    why: "JSON with a key twice",
    argv: ["complete", "a", "--result", '{"a":1,"a":1}'],
    code: 2,
    tag: "InvalidInput",
    says: "twice"
  },
  { why: "JSON with NUL", argv: create("--acceptance", '"\\u0000"'), code: 2, tag: "InvalidInput" },
  { why: "JSON with a lone surrogate", argv: create("--acceptance", '{"\\ud800":1}'), code: 2, tag: "InvalidInput" },
  { why: "JSON of 2 MiB", argv: create("--acceptance", JSON.stringify(long(2 ** 21))), code: 2, tag: "InvalidInput" },
  {
    why: "JSON that is too deep",
    argv: create("--acceptance", "[".repeat(600) + "]".repeat(600)),
    code: 2,
    tag: "InvalidInput"
  },
  { why: "an empty dependency", argv: create("--depends-on", "a,,b"), code: 2, tag: "InvalidInput" },
  { why: "nothing to revise", argv: ["revise", "a"], code: 2, tag: "InvalidInput" },
  { why: "no title any more", argv: ["revise", "a", "--title", ""], code: 2, tag: "InvalidInput" },
  { why: "no file to import", argv: ["import", "/no/such/file"], code: 2, tag: "InvalidInput" },
  { why: "a directory to import", argv: ["import", "/"], code: 2, tag: "InvalidInput" },
  { why: "another format", argv: ["import", "x", "--format", "csv"], code: 2, tag: "InvalidValue", says: "beads" },
  {
    why: "a strict import of a malformed line",
    argv: ["import", "-", "--strict"],
    stdin: "{}\n",
    code: 2,
    tag: "ImportRefused",
    says: "line 1"
  },
  { why: "a schema that is SQL", argv: ["list", `--schema=${evil}`], code: 2, tag: "InvalidInput" },
  { why: "a schema that is too long", argv: ["list", `--schema=${long(64)}`], code: 2, tag: "InvalidInput" },
  { why: "no database", argv: ["list", "--db", ""], code: 2, tag: "InvalidInput" },
  { why: "another kind of database", argv: ["list", "--db", "mysql://u:secret@h/d"], code: 2, tag: "InvalidInput" },
  { why: "a URL that is none", argv: ["list", "--db", "postgres://u:secret@[h/d"], code: 2, tag: "InvalidInput" }
]

/** What is refused in the backlog, which has a ready card `a`, a card `b` that depends on it, and a claimed card `c`. */
const refusedInside: ReadonlyArray<BadInput> = [
  ...[
    ["show"],
    ["explain"],
    ["history"],
    ["block"],
    ["unblock"],
    ["reopen"],
    ["complete"],
    ["renew", "--token", "1"],
    ["release", "--token", "1"],
    ["revise", "--title", "x"]
  ].map((argv) => ({ why: `an unknown id to ${argv[0]}`, argv: [...argv, evil], code: 4, tag: "CardNotFound" })),
  { why: "an unknown id to claim", argv: ["claim", "--owner", "w", "--id", "nobody"], code: 4, tag: "CardNotFound" },
  { why: "an unknown id to reclaim", argv: ["reclaim", "--id", "nobody"], code: 4, tag: "CardNotFound" },
  { why: "a link from nowhere", argv: ["link", "nobody", "a"], code: 4, tag: "CardNotFound" },
  { why: "a link to nowhere", argv: ["link", "a", "nobody"], code: 4, tag: "DependencyNotFound" },
  { why: "an unlink from nowhere", argv: ["unlink", "nobody", "a"], code: 4, tag: "CardNotFound" },
  { why: "a card on itself", argv: ["link", "a", "a"], code: 5, tag: "SelfDependency" },
  { why: "a card on itself at birth", argv: create("--depends-on", "n"), code: 5, tag: "SelfDependency" },
  { why: "a cycle", argv: ["link", "a", "b"], code: 5, tag: "DependencyCycle", says: "a → b → a" },
  { why: "an id that is taken", argv: ["create", "--id", "a", "--title", "A"], code: 5, tag: "CardAlreadyExists" },
  { why: "a stale token", argv: ["complete", "c", "--token", "1"], code: 5, tag: "ClaimLost" },
  { why: "no token", argv: ["complete", "c"], code: 5, tag: "CardIsClaimed" },
  {
    why: "a card that is held",
    argv: ["claim", "--owner", "w", "--id", "c"],
    code: 3,
    tag: "NothingClaimable",
    says: "held"
  }
]

const prepared = async (place: Place): Promise<void> => {
  for (const argv of [
    create2("a"),
    create2("b", "--depends-on", "a"),
    create2("c"),
    ["claim", "--owner", "w", "--id", "c"]
  ]) {
    assert.strictEqual((await cli([...argv, ...place.flags])).code, 0)
  }
}

const create2 = (id: string, ...argv: ReadonlyArray<string>) => ["create", "--id", id, "--title", id, ...argv]

/** Runs a bad input for people and for a program, and checks what both are told. */
const refuses = async ({ argv, code, says, stdin, tag }: BadInput, flags: ReadonlyArray<string>, both = true) => {
  const given = [...flags, ...argv]
  const around = stdin === undefined ? {} : { stdin }
  const machine = await json(given, around)
  assert.deepStrictEqual([machine.code, machine.error?._tag], [code, tag], JSON.stringify(machine).slice(0, 500))
  assert.isNotEmpty(machine.error.message)
  assert.strictEqual(machine.stderr, "")
  assert.notInclude(JSON.stringify(machine), "secret")
  if (says !== undefined) assert.include(machine.error.message, says)
  if (!both) return
  const people = await cli(given, around)
  assert.strictEqual(people.code, code)
  assert.strictEqual(people.stdout, "")
  assert.isNotEmpty(people.stderr)
  assert.isBelow(people.stderr.length, 6000)
  assert.notInclude(people.stderr, "    at ")
}

describe("bad input", () => {
  it.each(refusedAtOnce)("is refused before a database is opened: $why", (bad) =>
    // Nobody listens there: what asked for the database would end with 6.
    refuses(
      bad,
      bad.argv.some((word) => word.startsWith("--db") || word.startsWith("--schema"))
        ? []
        : ["--db", "postgres://u:secret@127.0.0.1:1/d"]
    )
  )

  describe("on a server", () => {
    const place = onServer()
    beforeAll(() => prepared(place))
    afterAll(() => place.remove())
    const events = () =>
      sql(
        (client) => client<{ n: number }>`SELECT count(*)::float8 AS n FROM ${client(`${place.schema}.events`)}`
      ) as unknown as Promise<ReadonlyArray<{ n: number }>>

    it.each(refusedInside)("is refused, and nothing is written: $why", async (bad) => {
      await refuses(bad, place.flags)
      assert.deepStrictEqual(await events(), [{ n: 4 }])
    })

    it("in every field is only text: SQL", async () => {
      const text = (flag: string) => [`--${flag}`, evil]
      const card = await json([
        ...place.flags,
        ...[
          "create",
          ...text("id"),
          ...text("title"),
          ...text("body"),
          ...text("phase"),
          ...text("key"),
          ...text("actor")
        ],
        ...["--depends-on", evil.slice(1), "--acceptance", JSON.stringify({ [evil]: evil })]
      ])
      assert.strictEqual(card.code, 0)
      const shown = await json([...place.flags, "show", evil])
      assert.deepStrictEqual(shown.data, card.data)
      assert.deepStrictEqual([shown.data.id, shown.data.title, shown.data.phase], [evil, evil, evil])
      assert.deepStrictEqual((await json([...place.flags, "list", ...text("phase")])).data, [card.data])
      assert.strictEqual((await json([...place.flags, "block", evil, ...text("reason")])).data.blockedReason, evil)
      assert.strictEqual((await json([...place.flags, "claim", "--id", "a", ...text("owner")])).data.claimOwner, evil)
    })
  })

  describe("in a directory", () => {
    let place: Place
    beforeAll(async () => {
      place = await inDirectory()
      await prepared(place)
    })
    afterAll(() => place.remove())

    it("is refused, and nothing is written", async () => {
      const before = await json([...place.flags, "list"])
      for (const bad of refusedInside.filter((_, index) => index % 3 === 0)) await refuses(bad, place.flags, false)
      assert.deepStrictEqual(await json([...place.flags, "list"]), before)
    })
  })
})

describe("a database that does not serve", () => {
  let silent: Server
  let directory: string
  beforeAll(async () => {
    silent = createServer(() => {}).listen(0, "127.0.0.1")
    directory = await temporaryDirectory()
  })
  afterAll(() => {
    silent.close()
  })

  const unavailable = async (argv: ReadonlyArray<string>, tag: string, says: string, env = {}) => {
    const ran = await cli(["--json", ...argv], { env })
    const { error } = documentIn(ran.stdout)
    assert.deepStrictEqual([ran.code, error?._tag], [6, tag], ran.stdout)
    assert.include(error.message, says)
    assert.notInclude(ran.stdout + ran.stderr, "secret")
  }

  it("is named, without the password, when nobody listens", async () => {
    const url = "postgres://me:secret@127.0.0.1:1/work"
    await unavailable(["list", "--db", url], "DatabaseUnavailable", "127.0.0.1:1")
    await unavailable(["claim", "--owner", "w"], "DatabaseUnavailable", "127.0.0.1:1", { BACKLOG_DATABASE_URL: url })
    await unavailable(["migrate"], "DatabaseUnavailable", "127.0.0.1:1", { DATABASE_URL: url })
  })

  it("is given up after some seconds when it never answers", async () => {
    const address = silent.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    const began = performance.now()
    await unavailable(
      ["list", "--db", `postgres://me:secret@127.0.0.1:${port}/work`],
      "DatabaseUnavailable",
      String(port)
    )
    assert.isBelow(performance.now() - began, 8000)
  })

  it("says which database or user it does not know", async () => {
    const url = new URL(inject("postgresUrl"))
    url.pathname = "/no_such_database"
    await unavailable(["list", "--db", url.href], "DatabaseUnavailable", "no_such_database")
  })

  it("is too old", async () => {
    const place = onServer()
    // A server that says that it is Postgres 14.
    await sql((client) => client`CREATE SCHEMA ${client(place.schema)}`)
    await sql((client) =>
      client.unsafe(
        `CREATE FUNCTION "${place.schema}".current_setting(text) RETURNS text LANGUAGE sql AS
          $$ SELECT CASE $1 WHEN 'server_version_num' THEN '140011' ELSE '14.11' END $$`
      )
    )
    const url = new URL(inject("postgresUrl"))
    url.searchParams.set("options", `-c search_path=${place.schema},pg_catalog`)
    await unavailable(["list", "--db", url.href, "--schema", place.schema], "MigrationRefused", "14.11")
    await place.remove()
  })

  it("has a schema that a newer program made", async () => {
    const place = onServer()
    assert.strictEqual((await cli(["migrate", ...place.flags])).code, 0)
    await sql(
      (client) =>
        client`INSERT INTO ${client(`${place.schema}.migrations`)} (id, name, checksum) VALUES (99, 'later', '')`
    )
    await unavailable(["list", ...place.flags], "MigrationRefused", "newer version")
    await place.remove()
  })

  it("is a file, another directory, or nowhere to be written", async () => {
    const file = join(directory, "file")
    await writeFile(file, "")
    await unavailable(["list", "--db", file], "DirectoryUnusable", file)
    const other = join(directory, "other")
    await mkdir(other)
    await writeFile(join(other, "README"), "")
    await unavailable(["list", "--db", other], "DirectoryUnusable", other)
    // Nobody can make a directory there, not even root.
    await unavailable(["list", "--db", "/proc/backlog"], "DirectoryUnusable", "/proc/backlog")
  })
})
