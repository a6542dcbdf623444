import { DateTime, Effect, Option, Schema } from "effect"
import { expect } from "vitest"
import { ClaimOutlook } from "../../../src/domain/ClaimOutlook.ts"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { BacklogTestClock } from "../../../src/services/layers.ts"
import { whyNothingClaimable as modelOutlook } from "../../../src/testing/index.ts"
import { plain } from "../../support/backlogs.ts"
import { after, ids, input, invalid, refusal, type Test, utc } from "./harness.ts"

const encodeOutlook = Schema.encodeSync(ClaimOutlook)

/** Creates cards in every state. The clock then is one minute after the start. */
const cardsInEveryState = Effect.gen(function* () {
  const backlog = yield* BacklogService
  const clock = yield* BacklogTestClock
  const phases = ["build", "Build", "test", undefined]
  yield* backlog.createMany({
    actor: "ann",
    cards: Array.from({ length: 24 }, (_, index) => {
      const phase = phases[index % 4]
      return {
        id: `c${index}`,
        title: "T",
        priority: index % 3,
        ...(phase === undefined ? {} : { phase }),
        status: index % 6 === 4 ? ("blocked" as const) : index % 6 === 5 ? ("done" as const) : ("ready" as const),
        dependsOn: index % 5 === 0 ? [`c${(index + 5) % 24}`, "c11"] : [],
        occurredAt: utc(after(-(index % 4) * 100))
      }
    })
  })
  yield* backlog.claim({ owner: "w", ttlSeconds: 30, actor: "w" })
  yield* backlog.claim({ owner: "w", ttlSeconds: 300, actor: "w" })
  const returned = Option.getOrThrow(yield* backlog.claim({ owner: "w", actor: "w" }))
  yield* backlog.release({ id: returned.id, token: returned.claimToken ?? 0, retryAfterSeconds: 600, actor: "w" })
  yield* clock.advance("1 minute")
  return { backlog, deferred: returned.id }
})

/** Queries. */
export const queries = (test: Test): void => {
  test(
    "list filters by status, phase and claimability, in claim order",
    Effect.gen(function* () {
      const { backlog } = yield* cardsInEveryState
      const everything = (yield* backlog.list()).map(plain)
      expect(everything.length).toBe(24)
      const claimable = new Set<string>()
      for (const { id } of everything) if ((yield* backlog.explain(id)).claimable) claimable.add(id)
      expect(claimable.size).toBeGreaterThan(3)
      for (const status of [undefined, "ready", "claimed", "blocked", "done"] as const) {
        for (const phase of [undefined, "build", "Build", "test", "nowhere"]) {
          for (const claimability of [undefined, "claimable"] as const) {
            const expected = everything.filter(
              (card) =>
                (status === undefined || card.status === status) &&
                (phase === undefined || card.phase === phase) &&
                (claimability === undefined || claimable.has(card.id))
            )
            const options = {
              ...(status === undefined ? {} : { status }),
              ...(phase === undefined ? {} : { phase }),
              ...(claimability === undefined ? {} : { claimability })
            }
            expect((yield* backlog.list(options)).map(plain)).toEqual(expected)
          }
        }
      }
    })
  )

  test(
    "list returns each card on one page",
    Effect.gen(function* () {
      const { backlog } = yield* cardsInEveryState
      for (const options of [
        {},
        { status: "ready" as const },
        { claimability: "claimable" as const },
        { phase: "build" }
      ]) {
        const whole = ids(yield* backlog.list(options))
        expect(whole.length).toBeGreaterThan(4)
        for (const limit of [1, 3, 100]) {
          const paged: Array<string> = []
          for (;;) {
            const last = paged.at(-1)
            const page = yield* backlog.list({ ...options, limit, ...(last === undefined ? {} : { after: last }) })
            expect(page.length).toBeLessThanOrEqual(limit)
            if (page.length === 0) break
            paged.push(...ids(page))
          }
          expect(paged).toEqual(whole)
        }
      }
      // The next page starts after a card that is no longer in the list.
      const ready = ids(yield* backlog.list({ claimability: "claimable" }))
      const [first = ""] = ready
      yield* backlog.block({ id: first, actor: "ann" })
      expect(ids(yield* backlog.list({ claimability: "claimable", after: first }))).toEqual(ready.slice(1))
    })
  )

  test(
    "stats of an empty backlog are zero",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      expect(yield* backlog.stats).toEqual({
        counts: { ready: 0, claimed: 0, blocked: 0, done: 0 },
        total: 0,
        claimable: 0,
        waiting: 0,
        oldestReadyAgeSeconds: null,
        expiredClaimCount: 0
      })
      expect(yield* backlog.list()).toEqual([])
    })
  )

  test(
    "stats counts the cards that list returns",
    Effect.gen(function* () {
      const { backlog } = yield* cardsInEveryState
      const cards = yield* backlog.list()
      const ready = cards.filter((card) => card.status === "ready")
      const count = (status: string) => cards.filter((card) => card.status === status).length
      const isDone = new Set(ids(cards.filter((card) => card.status === "done")))
      expect(yield* backlog.stats).toEqual({
        counts: { ready: count("ready"), claimed: 2, blocked: 4, done: 4 },
        total: 24,
        claimable: (yield* backlog.list({ claimability: "claimable" })).length,
        waiting: ready.filter((card) => card.dependsOn.some((id) => !isDone.has(id))).length,
        oldestReadyAgeSeconds: 360,
        expiredClaimCount: 1
      })
    })
  )

  test(
    "stats returns the age of the oldest ready card by its business time",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const clock = yield* BacklogTestClock
      yield* backlog.create(input("old", { occurredAt: utc(after(-1000)) }))
      yield* backlog.create(input("new"))
      yield* clock.advance("1250 millis")
      expect((yield* backlog.stats).oldestReadyAgeSeconds).toBe(1001.25)
      yield* backlog.complete({ id: "old", actor: "ann" })
      expect((yield* backlog.stats).oldestReadyAgeSeconds).toBe(1.25)
      yield* backlog.block({ id: "new", actor: "ann" })
      expect((yield* backlog.stats).oldestReadyAgeSeconds).toBe(null)
    })
  )

  test(
    "explain returns all obstacles of a card",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create(input("done", { status: "done" as const }))
      yield* backlog.create(input("open"))
      yield* backlog.create(input("blocked", { status: "blocked" as const, dependsOn: ["done", "open"] }))
      const unmet = { _tag: "UnmetDependencies", dependencies: [{ id: "open", status: "ready" }] }
      expect(yield* backlog.explain("open")).toEqual({
        id: "open",
        status: "ready",
        claimable: true,
        obstacles: []
      })
      expect(yield* backlog.explain("blocked")).toEqual({
        id: "blocked",
        status: "blocked",
        claimable: false,
        obstacles: [{ _tag: "Blocked", reason: null }, unmet]
      })
      expect(yield* backlog.explain("done")).toEqual({
        id: "done",
        status: "done",
        claimable: false,
        obstacles: [{ _tag: "Done", completedAt: utc(after(0)) }]
      })
      yield* backlog.create(input("later"))
      yield* backlog.claim({ id: "later", owner: "w", actor: "w" })
      yield* backlog.release({ id: "later", token: 2, retryAfterSeconds: 5, actor: "w" })
      yield* backlog.link({ from: "later", to: "open", actor: "ann" })
      expect((yield* backlog.explain("later")).obstacles).toEqual([{ _tag: "NotYet", notBefore: utc(after(5)) }, unmet])
      yield* backlog.claim({ id: "open", owner: "w", actor: "w" })
      expect((yield* backlog.explain("blocked")).obstacles[1]).toEqual({
        _tag: "UnmetDependencies",
        dependencies: [{ id: "open", status: "claimed" }]
      })
      expect(yield* refusal(backlog.explain("nowhere"))).toEqual({ _tag: "CardNotFound", id: "nowhere" })
    })
  )

  test(
    "whyNothingClaimable equals the model, with and without a filter",
    Effect.gen(function* () {
      const { backlog } = yield* cardsInEveryState
      const clock = yield* BacklogTestClock
      const reasons = new Set<string>()
      const expectModelOutlook = Effect.gen(function* () {
        const cards = new Map((yield* backlog.list()).map((card) => [card.id as string, plain(card)]))
        const now = DateTime.toEpochMillis(yield* clock.now)
        for (const phase of [undefined, "build", "Build", "nowhere"]) {
          for (const minPriority of [undefined, 2, 3]) {
            const choice = {
              ...(phase === undefined ? {} : { phase }),
              ...(minPriority === undefined ? {} : { minPriority })
            }
            const outlook = yield* backlog.whyNothingClaimable(choice)
            expect({ choice, ...encodeOutlook(outlook) }).toEqual({ choice, ...modelOutlook({ cards }, now, choice) })
            const { claimable } = outlook.counts
            expect(yield* backlog.awaitClaimable({ ...choice, waitSeconds: 0 })).toBe(claimable > 0)
            reasons.add(outlook.reason)
          }
        }
      })
      // One claim has expired and is not reclaimed yet.
      expect((yield* backlog.stats).expiredClaimCount).toBe(1)
      yield* expectModelOutlook
      yield* backlog.claimMany({ owner: "w", limit: 100, ttlSeconds: 300, actor: "w" })
      yield* expectModelOutlook
      // All claimed cards become deferred.
      for (const { claimToken, id } of yield* backlog.list({ status: "claimed" })) {
        yield* backlog.release({ id, token: claimToken ?? 0, retryAfterSeconds: 60, actor: "w" })
      }
      yield* expectModelOutlook
      // Retry times have passed, and no claim has run since.
      yield* clock.advance("1 hour")
      yield* expectModelOutlook
      for (const { id } of yield* backlog.list({ claimability: "claimable" })) yield* backlog.block({ id, actor: "w" })
      yield* expectModelOutlook
      for (const { id } of yield* backlog.list()) yield* backlog.complete({ id, force: true, actor: "w" })
      yield* expectModelOutlook
      expect([...reasons].sort()).toEqual([
        "Blocked",
        "Claimable",
        "Claimed",
        "Deferred",
        "Done",
        "NoneChosen",
        "Waiting"
      ])
    })
  )

  test(
    "whyNothingClaimable of an empty backlog is Empty",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const nothing = { claimable: 0, claimed: 0, deferred: 0, waiting: 0, blocked: 0 }
      for (const choice of [undefined, { phase: "build" }]) {
        expect(yield* backlog.whyNothingClaimable(choice)).toEqual({
          reason: "Empty",
          counts: nothing,
          soonestExpiry: null,
          soonestRetry: null,
          nearest: null
        })
      }
      for (const wrong of [{ phase: "" }, { minPriority: 1.5 }, { waitSeconds: 3601 }, { waitSeconds: -1 }]) {
        expect(yield* invalid(backlog.awaitClaimable(wrong))).toContain(Object.keys(wrong)[0])
      }
      expect(yield* invalid(backlog.whyNothingClaimable({ phase: "\u0007" }))).toContain("phase")
      for (const wrong of [{ id: "" }, { token: 0 }, { waitSeconds: 3601 }]) {
        expect(yield* invalid(backlog.awaitClaimEnd({ id: "a", token: 2, ...wrong }))).toContain(Object.keys(wrong)[0])
      }
    })
  )

  test(
    "awaitClaimEnd returns whether a claim has ended, which an expired claim has not until it is reclaimed",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const clock = yield* BacklogTestClock
      const hasEnded = (token: number, id = "a") => backlog.awaitClaimEnd({ id, token, waitSeconds: 0 })
      yield* backlog.create({ id: "a", title: "A", actor: "ann" })
      expect(yield* hasEnded(2)).toBe(true)
      yield* backlog.claim({ id: "a", owner: "w", ttlSeconds: 60, actor: "w" })
      yield* clock.advance("2 minutes")
      expect([yield* hasEnded(2), yield* hasEnded(1), yield* hasEnded(2, "missing")]).toEqual([false, true, true])
      yield* backlog.renew({ id: "a", token: 2, actor: "w" })
      expect(yield* hasEnded(2)).toBe(false)
      yield* backlog.block({ id: "a", actor: "ann" })
      expect(yield* hasEnded(2)).toBe(true)
    })
  )
}
