import { DateTime, Effect, Option } from "effect"
import { expect } from "vitest"
import type { Card } from "../../../src/domain/Card.ts"
import { AuditService } from "../../../src/services/AuditService.ts"
import type { ListInput } from "../../../src/services/BacklogInput.ts"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { BacklogTestClock } from "../../../src/services/layers.ts"
import { after, ids, input, invalid, refusal, type Test, utc } from "./harness.ts"

/** Thirty cards in every state, created and changed at different times. The clock then is after the start. */
const mixed = Effect.gen(function* () {
  const backlog = yield* BacklogService
  const clock = yield* BacklogTestClock
  const labels = [["ui"], ["rust", "ui"], [], ["rust"]]
  for (let index = 0; index < 30; index++) {
    yield* backlog.create({
      id: `c${index}`,
      title: `Card number ${index}`,
      priority: index % 4,
      labels: labels[index % labels.length],
      phase: index % 3 === 0 ? null : `p${index % 3}`,
      dependsOn: index % 7 === 6 ? ["c0"] : [],
      status: index % 10 === 9 ? "blocked" : "ready",
      ...(index % 11 === 10 ? { notBefore: utc(after(10_000)), status: "ready" as const } : {}),
      body: index % 5 === 0 ? "mentions the Zebra crossing" : null,
      actor: "ann"
    })
    yield* clock.advance("1 second")
  }
  for (const owner of ["w", "w", "v"])
    yield* backlog.claim({ owner, ttlSeconds: owner === "v" ? 10 : 5000, actor: owner })
  for (const id of ["c1", "c8", "c4"]) {
    yield* clock.advance("1 second")
    yield* backlog.complete({ id, force: true, actor: "ann" })
  }
  yield* clock.advance("1 minute")
  return { backlog, now: yield* clock.now }
})

type Filter = Omit<ListInput, "fields">

const matches = (card: Card, all: ReadonlyMap<string, Card>, now: DateTime.Utc, filter: Filter): boolean => {
  const waits = card.dependsOn.some((id) => all.get(id)?.status !== "done")
  const isLater = card.notBefore !== null && DateTime.isGreaterThan(card.notBefore, now)
  const claimability =
    card.status === "ready"
      ? waits
        ? "waiting"
        : isLater
          ? "deferred"
          : "claimable"
      : card.status === "claimed" &&
          card.claimExpiresAt !== null &&
          DateTime.isLessThanOrEqualTo(card.claimExpiresAt, now)
        ? "expired"
        : undefined
  const words = `${card.id} ${card.title} ${card.body ?? ""}`.toLowerCase().split(/[^a-z0-9]+/)
  return (
    (filter.status === undefined || [filter.status].flat().includes(card.status)) &&
    (filter.claimability === undefined || claimability === filter.claimability) &&
    (filter.phase === undefined || (card.phase !== null && [filter.phase].flat().includes(card.phase))) &&
    (filter.labels ?? []).every((label) => card.labels.includes(label)) &&
    !(filter.withoutLabels ?? []).some((label) => card.labels.includes(label)) &&
    (filter.owner === undefined || card.claimOwner === filter.owner) &&
    card.priority >= (filter.minPriority ?? -Infinity) &&
    card.priority <= (filter.maxPriority ?? Infinity) &&
    (filter.changedSince === undefined || DateTime.isGreaterThanOrEqualTo(card.updatedAt, filter.changedSince)) &&
    (filter.text ?? "")
      .toLowerCase()
      .split(" ")
      .every((word) => words.some((each) => each.startsWith(word)))
  )
}

const filters: ReadonlyArray<Filter> = [
  {},
  { status: ["claimed", "done"] },
  { status: "ready", phase: "p1" },
  { phase: ["p1", "p2"] },
  { claimability: "claimable" },
  { claimability: "waiting" },
  { claimability: "deferred" },
  { claimability: "expired" },
  { claimability: "claimable", status: "done" },
  { labels: ["rust"] },
  { labels: ["ui", "rust"], withoutLabels: ["go"] },
  { withoutLabels: ["ui"] },
  { owner: "w" },
  { owner: "v", claimability: "expired" },
  { minPriority: 1, maxPriority: 2 },
  { changedSince: utc(after(20)) },
  { text: "zeb" },
  { text: "NUMBER cross" },
  { text: "c1" },
  { text: "nowhere" },
  { text: "number", labels: ["rust"], claimability: "claimable", minPriority: 1 }
]

const orders = ["claim", "changed", "created", "completed"] as const

/** Lists with every filter and order, and search. */
export const lists = (test: Test): void => {
  test(
    "lists combine all filters with every order, page by page in both directions",
    Effect.gen(function* () {
      const { backlog, now } = yield* mixed
      const everything = yield* backlog.list()
      const all = new Map<string, Card>(everything.map((card) => [card.id, card]))
      const positions = new Map<string, number>()
      const audit = yield* AuditService
      const past = yield* audit.backlogAt({ time: now })
      for (const [index, id] of ids(yield* past.list({ order: "changed" })).entries()) positions.set(id, index)
      expect(positions.size).toBe(30)
      const time = (at: DateTime.Utc | null) => (at === null ? 0 : DateTime.toEpochMillis(at))
      const compare = {
        claim: () => 0,
        changed: (one: Card, other: Card) => (positions.get(one.id) ?? 0) - (positions.get(other.id) ?? 0),
        created: (one: Card, other: Card) => time(other.createdAt) - time(one.createdAt),
        completed: (one: Card, other: Card) => time(other.completedAt) - time(one.completedAt)
      }
      for (const filter of filters) {
        for (const order of orders) {
          const expected = ids(
            everything
              .filter((card) => matches(card, all, now, filter) && (order !== "completed" || card.status === "done"))
              .toSorted(compare[order])
          )
          const label = JSON.stringify({ ...filter, order })
          expect([label, ids(yield* backlog.list({ ...filter, order }))]).toEqual([label, expected])
          const { text, ...pastFilter } = filter
          if (text === undefined)
            expect([label, ids(yield* past.list({ ...pastFilter, order }))]).toEqual([label, expected])
          const forward: Array<string> = []
          for (let place: string | undefined; ;) {
            const page: ReadonlyArray<string> = ids(yield* backlog.list({ ...filter, order, limit: 4, after: place }))
            forward.push(...page)
            place = page.at(-1)
            if (page.length < 4) break
          }
          expect([label, forward]).toEqual([label, expected])
          const last = expected.at(-1)
          if (last === undefined) continue
          const before = ids(yield* backlog.list({ ...filter, order, limit: 3, before: last }))
          expect([label, before]).toEqual([label, expected.slice(0, -1).slice(-3)])
          if (text === undefined) {
            expect(ids(yield* past.list({ ...pastFilter, order, limit: 3, before: last }))).toEqual(before)
          }
        }
      }
    })
  )

  test(
    "the last changed card is the first in the order of changes",
    Effect.gen(function* () {
      const { backlog } = yield* mixed
      yield* backlog.note({ id: "c13", text: "x", actor: "ann" })
      yield* backlog.revise({ id: "c2", title: "Renamed", actor: "ann" })
      expect(ids(yield* backlog.list({ order: "changed", limit: 2 }))).toEqual(["c2", "c13"])
      expect(ids(yield* backlog.list({ order: "completed" }))).toEqual(["c4", "c8", "c1"])
      // An empty page would be taken for the end.
      yield* backlog.reopen({ id: "c8", actor: "ann" })
      const past = yield* (yield* AuditService).backlogAt({ time: yield* (yield* BacklogTestClock).now })
      for (const list of [backlog.list, past.list]) {
        yield* invalid(list({ order: "completed", after: "c8" }))
        yield* invalid(list({ order: "completed", before: "c8" }))
        expect(ids(yield* list({ order: "completed", after: "c4" }))).toEqual(["c1"])
        expect(ids(yield* list({ order: "completed", after: "c1" }))).toEqual([])
      }
      expect(ids(yield* backlog.list({ order: "created", limit: 2 }))).toEqual(["c29", "c28"])
    })
  )

  test(
    "a search finds changed words, and no longer the ones before",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const search = (text: string) => Effect.map(backlog.list({ text }), ids)
      yield* backlog.create(
        input("bd-a1b2", {
          title: "Fix the parser's O'Neill case",
          body: "See src/parse.ts & co of Array<string> \\ 'quoted'"
        })
      )
      for (const text of [
        "fix",
        "PARS",
        "bd-a1b2",
        "bd-a1",
        "o'neill",
        "case fix",
        "quoted",
        "'",
        "\\ &",
        "parse.ts",
        "src/pars",
        "Array<Stri"
      ]) {
        const expected = ["'", "\\ &"].includes(text) ? [] : ["bd-a1b2"]
        expect([text, yield* search(text)]).toEqual([text, expected])
      }
      yield* backlog.revise({ id: "bd-a1b2", title: "Replace the lexer", body: null, actor: "ann" })
      expect(yield* search("parser")).toEqual([])
      expect(yield* search("lexer replace")).toEqual(["bd-a1b2"])
      expect(yield* invalid(backlog.list({ text: "" }))).toContain('must not be empty\n  at ["text"]')
      expect(yield* invalid(backlog.list({ text: "x".repeat(501) }))).toContain("at most 500 characters")
      expect(yield* backlog.list({ text: "😀".repeat(500) })).toEqual([])
    })
  )

  test(
    "the beginning of the longest body is searched, and every text is accepted",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const words = Array.from({ length: 90_000 }, (_, index) => `wörd${index}`).join(" ")
      yield* backlog.create(input("long", { body: `first ${words}`.slice(0, 500_000) }))
      yield* backlog.create(input("word", { body: "x".repeat(1024 * 1024) }))
      yield* backlog.create(input("wide", { body: "😀 ".repeat(200_000) }))
      expect(ids(yield* backlog.list({ text: "first wörd7" }))).toEqual(["long"])
      expect(ids(yield* backlog.list({ text: "word" }))).toEqual(["word"])
    })
  )

  test(
    "a page with a card behind thousands of others that do not match is complete, and in order",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const rare = { labels: ["common", "rare"], body: "zebra" }
      yield* backlog.createMany({
        actor: "ann",
        cards: Array.from({ length: 2500 }, (_, index) => ({
          id: `c${`${index}`.padStart(4, "0")}`,
          title: "common",
          priority: index === 2400 ? 1 : 0,
          ...(index === 100 || index >= 2300 ? rare : { labels: ["common"] })
        }))
      })
      const rareFilters: ReadonlyArray<Pick<ListInput, "labels" | "text">> = [
        { labels: ["rare"] },
        { text: "zebra" },
        { text: "common zebra", labels: ["rare"] },
        { text: "zeb", labels: ["common"] }
      ]
      for (const filter of rareFilters) {
        expect(ids(yield* backlog.list({ ...filter, limit: 3 }))).toEqual(["c2400", "c0100", "c2300"])
        expect(ids(yield* backlog.list({ ...filter, after: "c2301", limit: 2 }))).toEqual(["c2302", "c2303"])
        expect(ids(yield* backlog.list({ ...filter, before: "c2302", limit: 2 }))).toEqual(["c2300", "c2301"])
        expect(ids(yield* backlog.list({ ...filter, order: "created", before: "c2301", limit: 2 }))).toEqual([
          "c2303",
          "c2302"
        ])
        expect(yield* backlog.list({ ...filter, order: "completed", limit: 2 })).toEqual([])
      }
      const owned = yield* backlog.claim({ id: "c2450", owner: "w", actor: "w" })
      expect(Option.isSome(owned)).toBe(true)
      expect(ids(yield* backlog.list({ owner: "w", limit: 2 }))).toEqual(["c2450"])
    })
  )

  test(
    "an erased text is no longer found",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const audit = yield* AuditService
      yield* backlog.create(input("a", { body: "the password is hunter2" }))
      yield* backlog.note({ id: "a", text: "hunter2 again", actor: "ann" })
      expect(ids(yield* backlog.list({ text: "hunter2" }))).toEqual(["a"])
      yield* audit.redact({ id: "a", parts: ["body", "text"], reason: "leaked", actor: "auditor" })
      expect(yield* backlog.list({ text: "hunter2" })).toEqual([])
      expect(ids(yield* backlog.list({ text: "redacted" }))).toEqual(["a"])
      expect(Option.getOrThrow(yield* backlog.get("a")).lastNote?.text).toBe("[redacted]")
      expect((yield* backlog.notes({ id: "a" })).map(({ text }) => text)).toEqual(["[redacted]"])
    })
  )

  test(
    "a summary leaves out body, acceptance criteria and result",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create(input("a", { body: "long", acceptance: { rows: 1 } }))
      const [summary] = yield* backlog.list({ fields: "summary" })
      expect(summary).toMatchObject({ id: "a", title: "Card a", labels: [] })
      for (const field of ["body", "acceptance", "result"]) expect(summary).not.toHaveProperty(field)
      expect(yield* backlog.list({ fields: "all" })).toEqual(yield* backlog.list())
    })
  )

  test(
    "a page after and before a card, or around one that does not exist, is refused",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create(input("a"))
      expect(yield* invalid(backlog.list({ after: "a", before: "a" }))).toContain(
        'is not allowed together with after\n  at ["before"]'
      )
      expect(yield* refusal(backlog.list({ before: "b" }))).toEqual({ _tag: "CardNotFound", id: "b" })
    })
  )

  test(
    "claims lists who holds what, with attempts, renewals and the last note",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const clock = yield* BacklogTestClock
      yield* backlog.createMany({
        actor: "ann",
        cards: ["a", "b", "c"].map((id) => ({ id, title: id, labels: ["l"] }))
      })
      const claim = (id: string, owner: string, ttlSeconds: number) =>
        Effect.map(backlog.claim({ id, owner, ttlSeconds, actor: owner }), Option.getOrThrow)
      const first = yield* claim("a", "w", 100)
      yield* clock.advance("1 second")
      yield* backlog.renew({ id: "a", token: first.claimToken, actor: "w" })
      yield* backlog.release({ id: "a", token: first.claimToken, actor: "w" })
      const second = yield* claim("a", "w", 100)
      yield* clock.advance("10 seconds")
      yield* backlog.renew({ id: "a", token: second.claimToken, note: "half done", actor: "w" })
      yield* clock.advance("10 seconds")
      yield* backlog.renew({ id: "a", token: second.claimToken, actor: "w" })
      yield* claim("b", "v", 50)
      yield* claim("c", "w", 60)
      yield* clock.advance("50 seconds")
      const found = yield* backlog.claims()
      expect(found.map(({ attempt, expired, id, owner, renewals }) => [id, owner, expired, attempt, renewals])).toEqual(
        [
          ["b", "v", true, 1, 0],
          ["c", "w", false, 1, 0],
          ["a", "w", false, 2, 2]
        ]
      )
      expect(found[2]).toMatchObject({
        title: "a",
        labels: ["l"],
        token: second.claimToken,
        ttlSeconds: 100,
        lastNote: { text: "half done", actor: "w" }
      })
      expect(found[2]?.expiresAt.toJSON()).toBe(after(121))
      expect(ids(yield* backlog.claims({ owner: "w" }))).toEqual(["c", "a"])
      const [one] = yield* backlog.claims({ limit: 1 })
      const rest = yield* backlog.claims({ after: one?.id, afterExpiresAt: one?.expiresAt })
      expect(ids(rest)).toEqual(["c", "a"])
      expect(yield* invalid(backlog.claims({ after: "a" }))).toContain(
        'must be given together with afterExpiresAt\n  at ["after"]'
      )
      expect(yield* backlog.claims({ owner: "nobody" })).toEqual([])
    })
  )
}
