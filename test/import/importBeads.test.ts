import { assert, afterAll, beforeAll, describe, it } from "@effect/vitest"
import { readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { cli, inDirectory, json, onServer, type Place, sql } from "../cli/support.ts"
import { type BeadsFileName, beadsFileFor, inputFileFor } from "../support/beadsData.ts"

const sample = fileURLToPath(new URL("fixtures/sample.beads.jsonl", import.meta.url))

const sum = (counts: Record<string, number>) => Object.values(counts).reduce((total, count) => total + count, 0)

/** Checks that every number of a report adds up. */
// oxlint-disable-next-line typescript/no-explicit-any -- a report as JSON
const addsUp = (report: any) => {
  assert.strictEqual(report.lines, report.blank + report.malformed + report.issues + sum(report.otherKinds))
  assert.strictEqual(report.issues, report.taken + report.unchanged + report.differing + report.leftOut)
  assert.strictEqual(report.issues, sum(report.statuses))
  assert.strictEqual(report.leftOut, sum(report.leftOutFor))
  assert.strictEqual(report.taken, sum(report.takenAs))
  const { edges } = report
  assert.strictEqual(edges.total, edges.dependencies + edges.repeated + sum(edges.otherTypes) + edges.ofIssuesLeftOut)
  assert.strictEqual(edges.dangling, report.danglingEdges.length)
  assert.strictEqual(report.malformed, report.malformedLines.length)
  assert.strictEqual(report.differing, report.differingCards.length)
  assert.strictEqual(report.leftOut - report.leftOutFor.tombstone, report.leftOutIssues.length)
}

/** The fields of a beads issue that decide whether beads offers it. */
interface BeadsIssue {
  readonly id: string
  readonly status: string
  readonly priority: number
  readonly created_at: string
  readonly dependencies?: ReadonlyArray<{ readonly depends_on_id: string; readonly type: string }>
}

/**
 * The ids of the claimable issues, computed from the file without the importer's code, as beads does it: issues that are open
 * or in progress and not blocked, in claim order, by priority and then by age. An issue is blocked if it depends on an issue
 * that is not closed, or if it is a part of an open issue that is blocked. An issue that is not there blocks here, and not in
 * beads, only the issue that names it.
 */
const readyInFile = async (file: string): Promise<ReadonlyArray<string>> => {
  const lines = (await readFile(file, "utf8")).split("\n").filter((line) => line !== "")
  const issues = new Map(
    lines.map((line) => {
      const issue = JSON.parse(line) as BeadsIssue
      return [issue.id, issue] as const
    })
  )
  const statusOf = (id: string) => issues.get(id)?.status ?? "tombstone"
  const edgesOf = ({ dependencies = [] }: BeadsIssue, type: string) =>
    dependencies.filter((edge) => edge.type === type).map((edge) => edge.depends_on_id)
  const blocked = new Set<string>()
  for (let before = -1; before < blocked.size;) {
    before = blocked.size
    for (const issue of issues.values()) {
      if (["closed", "tombstone"].includes(issue.status)) continue
      const isBlocked =
        edgesOf(issue, "blocks").some((to) => !["closed", "tombstone"].includes(statusOf(to))) ||
        edgesOf(issue, "parent-child").some((to) => blocked.has(to))
      if (isBlocked) blocked.add(issue.id)
    }
  }
  return Array.from(issues.values())
    .filter(({ id, status }) => ["open", "in_progress"].includes(status) && !blocked.has(id))
    .filter((issue) => edgesOf(issue, "blocks").every((to) => statusOf(to) === "closed"))
    .sort(
      (a, b) => a.priority - b.priority || Date.parse(a.created_at) - Date.parse(b.created_at) || (a.id < b.id ? -1 : 1)
    )
    .map(({ id }) => id)
}

const ids = (cards: ReadonlyArray<{ readonly id: string }>) => cards.map(({ id }) => id)

/** The ids of the claimable issues in the sample, in claim order. */
const readyInSample = ["mb-2", "mb-25", "mb-4"]

describe("an import of a file with every case", () => {
  const place = onServer()
  beforeAll(() => cli(["migrate", ...place.flags]))
  afterAll(() => place.remove())
  const ask = (...argv: ReadonlyArray<string>) => json([...place.flags, ...argv])

  it("valid issues are imported, and the report names the rest", async () => {
    const strict = await ask("import", sample, "--strict")
    assert.deepStrictEqual([strict.code, strict.error._tag], [2, "ImportRefused"])
    assert.deepStrictEqual((await ask("list")).data, [])

    const { code, data: report, stderr } = await ask("import", sample, "--format", "beads")
    assert.deepStrictEqual([code, stderr], [0, ""])
    addsUp(report)
    assert.deepInclude(report, { lines: 30, blank: 2, malformed: 5, issues: 23, taken: 13, unchanged: 0, differing: 0 })
    assert.deepStrictEqual(report.leftOutFor, { tombstone: 1, duplicate: 1, refused: 4, cycle: 4 })
    assert.deepStrictEqual(report.takenAs, { ready: 7, blocked: 4, done: 2 })
    assert.deepStrictEqual(
      report.blockedIssues.map(({ id, why }: Record<string, unknown>) => [id, why]),
      [
        ["mb-9", 'Its status in the source was "hooked".'],
        ["mb-22", 'Its status in the source was "deferred".'],
        ["mb-23", 'Its status in the source was "pinned".']
      ]
    )
    assert.deepStrictEqual(report.endedClaims, [
      { line: 5, place: "line 5", id: "mb-4", owner: null, until: null, live: true }
    ])
    assert.deepStrictEqual(
      report.malformedLines.map(({ line }: { line: number }) => line),
      [12, 21, 22, 23, 24]
    )
    assert.deepStrictEqual(
      report.leftOutIssues.map(({ id, line, reason }: Record<string, unknown>) => [line, id, reason]),
      [
        [2, "mb-2", "duplicate"],
        [13, "mb-11", "cycle"],
        [14, "mb-12", "cycle"],
        [15, "mb-13", "cycle"],
        [17, "mb-15", "cycle"],
        [19, "mb-16", "refused"],
        [20, "mb-17", "refused"],
        [25, "mb-21", "refused"],
        [28, "mb-24", "refused"]
      ]
    )
    assert.deepStrictEqual(report.edges, {
      total: 16,
      dependencies: 7,
      repeated: 1,
      otherTypes: { "parent-child": 1, "discovered-from": 1, related: 1 },
      ofIssuesLeftOut: 5,
      dangling: 3,
      implied: 0
    })
    assert.deepStrictEqual(report.danglingEdges, [
      { id: "mb-7", dependsOn: "mb-6", why: "deleted" },
      { id: "mb-8", dependsOn: "mb-99", why: "not there" },
      { id: "mb-14", dependsOn: "mb-11", why: "left out" }
    ])

    assert.deepStrictEqual(ids((await ask("list", "--ready")).data), readyInSample)
    const { data: card } = await ask("show", "mb-2")
    assert.deepInclude(card, {
      title: "Build the store",
      body: "In one package.\n\n- small\n- fast\n\n## Design\n\nTwo tables.\n\n## Notes\n\nAsk Ben.",
      phase: null,
      labels: ["alpha", "backend", "urgent"],
      priority: 3,
      status: "ready",
      dependsOn: ["mb-1"],
      acceptance: "All tests pass.",
      createdAt: "2026-01-05T09:00:00.000Z"
    })
    const { data: history } = await ask("history", "mb-1")
    assert.strictEqual(history[0].occurredAt, "2026-01-01T16:00:00.123Z")
    assert.strictEqual(history[0].correlationId, report.correlationId)
  })

  it("a second import changes nothing and names cards that differ", async () => {
    await ask("revise", "mb-4", "--title", "Another name", "--priority", "9")
    await ask("complete", "mb-9")
    await ask("reopen", "mb-1")
    const before = (await ask("list")).data
    const { data: report } = await ask("import", sample)
    addsUp(report)
    assert.deepInclude(report, { taken: 0, unchanged: 11, differing: 2, correlationId: null })
    assert.deepStrictEqual(report.differingCards, [
      { line: 1, place: "line 1", id: "mb-1", fields: ["status"] },
      { line: 5, place: "line 5", id: "mb-4", fields: ["title", "priority"] }
    ])
    assert.deepStrictEqual((await ask("list")).data, before)
  })
})

describe("an import on the command line", () => {
  const place = onServer()
  afterAll(() => place.remove())

  it("a terminal shows the progress and then the report", async () => {
    const ran = await cli([...place.flags, "import", sample], { terminal: 100 })
    assert.strictEqual(ran.code, 0)
    assert.include(ran.stderr, "0 of 13 cards")
    assert.include(ran.stdout, "13  taken: 7 ready, 4 blocked, 2 done")
    assert.include(ran.stdout, "line 12: it is not JSON")
    assert.include(ran.stdout, "mb-7 waits for mb-6 (deleted)")
    assert.include(ran.stdout, "parent-child 1")
    const again = await cli([...place.flags, "import", "-"], { stdin: await readFile(sample) })
    assert.strictEqual(again.stderr, "")
    assert.include(again.stdout, "13  unchanged")
  })

  it("existing cards count as dependencies and in cycles", async () => {
    await cli([...place.flags, "create", "--id", "here", "--title", "H", "--depends-on", "mb-x"])
    const edge = (on: string) => [{ issue_id: "mb-x", depends_on_id: on, type: "blocks" }]
    const issue = { status: "open", priority: 1, created_at: "2026-01-05T09:00:00Z" }
    const lines = [
      { ...issue, id: "mb-x", title: "X", dependencies: edge("here") },
      { ...issue, id: "mb-y", title: "Y", dependencies: edge("here").map((e) => ({ ...e, issue_id: "mb-y" })) }
    ]
    const stdin = lines.map((line) => JSON.stringify(line)).join("\n")
    const refused = await json([...place.flags, "import", "-", "--strict"], { stdin })
    assert.deepStrictEqual([refused.code, refused.error._tag], [2, "ImportRefused"])
    assert.strictEqual((await json([...place.flags, "show", "mb-y"])).code, 4)
    const { data: report } = await json([...place.flags, "import", "-"], { stdin })
    addsUp(report)
    assert.deepInclude(report, { taken: 1, leftOut: 1, danglingEdges: [] })
    assert.deepStrictEqual(report.leftOutFor, { tombstone: 0, duplicate: 0, refused: 0, cycle: 1 })
  })
})

const places: ReadonlyArray<readonly [string, () => Promise<Place>]> = [
  ["a server", async () => onServer()],
  ["a directory", () => inDirectory()]
]

const readiness = inputFileFor("imports what beads itself would offer", "beads-readiness.jsonl")
const expected = inputFileFor("imports what beads itself would offer", "beads-readiness.expected.json")

describe.each(places)("an import of issues that beads does not offer, into %s", (_, make) => {
  let place: Place
  beforeAll(async () => {
    place = await make()
  })
  afterAll(() => place.remove())
  const ask = (argv: ReadonlyArray<string>, stdin = "") => json([...place.flags, ...argv], { stdin })
  const line = (fields: object) =>
    JSON.stringify({ title: "T", status: "open", priority: 2, created_at: "2026-01-05T09:00:00Z", ...fields })

  it("holders are in the report, and a strict import is refused", async () => {
    const stdin = [
      line({ id: "held", status: "in_progress", assignee: "ann" }),
      line({ id: "hooked", status: "hooked", assignee: "ben" }),
      line({ id: "no time", created_at: "0001-01-01T00:00:00Z" }),
      '{"_type":"memory","key":"k","value":"v"}'
    ].join("\n")
    const { code, error } = await ask(["import", "-", "--strict"], stdin)
    assert.deepStrictEqual([code, error._tag], [2, "ImportRefused"])
    assert.deepStrictEqual(
      error.problems.map(({ problem }: { problem: string }) => problem),
      ['"held" is claimed by "ann", and the card would be ready']
    )
    const { data: report } = await ask(["import", "-"], stdin)
    addsUp(report)
    assert.deepInclude(report, { taken: 3, malformed: 0, otherKinds: { memory: 1 } })
    assert.deepStrictEqual(report.endedClaims, [
      { line: 1, place: "line 1", id: "held", owner: "ann", until: null, live: true }
    ])
    assert.deepStrictEqual(report.blockedIssues, [
      { line: 2, place: "line 2", id: "hooked", why: 'Its status in the source was "hooked", held by "ben".' }
    ])
    const { data: card } = await ask(["show", "no time"])
    assert.isAbove(Date.parse(card.createdAt), Date.parse("2026-01-01"))
    const again = await cli([...place.flags, "import", "-"], { stdin })
    assert.include(again.stdout, "4  lines: 3 issues, 0 blank, 0 malformed, 1 of other kinds\n")
    assert.include(again.stdout, "3  unchanged")
    assert.include(again.stdout, "Other kinds:\n  line 4: memory\n")
    await ask(["complete", "held"])
    await ask(["complete", "no time"])
  })

  it("a cycle through done cards of the backlog is opened at an edge that nothing waits for", async () => {
    const blocks = (on: string) => [{ depends_on_id: on, type: "blocks" }]
    await ask(["create", "--id", "here", "--title", "H", "--depends-on", "x,y", "--status", "done"])
    await ask(["create", "--id", "open here", "--title", "O", "--depends-on", "z"])
    const stdin = [
      line({ id: "x", dependencies: blocks("here") }),
      line({ id: "y", status: "closed", dependencies: blocks("here") }),
      line({ id: "z", status: "closed", dependencies: blocks("open here") })
    ].join("\n")
    const { data: report } = await ask(["import", "-", "--strict"], stdin)
    addsUp(report)
    assert.deepInclude(report, { taken: 3, leftOut: 0 })
    assert.deepInclude(report.edges, {
      dependencies: 0,
      otherTypes: { "of a done issue, but would close a cycle": 3 }
    })
    assert.includeMembers(ids((await ask(["list", "--ready"])).data), ["x", "open here"])
    for (const id of ["x", "open here"]) await ask(["complete", id])
  })

  it.skipIf(readiness === undefined || expected === undefined)("beads' own answer is the same", async () => {
    const { data: report } = await ask(["import", readiness ?? ""])
    addsUp(report)
    const beads = JSON.parse(await readFile(expected ?? "", "utf8")) as Record<"claimable" | "done", Array<string>>
    assert.deepStrictEqual(ids((await ask(["list", "--ready"])).data).toSorted(), beads.claimable)
    const others = new Set(["held", "no time", "here", "open here", "x", "y", "z"])
    const done = ids((await ask(["list", "--status", "done"])).data).filter((id) => !others.has(id))
    assert.deepStrictEqual(done.toSorted(), beads.done)
  })
})

describe("a real backlog", () => {
  const expectations: ReadonlyArray<{
    name: BeadsFileName
    issues: number
    taken: number
    done: number
    /** Dependencies that the file states. */
    edges: number
    /** How many issues beads offers. */
    claimable: number
    /** Comments of the issues that are taken. */
    comments: number
  }> = [
    { name: "tearags-issues.jsonl", issues: 908, taken: 908, done: 692, edges: 565, claimable: 143, comments: 4 },
    {
      name: "beads-issues-2026-01-22.jsonl",
      issues: 5722,
      taken: 2403,
      done: 2259,
      edges: 323,
      claimable: 107,
      comments: 23
    }
  ]
  for (const { claimable, comments, done, edges, issues, name, taken } of expectations) {
    const file = beadsFileFor("imports a real backlog", name)
    it.skipIf(file === undefined)(`${name} is imported`, async () => {
      const place = onServer()
      const ask = (...argv: ReadonlyArray<string>) => json([...place.flags, ...argv])
      const { data: report } = await ask("import", file ?? "")
      addsUp(report)
      assert.deepInclude(report, { issues, taken, malformed: 0 })
      assert.strictEqual(report.takenAs.done, done)
      assert.strictEqual(report.edges.dependencies - report.edges.implied, edges)
      const ready = await readyInFile(file ?? "")
      assert.strictEqual(ready.length, claimable)
      assert.deepStrictEqual(ids((await ask("list", "--ready")).data), ready)
      assert.strictEqual((await ask("stats")).data.claimable, ready.length)
      assert.strictEqual((await ask("claim", "--owner", "w")).data.id, ready[0])

      const { data: again } = await ask("import", file ?? "")
      addsUp(again)
      assert.deepInclude(again, { taken: 0, unchanged: taken, differing: 0, correlationId: null })
      const events = await sql((client) =>
        client.unsafe<{ n: number }>(`SELECT count(*)::float8 AS n FROM "${place.schema}".events`)
      )
      assert.deepStrictEqual(events, [{ n: taken + comments + 1 }])
      await place.remove()
    })
  }
})

describe("an import into a directory", () => {
  let place: Place
  beforeAll(async () => {
    place = await inDirectory()
  })
  afterAll(() => place.remove())
  const ask = (...argv: ReadonlyArray<string>) => json([...place.flags, ...argv])

  it("an import into a directory has the same result as on a server", async () => {
    const { data: report } = await ask("import", sample)
    addsUp(report)
    assert.deepInclude(report, { taken: 13, malformed: 5, leftOut: 10 })
    assert.deepInclude((await ask("import", sample)).data, { taken: 0, unchanged: 13, differing: 0 })
    assert.deepStrictEqual(ids((await ask("list", "--ready")).data), readyInSample)
  })

  const file = beadsFileFor("imports a real backlog into a directory", "tearags-issues.jsonl")
  it.skipIf(file === undefined)("a real backlog is imported into a directory", async () => {
    const { data: report } = await ask("import", file ?? "")
    addsUp(report)
    assert.strictEqual(report.taken, 908)
    const ready = ids((await ask("list", "--ready")).data).filter((id) => !id.startsWith("mb-"))
    assert.deepStrictEqual(ready, await readyInFile(file ?? ""))
  })
})
