import { assert, afterAll, beforeAll, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { execFileSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { inject } from "vitest"
import { cli, inDirectory, json, onServer, type Place, sql, temporaryDirectory } from "../cli/support.ts"

const fixture = (name: string) => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url))

/** A table of a mutable backlog, in its own schema. */
const old = `old_${randomBytes(6).toString("hex")}`

const table = `${old}."The Tasks"`

const fromTable = () => ["import", "--format", "table", "--from", inject("postgresUrl"), "--table", table]

beforeAll(() =>
  sql((client) =>
    Effect.gen(function* () {
      yield* client`CREATE SCHEMA ${client(old)}`
      yield* client.unsafe(`
        CREATE TABLE ${table} (
          id bigint, title text, body text, priority int, status text, depends_on jsonb, claim_owner text,
          claim_ttl_seconds int, claimed_at timestamptz, attempts int, idempotency_key text, acceptance json,
          created_at timestamp, updated_at timestamptz, "Color; --" text)`)
      yield* client.unsafe(`
        INSERT INTO ${table} VALUES
          (1, 'Design', 'Words', 5, 'done', '[]', 'ann', 900, '2026-01-02T10:00:00Z', 1, 'k1', '{"n": 1.50}', '2026-01-01 09:00', '2026-01-02T11:00:00Z', 'red'),
          (2, 'Build', NULL, 3, 'claimed', '[1]', 'ben', 900, now(), 2, NULL, NULL, '2026-01-01 10:00', NULL, NULL),
          (3, 'Test', NULL, 3, 'in_progress', '[2, "1", 2]', 'cid', 60, '2026-01-02T10:00:00Z', 1, NULL, NULL, '2026-01-01 11:00', NULL, NULL),
          (4, 'Ship', NULL, NULL, NULL, '[3, 99]', NULL, NULL, NULL, 0, 'k4', NULL, NULL, NULL, NULL),
          (5, 'Set aside', NULL, 1, 'on hold', NULL, NULL, NULL, NULL, 0, NULL, NULL, '2026-01-01 12:00', NULL, NULL),
          (6, 'What is that', NULL, 1, 'limbo', NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL),
          (7, 'The key again', NULL, 1, 'ready', NULL, NULL, NULL, NULL, 0, 'k4', NULL, NULL, NULL, NULL),
          (8, 'Round', NULL, 1, 'ready', '[9]', NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL),
          (9, 'And round', NULL, 1, 'ready', '[8]', NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL),
          (1, 'The id again', NULL, 1, 'ready', NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL),
          (NULL, 'No id', NULL, 1, 'ready', NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL)`)
    })
  )
)

afterAll(() => sql((client) => client`DROP SCHEMA ${client(old)} CASCADE`))

const places: ReadonlyArray<readonly [string, () => Promise<Place>]> = [
  ["a server", async () => onServer()],
  ["a directory", () => inDirectory()]
]

/** Runs imports in a place, and checks that a repeated import writes no event. */
const questions = (place: () => Place) => {
  const ask = (...argv: ReadonlyArray<string>) => json([...place().flags, ...argv])
  const position = async () => (await ask("anchor")).data.position
  const again = async (argv: ReadonlyArray<string>, taken: number) => {
    const before = await position()
    const { data: report } = await ask(...argv)
    assert.deepInclude(report, { taken: 0, unchanged: taken, differing: 0, correlationId: null, endedClaims: [] })
    assert.strictEqual(await position(), before)
  }
  return { ask, again }
}

describe.each(places)("an import into %s", (_, make) => {
  let opened: Place
  beforeAll(async () => {
    opened = await make()
  })
  afterAll(() => opened.remove())
  const place = () => opened
  const { again, ask } = questions(place)

  it("a tasks.json is imported, and a second import changes nothing", async () => {
    const argv = ["import", fixture("tasks.json"), "--format", "task-master"]
    assert.deepInclude((await ask(...argv)).data, { taken: 12, differing: 0, unchanged: 0, leftOut: 5, malformed: 3 })
    await again(argv, 12)
  })

  it("the content shows the format", async () => {
    const formatOf = async (...argv: ReadonlyArray<string>) => (await ask("import", ...argv)).data.format
    assert.strictEqual(await formatOf(fixture("tasks.json")), "task-master")
    assert.strictEqual(await formatOf(fixture("backlog-md"), "--map-status", "Idea=blocked"), "backlog-md")
    assert.strictEqual(await formatOf(fixture("sample.beads.jsonl")), "beads")
  })

  it("an exported log is recognized from standard input, whole", async () => {
    const lines = (await cli([...place().flags, "export"])).stdout
    assert.isAbove(lines.length, 1024)
    const empty = await make()
    const { data } = await json([...empty.flags, "import", "-"], { stdin: lines })
    assert.strictEqual(data.position, lines.trimEnd().split("\n").length - 1)
    await empty.remove()
  })

  it("a named pipe, which can be read once, is recognized and imported whole", async () => {
    const pipe = join(await temporaryDirectory(), "pipe")
    execFileSync("mkfifo", [pipe])
    const [{ data }] = await Promise.all([
      ask("import", pipe),
      readFile(fixture("tasks.json")).then((text) => writeFile(pipe, text))
    ])
    assert.deepInclude(data, { format: "task-master", issues: 17 })
  })

  it("an import of which the backlog takes nothing fails, and writes nothing", async () => {
    await ask("create", "--id", "x", "--title", "X", "--depends-on", "y")
    const before = (await ask("anchor")).data.position
    const line = {
      id: "y",
      title: "Y",
      status: "open",
      priority: 1,
      dependencies: [{ depends_on_id: "x", type: "blocks" }]
    }
    const { code, error } = await json([...place().flags, "import", "-"], { stdin: JSON.stringify(line) })
    assert.deepStrictEqual([code, error._tag], [2, "ImportRefused"])
    assert.include(error.message, 'line 1: "y" would be left out: it waits for itself: y → x → y')
    assert.strictEqual((await ask("anchor")).data.position, before)
  })
})

describe("an import into a server", () => {
  const place = onServer()
  beforeAll(() => cli(["migrate", ...place.flags]))
  afterAll(() => place.remove())
  const { again, ask } = questions(() => place)

  it("a table is imported, and a second import changes nothing", async () => {
    const { code, data: report, stderr } = await ask(...fromTable())
    assert.deepStrictEqual([code, stderr], [0, ""])
    assert.deepInclude(report, {
      format: "table",
      lines: 11,
      malformed: 1,
      issues: 10,
      taken: 5,
      missingFields: ["phase"]
    })
    assert.deepStrictEqual(report.leftOutFor, { tombstone: 0, duplicate: 2, refused: 1, cycle: 2 })
    assert.deepStrictEqual(report.takenAs, { ready: 3, blocked: 1, done: 1 })
    assert.deepInclude(report.edges, { total: 8, dependencies: 5, repeated: 1, ofIssuesLeftOut: 2, dangling: 1 })
    assert.deepStrictEqual(report.notCarriedOver, {
      "Color; --": 1,
      attempts: 3,
      claim_owner: 3,
      claim_ttl_seconds: 3,
      claimed_at: 3,
      updated_at: 1
    })
    assert.deepStrictEqual(
      report.endedClaims.map(({ id, live, owner }: Record<string, unknown>) => [id, owner, live]),
      [
        ["2", "ben", true],
        ["3", "cid", false]
      ]
    )
    assert.deepInclude((await ask("show", "1")).data, {
      title: "Design",
      body: "Words",
      priority: 5,
      status: "done",
      acceptance: { n: 1.5 },
      idempotencyKey: "k1",
      createdAt: "2026-01-01T09:00:00.000Z"
    })
    assert.deepInclude((await ask("show", "5")).data, {
      status: "blocked",
      blockedReason: 'Its status in the source was "on hold".'
    })
    await again(fromTable(), 5)
  })

  it("a folder of Backlog.md is imported, and a second import changes nothing", async () => {
    const argv = ["import", fixture("backlog-md"), "--format", "backlog-md", "--map-status", "Idea=blocked"]
    const { data: report } = await ask(...argv)
    assert.deepInclude(report, { taken: 4, leftOut: 1, malformed: 2 })
    assert.deepInclude(report.edges, { dependencies: 5, implied: 2, dangling: 1 })
    await again(argv, 4)
  })
})

describe("an import that takes nothing", () => {
  /** Runs an import into a directory that does not exist, and returns its error. It must not create the directory. */
  const refusedFrom = async (path: string, argv: ReadonlyArray<string>, stdin: string | Uint8Array = "") => {
    const folder = await temporaryDirectory()
    const { code, error } = await json(["import", path, ...argv, "--db", join(folder, "new")], { stdin })
    assert.deepStrictEqual([code, await readdir(folder)], [2, []])
    return error
  }
  const refused = (stdin: string | Uint8Array, ...argv: ReadonlyArray<string>) => refusedFrom("-", argv, stdin)

  it.each([
    ["deleted issues", '{"id":"a","title":"A","status":"tombstone","priority":1}', "it is deleted"],
    ["malformed lines", '{"id":"a","title":"A","status":"open"}', "line 1: "],
    ["memories", '{"_type":"memory","key":"k","value":"v"}', "line 1: it is a memory, which is not imported"],
    ["lines of no known format", "one\ntwo", "line 2: it is not JSON"]
  ])("a file with nothing but %s fails, and no backlog is opened", async (_, stdin, message) => {
    const error = await refused(stdin)
    assert.strictEqual(error._tag, "ImportRefused")
    assert.include(error.message, "Nothing was imported from standard input:")
    assert.include(error.message, message)
  })

  it("a tasks.json without tasks fails", async () => {
    assert.include((await refused('{"tasks":[]}')).message, "the source: it has no issues")
  })

  const task = '{"tasks":[{"id":1,"title":"T"}]}'
  const issue = '{"id":"a","title":"A","status":"open","priority":1,"created_at":"2026-01-01T00:00:00Z"}'
  it.each<[string, string | Uint8Array, ReadonlyArray<string>, string]>([
    ["UTF-16", Buffer.from(`\ufeff${issue}`, "utf16le"), [], "it is UTF-16 text. Convert it to UTF-8"],
    ["UTF-16 without a mark", Buffer.from(issue, "utf16le"), ["--format", "beads"], "it is UTF-16LE text"],
    ["a zip archive", Buffer.from("504b030414000000", "hex"), [], "it is a zip archive. Unpack it first"],
    ["nothing", "", ["--format", "task-master"], "it is empty"],
    ["a task file", "---\nid: TASK-1\n---\n", [], "it is one task file of Backlog.md. Name the folder"],
    [
      "tasks as beads",
      task,
      ["--format", "beads"],
      "it is a file of task-master, not a file of beads. Use --format task-master"
    ],
    ["issues as tasks", issue, ["--format", "task-master"], "it is a file of beads, not a file of task-master"],
    ["issues as a log", issue, ["--format", "log"], "it is a file of beads, not an exported log"],
    ["issues as a folder", issue, ["--format", "backlog-md"], "it is not a folder: it is a file of beads"]
  ])("an import of %s is refused, and the content is named", async (_, stdin, argv, message) => {
    const error = await refused(stdin, ...argv)
    assert.strictEqual(error._tag, "InvalidInput")
    assert.include(error.message, `standard input cannot be imported: ${message}`)
  })

  it("the folder of another tracker is refused, and the path in it is named", async () => {
    const folder = await temporaryDirectory()
    await mkdir(join(folder, ".taskmaster", "tasks"), { recursive: true })
    await writeFile(join(folder, ".taskmaster", "tasks", "tasks.json"), task)
    for (const [path, format, message] of [
      [folder, "backlog-md", "it is a project with task-master. Name .taskmaster/tasks/tasks.json in it"],
      [join(folder, ".taskmaster"), "backlog-md", "it is the folder of task-master. Name tasks/tasks.json in it"],
      [fixture("backlog-md"), "beads", "it is a folder of Backlog.md, not a file of beads. Use --format backlog-md"]
    ] as const) {
      const error = await refusedFrom(path, ["--format", format])
      assert.strictEqual(error._tag, "InvalidInput")
      assert.include(error.message, message)
    }
  })
})

describe("an import", () => {
  const place = onServer()
  beforeAll(() => cli(["migrate", ...place.flags]))
  afterAll(() => place.remove())

  it("a table of several pages and transactions is imported once", async () => {
    const many = `${old}.many`
    await sql((client) =>
      client.unsafe(
        `CREATE VIEW ${many} AS SELECT i AS id, 'Task ' || i AS title,
           CASE WHEN i > 1 THEN to_jsonb(ARRAY[i / 2]) END AS depends_on FROM generate_series(1, 1203) AS i`
      )
    )
    const pages = onServer()
    const argv = [...pages.flags, "import", "--format", "table", "--from", inject("postgresUrl"), "--table", many]
    const { data: first } = await json(argv)
    assert.deepInclude(first, { lines: 1203, taken: 1203, danglingEdges: [] })
    assert.deepInclude(first.edges, { dependencies: 1202 })
    const { data: second } = await json(argv)
    assert.deepInclude(second, { taken: 0, unchanged: 1203, correlationId: null })
    await pages.remove()
  })
  const ask = (argv: ReadonlyArray<string>, stdin = "") => json([...place.flags, ...argv], { stdin })

  it("a strict import that would end a live claim writes nothing and names the claim's owner", async () => {
    const { code, error } = await ask([...fromTable(), "--strict"])
    assert.deepStrictEqual([code, error._tag], [2, "ImportRefused"])
    assert.include(
      error.problems.map(({ problem }: { problem: string }) => problem),
      '"2" is claimed by "ben", and the card would be ready'
    )
    assert.deepStrictEqual((await ask(["list"])).data, [])
  })

  it("a card whose idempotency key exists is left out", async () => {
    await ask(["create", "--id", "mine", "--title", "Mine", "--idempotency-key", "k4"])
    const { data: report } = await ask(fromTable())
    assert.deepInclude(
      report.leftOutIssues.find(({ id }: { id: string }) => id === "4"),
      { reason: "duplicate", detail: 'card "mine" of the backlog has the same idempotency key' }
    )
    assert.strictEqual(report.taken, 4)
    assert.strictEqual((await ask(["show", "4"])).code, 4)
  })

  it("the report names claims that ended and columns that are missing", async () => {
    const people = onServer()
    const { stdout } = await cli([...people.flags, ...fromTable()])
    await people.remove()
    assert.include(stdout, "Missing columns: phase")
    assert.match(stdout, /Claims that were not imported: these cards are ready:\n  2 of ben, until 20/)
    assert.include(stdout, "row 2 by id: 1 (duplicate): row 1 by id has the same id")
    assert.notInclude(stdout, "postgres://")
  })

  it("tasks.json is read from standard input", async () => {
    const { data } = await ask(
      ["import", "-", "--format", "task-master"],
      await readFile(fixture("tasks.json"), "utf8")
    )
    assert.strictEqual(data.file, "standard input")
  })

  const server = () => inject("postgresUrl")
  const withPassword = "postgres://u:secret@127.0.0.1:1/d"
  it.each<[string, () => ReadonlyArray<string>, number, string]>([
    ["no file", () => ["import"], 2, "the source is missing"],
    [
      "no table",
      () => ["import", "--format", "table", "--from", server()],
      2,
      "--format table takes --from URL and --table NAME"
    ],
    ["a file and a table", () => [...fromTable(), "x"], 2, "and no FILE"],
    ["a table of a file", () => ["import", "x", "--table", "t"], 2, "--from and --table require --format table"],
    [
      "a name that is not a table name",
      () => ["import", "--format", "table", "--from", server(), "--table", "a.b.c"],
      2,
      "is not a table name"
    ],
    [
      "a table that does not exist",
      () => ["import", "--format", "table", "--from", server(), "--table", "nowhere"],
      2,
      "the table does not exist"
    ],
    [
      "a table without a title",
      () => ["import", "--format", "table", "--from", server(), "--table", "pg_catalog.pg_class"],
      2,
      "it has no column id and no column title"
    ],
    [
      "a directory for a server",
      () => ["import", "--format", "table", "--from", "x", "--table", "t"],
      2,
      "--from takes a postgres:// URL"
    ],
    [
      "a server that is unavailable",
      () => ["import", "--format", "table", "--from", withPassword, "--table", "t"],
      6,
      "The database 127.0.0.1:1 is not available"
    ],
    [
      "an unknown status mapping",
      () => ["import", "x", "--format", "task-master", "--map-status", "a=b"],
      2,
      "--map-status takes WORD=ready"
    ],
    [
      "a status mapping for beads",
      () => ["import", "x", "--map-status", "a=done"],
      2,
      "does not apply to --format beads"
    ],
    [
      "a file instead of a folder",
      () => ["import", fixture("tasks.json"), "--format", "backlog-md"],
      2,
      "it is not a folder"
    ],
    [
      "a status mapping for a log",
      () => ["import", "x", "--format", "log", "--map-status", "a=done"],
      2,
      "do not apply to --format log"
    ]
  ])("an import with %s is refused with a message", async (_, argv, code, message) => {
    const ran = await ask(argv())
    assert.strictEqual(ran.code, code)
    assert.include(ran.error.message, message)
    assert.notInclude(JSON.stringify(ran), "secret")
  })
})
