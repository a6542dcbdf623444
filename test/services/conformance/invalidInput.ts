import { Effect, Stream } from "effect"
import { expect } from "vitest"
import { AuditService } from "../../../src/services/AuditService.ts"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { headPosition, writesNothing } from "../../support/backlogs.ts"
import { input, invalid, type Test, utc } from "./harness.ts"

/** Invalid ids, owners, actors, phases and keys. */
const badNames: ReadonlyArray<unknown> = [
  "",
  " ",
  " a",
  "a ",
  "a\n",
  "\ta",
  "a\u0000b",
  "a\u0007b",
  "a\u0085b",
  "\ud800",
  "a\udc00b",
  "\u00a0a",
  "a".repeat(201),
  "😀".repeat(201),
  null,
  7,
  {},
  ["a"]
]

const deep = (depth: number): unknown => {
  let value: unknown = null
  for (let level = 0; level < depth; level++) value = [value]
  return value
}

const cyclic: Record<string, unknown> = {}
cyclic["self"] = cyclic

const badJson: ReadonlyArray<unknown> = [
  Number.NaN,
  Number.POSITIVE_INFINITY,
  { a: [Number.NaN] },
  "\u0000",
  { a: "x\u0000" },
  { "\u0000": 1 },
  ["\ud800"],
  { "\udfff": 1 },
  { a: undefined },
  [undefined],
  new Date(0),
  new Map(),
  () => 1,
  1n,
  Symbol("s"),
  cyclic,
  deep(501),
  deep(100_000),
  "x".repeat(1024 * 1024),
  "ü".repeat(600_000),
  Array.from({ length: 300_000 }, () => 1)
]

type Fields = Record<string, unknown>

/** For every command, a valid input and invalid values by field. */
const badFields: Readonly<
  Record<string, { readonly valid: Fields; readonly bad: Readonly<Record<string, ReadonlyArray<unknown>>> }>
> = {
  create: {
    valid: { id: "new", title: "T", actor: "ann" },
    bad: {
      id: badNames,
      actor: [...badNames, undefined],
      title: ["", "a\u0000", "\ud800", "a".repeat(501), null, undefined, 1],
      body: ["a\u0000", "\udc00", "x".repeat(1024 * 1024 + 1), "ü".repeat(600_000), 1, {}],
      phase: badNames.filter((name) => name !== null),
      priority: [0.5, Number.NaN, 2 ** 31, -(2 ** 31) - 1, "1", null, Number.POSITIVE_INFINITY, 1n],
      status: ["claimed", "open", "", null, 1],
      dependsOn: [null, "a", [""], ["a", " b"], [null], { 0: "a" }],
      acceptance: badJson,
      idempotencyKey: badNames.filter((name) => name !== null),
      blockedReason: ["on a card that is not blocked"],
      occurredAt: ["2026-01-01T00:00:00Z", new Date(), 0, null],
      correlationId: badNames,
      causationId: badNames,
      commandId: badNames,
      unknown: [1, null],
      token: [1]
    }
  },
  createMany: {
    valid: { cards: [{ id: "new", title: "T" }], actor: "ann" },
    bad: {
      cards: [
        undefined,
        null,
        {},
        "a",
        [null],
        [{ id: "new" }],
        [
          { id: "new", title: "T" },
          { id: "", title: "T" },
          { id: "last", title: "T" }
        ],
        [
          { id: "new", title: "T" },
          { id: "b", title: "T", priority: 0.5 }
        ],
        [{ id: "new", title: "T", actor: "ann" }],
        [{ id: "new", title: "T", blockedReason: "why", status: "done" }]
      ],
      actor: [undefined, "", null],
      id: ["new"]
    }
  },
  revise: {
    valid: { id: "there", title: "New", actor: "ann" },
    bad: {
      id: [...badNames, undefined],
      title: ["", null, "\u0000"],
      priority: [null, 1.5],
      acceptance: badJson,
      status: ["done"],
      dependsOn: [[]],
      actor: [undefined]
    }
  },
  claim: {
    valid: { owner: "w", actor: "w" },
    bad: {
      owner: [...badNames, undefined],
      actor: [undefined, ""],
      ttlSeconds: [0, -1, 1.5, 30 * 24 * 3600 + 1, "60", null, Number.NaN],
      id: badNames,
      token: [1]
    }
  },
  renew: {
    valid: { id: "held", token: 2, actor: "w" },
    bad: {
      id: [undefined, ""],
      token: [undefined, null, 0, -1, 1.5, "2", 2 ** 53, Number.NaN],
      ttlSeconds: [0, 0.1, 1e9],
      actor: [undefined],
      owner: ["w"]
    }
  },
  release: {
    valid: { id: "held", token: 2, actor: "w" },
    bad: {
      token: [undefined, 0],
      reason: ["\u0000", "x".repeat(16 * 1024 + 1), 1],
      retryAfterSeconds: [-1, 0.5, 366 * 24 * 3600 + 1, "1", null],
      actor: [undefined]
    }
  },
  reclaim: { valid: { actor: "w" }, bad: { id: badNames, actor: [undefined, ""], token: [1] } },
  link: {
    valid: { from: "there", to: "held", actor: "ann" },
    bad: { from: [undefined, ""], to: [undefined, " "], actor: [undefined], id: ["there"] }
  },
  unlink: {
    valid: { from: "there", to: "held", actor: "ann" },
    bad: { from: [undefined, ""], to: [undefined, " "], actor: [undefined] }
  },
  block: {
    valid: { id: "there", actor: "ann" },
    bad: { id: [undefined, ""], reason: ["\u0000", 1], actor: [undefined] }
  },
  unblock: { valid: { id: "there", actor: "ann" }, bad: { id: [undefined], reason: ["\ud800"], actor: [undefined] } },
  complete: {
    valid: { id: "held", token: 2, actor: "w" },
    bad: {
      id: [undefined],
      token: [0, "2"],
      force: ["yes", 1, null],
      result: badJson,
      actor: [undefined],
      reason: ["x"]
    }
  },
  reopen: { valid: { id: "there", actor: "ann" }, bad: { id: [undefined], reason: ["\u0000"], actor: [undefined] } }
}

/** Invalid input is refused before any query. */
export const invalidInput = (test: Test): void => {
  for (const [name, { bad, valid }] of Object.entries(badFields)) {
    test(
      `${name} refuses input that is not valid, and writes nothing`,
      Effect.gen(function* () {
        const backlog = yield* BacklogService
        yield* backlog.create(input("there"))
        yield* backlog.create(input("held", { priority: 1 }))
        yield* backlog.claim({ id: "held", owner: "w", actor: "w" })
        const before = yield* headPosition
        const method = backlog[name as "create"] as (given: unknown) => Effect.Effect<unknown, unknown>
        for (const [field, values] of Object.entries(bad)) {
          for (const value of values) {
            const given: Fields = { ...valid, [field]: value }
            if (value === undefined) delete given[field]
            const error = yield* Effect.flip(method(given)).pipe(
              Effect.catch(() => Effect.die(new Error(`${field} was accepted: ${String(value).slice(0, 50)}`)))
            )
            expect([field, (error as { readonly _tag: string })._tag]).toEqual([field, "InvalidInput"])
            const { problem } = error as { readonly problem: string }
            expect(problem).toContain(field)
          }
        }
        for (const given of [null, undefined, "text", [], 1]) expect(yield* invalid(method(given))).not.toBe("")
        expect(yield* headPosition).toBe(before)
        // The unchanged input is valid.
        yield* method(valid)
      })
    )
  }

  test(
    "reports every problem of an input at once, and the first problem only of more than 10,000 parts",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const problem = yield* invalid(backlog.create({ id: " a", title: "", priority: 0.5, titel: "A" } as never))
      expect(problem.match(/at \[.*\]/g)).toEqual([
        'at ["titel"]',
        'at ["id"]',
        'at ["title"]',
        'at ["priority"]',
        'at ["actor"]'
      ])
      const cards = [{ id: "a" }, { id: "b", title: "B" }, { title: "" }]
      expect((yield* invalid(backlog.createMany({ cards, actor: "ann" } as never))).match(/at \[.*\]/g)).toEqual([
        'at ["cards"][0]["title"]',
        'at ["cards"][2]["title"]'
      ])
      const many = Array.from({ length: 10_001 }, () => cards[0])
      expect(yield* invalid(backlog.createMany({ cards: many, actor: "ann" } as never))).toBe(
        'Missing key\n  at ["cards"][0]["title"]'
      )
    })
  )

  test(
    "accepts business times that the database can store and refuses others",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      for (const [index, time] of [
        "0001-01-01T00:00:00.000Z",
        "1969-12-31T23:59:59.999Z",
        "9999-12-31T23:59:59.999Z"
      ].entries()) {
        const card = yield* backlog.create(input(`c${index}`, { occurredAt: utc(time) }))
        expect(utc(time)).toEqual(card.createdAt)
      }
      for (const time of [-62_135_596_800_001, -8.64e15, 253_402_300_800_000, 8.64e15]) {
        yield* invalid(backlog.create(input("bad", { occurredAt: utc(new Date(time) as never) })))
      }
    })
  )

  test(
    "queries refuse invalid input with InvalidInput",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const audit = yield* AuditService
      for (const name of badNames) {
        yield* invalid(backlog.get(name as never))
        yield* invalid(backlog.explain(name as never))
        yield* invalid(Stream.runDrain(audit.history(name as never)))
        yield* invalid(backlog.list({ after: name as never }))
        yield* invalid(backlog.list({ phase: [name] as never }))
        if (!Array.isArray(name)) yield* invalid(backlog.list({ phase: name as never }))
      }
      for (const options of [
        { limit: 0 },
        { limit: -1 },
        { limit: 1.5 },
        { limit: 2 ** 31 },
        { limit: "1" },
        { status: "open" },
        { status: null },
        { claimability: "yes" },
        { phase: [] },
        { status: [] },
        { order: "id" },
        null,
        "text"
      ]) {
        yield* invalid(backlog.list(options as never))
      }
    })
  )

  test(
    "refuses input with the tag of another command",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create(input("a"))
      yield* writesNothing(Effect.exit(backlog.reopen({ id: "a", actor: "ann", _tag: "Complete" } as never)))
      yield* invalid(backlog.reopen({ id: "a", actor: "ann", _tag: "Complete", force: true } as never))
    })
  )
}
