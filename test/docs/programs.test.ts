import { layer } from "@effect/vitest"
import { Effect, Fiber, Layer, Option, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { mkdtempSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, inject, it, vi } from "vitest"
import { decodeEvent } from "../../src/events/EventCodec.ts"
import { AuditService, BacklogService, BacklogTestClock } from "../../src/index.ts"
import { freshBacklog, postgresClient } from "../support/backlogs.ts"
import { until } from "../support/waiting.ts"
import { keep, mail, measureDay, tell } from "./examples/auditing.ts"
import { CardBlocked, upcasters } from "./examples/evolution.ts"
import { take } from "./examples/library.ts"
import {
  claimAndComplete,
  completeAndClaimNext,
  createWithDependency,
  measurePhases,
  program,
  readThePast,
  report,
  waitForWork
} from "./examples/docstrings.ts"
import { exampleOf, standsIn } from "./support/examples.ts"
import { inOwnDatabase } from "../support/ownDatabase.ts"
import { read, textsOn } from "./support/pages.ts"

describe("the programs on the pages", () => {
  it.each([
    ["docs/auditing.md", ["auditing.ts"]],
    ["docs/evolution.md", ["evolution.ts"]],
    ["docs/http.md", ["test/http/support/example.ts"]],
    ["docs/library.md", ["library.ts", "leases.ts"]]
  ])("the programs of %s are the files that are run here, except for their imports", (page, files) => {
    const examples = files.map(exampleOf)
    const texts = textsOn(page, "ts")
    expect(texts.length).toBeGreaterThan(0)
    expect(texts.filter((text) => !examples.some((example) => standsIn(text, example)))).toEqual([])
  })

  it("the upcaster on the page produces the shape on the page", () => {
    const [old = ""] = textsOn("docs/evolution.md", "json")
    const { data, ...event } = JSON.parse(old) as Parameters<typeof decodeEvent>[0]
    expect(decodeEvent({ ...event, data })).toMatchObject({ _tag: "Success", success: { _tag: "CardBlocked" } })
    const upcasted = upcasters.CardBlocked.reduce((shape, step) => step(shape), data)
    expect(Schema.decodeUnknownSync(CardBlocked)({ _tag: event.type, ...upcasted })).toMatchObject({ kind: "other" })
  })
})

// In a separate database, because they create tables.
layer(Layer.provideMerge(freshBacklog, Layer.provide(inOwnDatabase, postgresClient(1))), {
  timeout: "60 seconds",
  excludeTestServices: true
})("the programs on the pages", (its) => {
  its.effect("the program writes every event once", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE outbox (position bigint PRIMARY KEY, type text NOT NULL)`
      const mailing = yield* Effect.forkChild(mail)
      yield* (yield* BacklogService).create({ id: "mailed", title: "M", actor: "me" })
      const written = sql<{ readonly count: number }>`
          SELECT count(*)::int AS count FROM outbox WHERE position = 1 AND type = 'CardCreated'`
      yield* until(Effect.map(written, ([row]) => row?.count === 1))
      yield* Fiber.interrupt(mailing)
    })
  )

  its.effect("the program follows the log", () =>
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const cards = Array.from({ length: 1199 }, (_, index) => ({ id: `c${index}`, title: "C" }))
      yield* backlog.createMany({ cards, actor: "me" })
      const printed = vi.spyOn(console, "log").mockImplementation(() => {})
      yield* Effect.addFinalizer(() => Effect.sync(() => printed.mockRestore()))
      const telling = yield* Effect.forkChild(tell)
      yield* backlog.create({ id: "next", title: "N", actor: "me" })
      yield* until(Effect.sync(() => printed.mock.calls.length > 0))
      expect(printed.mock.calls).toEqual([[1201, "CardCreated", "next"]])
      yield* Fiber.interrupt(telling)
    })
  )

  its.effect("the program keeps anchors until its scope ends", () =>
    Effect.gen(function* () {
      const printed = vi.spyOn(console, "log").mockImplementation(() => {})
      yield* Effect.addFinalizer(() => Effect.sync(() => printed.mockRestore()))
      const file = join(mkdtempSync(join(inject("scratch"), "docs-")), "anchors.txt")
      yield* Effect.scoped(keep(file))
      const { position } = yield* (yield* AuditService).anchor()
      expect(printed.mock.calls).toContainEqual(["Appended", position])
      expect(readFileSync(file, "utf8")).toMatch(new RegExp(`^mosaic-backlog-anchor 1 ${position} \\S+ \\S+\n$`))
    })
  )

  its.effect("the program runs a command in a transaction", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const backlog = yield* BacklogService
      yield* sql`CREATE TABLE orders (id text PRIMARY KEY)`
      yield* take("7")
      expect(Option.isSome(yield* backlog.get("ship-7"))).toBe(true)
      yield* backlog.create({ id: "ship-8", title: "Was there", actor: "me" })
      expect((yield* Effect.flip(take("8")))._tag).toBe("CardAlreadyExists")
      expect(yield* sql`SELECT id FROM orders`).toEqual([{ id: "7" }])
    })
  )

  its.effect("the programs return the flow of a day", () =>
    Effect.gen(function* () {
      yield* (yield* BacklogTestClock).advance("60 days")
      const { buckets, cycleTime } = yield* measureDay
      expect([buckets.length, cycleTime.count]).toEqual([24, 0])
      expect((yield* measurePhases).map(({ created, group }) => [group, created])).toEqual([[null, 0]])
    })
  )
})

/** Returns the paragraphs of the programs in a file's docstrings, without their imports. */
const docstringParagraphs = (path: string): ReadonlyArray<string> =>
  Array.from(read(path).matchAll(/^ *\* ```ts\n([^]*?)^ *\* ```$/gm), ([, lines = ""]) =>
    lines
      .replaceAll(/^ *\* ?/gm, "")
      .split("\n\n")
      .filter((paragraph) => !paragraph.startsWith("import "))
      .map((paragraph) => paragraph.trimEnd())
  ).flat()

const documented = ["src/services/AuditService.ts", "src/services/BacklogService.ts", "src/services/layers.ts"]

const filesWithExamples = (): ReadonlyArray<string> =>
  readdirSync(join(import.meta.dirname, "../../src"), { recursive: true, encoding: "utf8" })
    .map((name) => `src/${name}`)
    .filter((path) => path.endsWith(".ts") && read(path).includes("* ```ts"))
    .sort()

describe("the examples in docstrings", () => {
  it.each(documented)("the examples of %s are type-checked programs", (path) => {
    const programs = exampleOf("docstrings.ts")
    const paragraphs = docstringParagraphs(path)
    expect(paragraphs.length).toBeGreaterThan(0)
    expect(paragraphs.filter((paragraph) => !standsIn(paragraph, programs))).toEqual([])
  })

  it("no other source file has an example", () => {
    // `test/proof/templateExample.test.ts` runs the example of the template.
    expect(filesWithExamples()).toEqual([...documented, "src/testing/BacklogTemplate.ts"])
  })
})

layer(Layer.provideMerge(freshBacklog, Layer.provide(inOwnDatabase, postgresClient(2))), {
  timeout: "60 seconds",
  excludeTestServices: true
})("the examples in docstrings", (its) => {
  its.effect("the examples create, claim, complete, wait, read the past and report", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const backlog = yield* BacklogService
      yield* sql`CREATE TABLE report (card_id text PRIMARY KEY, completed_at timestamptz NOT NULL)`
      yield* createWithDependency
      const reporting = yield* Effect.forkChild(report)
      yield* claimAndComplete
      expect((yield* completeAndClaimNext).next?.id).toBe("build")
      yield* backlog.create({ id: "test", title: "Test it", actor: "planner" })
      yield* waitForWork
      yield* (yield* BacklogTestClock).advance("60 days")
      expect(Option.map(yield* readThePast, ({ status }) => status)).toEqual(Option.some("done"))
      const rows = sql<{ readonly card: string }>`SELECT card_id AS card FROM report`
      yield* until(Effect.map(rows, ([row]) => row?.card === "design"))
      yield* Fiber.interrupt(reporting)
    })
  )

  its.effect("the first example completes its card", () =>
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* program
      expect(Option.map(yield* backlog.get("design"), ({ status }) => status)).toEqual(Option.some("done"))
    }).pipe(Effect.provide(Layer.fresh(freshBacklog)))
  )
})
