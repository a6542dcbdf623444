import { Effect, Option } from "effect"
import { expect } from "vitest"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { BacklogTestClock } from "../../../src/services/layers.ts"
import { eventsOf } from "../../support/backlogs.ts"
import { ids, input, invalid, refusal, type Test } from "./harness.ts"

/** Cards with labels, the best first: a, b, c, d, e. */
const labelled = Effect.gen(function* () {
  const backlog = yield* BacklogService
  const labelsOf: Readonly<Record<string, ReadonlyArray<string>>> = {
    a: ["go"],
    b: ["rust", "ui"],
    c: [],
    d: ["rust"],
    e: ["rust", "ui", 'needs "care", \\ and {braces}']
  }
  yield* backlog.createMany({
    actor: "ann",
    cards: Object.entries(labelsOf).map(([id, each], index) => ({ id, title: id, labels: each, priority: -index }))
  })
  return backlog
})

const claimedIds = (cards: ReadonlyArray<{ readonly id: string }>) => ids(cards)

/** Labels, and claims by label. */
export const labels = (test: Test): void => {
  test(
    "labels are sorted and without duplicates",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const card = yield* backlog.create(input("a", { labels: ["ui", "𝒜", "ﬀ", "ui", "Go"] }))
      expect(card.labels).toEqual(["Go", "ui", "ﬀ", "𝒜"])
      expect(Option.getOrThrow(yield* backlog.get("a")).labels).toEqual(card.labels)
    })
  )

  test(
    "a revision adds and removes labels, and records all of them",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create(input("a", { labels: ["old", "kept"] }))
      const revised = yield* backlog.revise({
        id: "a",
        addLabels: ["new", "both"],
        removeLabels: ["old", "both", "none"],
        actor: "ann"
      })
      expect(revised.labels).toEqual(["both", "kept", "new"])
      expect((yield* eventsOf("a"))[1]).toMatchObject({ type: "CardRevised", labels: ["both", "kept", "new"] })
      const same = yield* backlog.revise({ id: "a", addLabels: ["kept"], removeLabels: ["none"], actor: "ann" })
      expect(same.version).toBe(2)
      expect((yield* backlog.revise({ id: "a", removeLabels: ["both", "kept", "new"], actor: "ann" })).labels).toEqual(
        []
      )
    })
  )

  test(
    "a card has at most 32 labels",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const many = Array.from({ length: 32 }, (_, index) => `l${index}`)
      yield* backlog.create(input("a", { labels: many }))
      const refused = yield* refusal(backlog.revise({ id: "a", addLabels: ["l1", "one more"], actor: "ann" }))
      expect(refused).toEqual({ _tag: "TooManyLabels", id: "a", count: 33 })
      yield* backlog.revise({ id: "a", addLabels: ["one more"], removeLabels: ["l1"], actor: "ann" })
      expect(yield* invalid(backlog.create(input("b", { labels: [...many, "l32"] })))).toContain(
        'must be at most 32 labels\n  at ["labels"]'
      )
    })
  )

  test(
    "a claim takes the best card that has all the labels",
    Effect.gen(function* () {
      const backlog = yield* labelled
      const claim = (filter: object) =>
        Effect.map(
          backlog.claim({ owner: "w", actor: "w", ...filter }),
          Option.map(({ id }) => id)
        )
      expect(yield* claim({ labels: ["nowhere"] })).toEqual(Option.none())
      expect(yield* claim({ labels: ["rust", "nowhere"] })).toEqual(Option.none())
      expect(yield* claim({ labels: ['needs "care", \\ and {braces}'] })).toEqual(Option.some("e"))
      expect(yield* claim({ labels: ["ui", "rust"] })).toEqual(Option.some("b"))
      expect(yield* claim({ labels: ["rust", "ui"] })).toEqual(Option.none())
      expect(yield* claim({ labels: ["rust"] })).toEqual(Option.some("d"))
      expect(yield* claim({ labels: [] })).toEqual(Option.some("a"))
    })
  )

  test(
    "a claim with several labels passes over better cards that have only the rarest of them",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const card = (id: string, priority: number, all: ReadonlyArray<string>) => ({
        id,
        title: id,
        priority,
        labels: all
      })
      const both = ["common", "rare"]
      yield* backlog.createMany({
        actor: "ann",
        cards: [
          ...["1", "2", "3", "4"].map((id) => card(id, 10, ["common"])),
          card("rare, first", 10, ["rare"]),
          card("rare, second", 9, ["rare"]),
          card("best", 5, both),
          card("last", 1, both)
        ]
      })
      const claim = Effect.map(
        backlog.claim({ owner: "w", labels: both, actor: "w" }),
        Option.map(({ id }) => id)
      )
      expect(yield* claim).toEqual(Option.some("best"))
      expect(yield* claim).toEqual(Option.some("last"))
      expect(yield* claim).toEqual(Option.none())
    })
  )

  test(
    "a claim takes no card that has one of the excluded labels",
    Effect.gen(function* () {
      const backlog = yield* labelled
      const many = (filter: object) =>
        Effect.map(backlog.claimMany({ owner: "w", actor: "w", limit: 2, ...filter }), claimedIds)
      expect(yield* many({ withoutLabels: ["go", "ui"] })).toEqual(["c", "d"])
      expect(yield* many({ labels: ["rust"], withoutLabels: ["go"], minPriority: -3 })).toEqual(["b"])
      expect(yield* many({ withoutLabels: ["go", "rust"] })).toEqual([])
      expect(yield* many({})).toEqual(["a", "e"])
    })
  )

  test(
    "a claim by label in a phase, and a claim that follows a completion",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const rust = ["rust"]
      yield* backlog.createMany({
        actor: "ann",
        cards: [
          { id: "first", title: "1" },
          { id: "other", title: "2", labels: rust, phase: "test" },
          { id: "next", title: "3", labels: rust, phase: "build", dependsOn: ["first"] },
          { id: "excluded", title: "4", labels: ["rust", "big"], phase: "build", priority: 5 }
        ]
      })
      const { claimToken } = Option.getOrThrow(yield* backlog.claim({ id: "first", owner: "w", actor: "w" }))
      const filter = { labels: rust, phase: "build", withoutLabels: ["big"] }
      const claimNext = { owner: "w", ...filter }
      const { next } = yield* backlog.complete({ id: "first", token: claimToken, claimNext, actor: "w" })
      expect(next?.id).toBe("next")
      expect((yield* backlog.whyNothingClaimable(filter)).reason).toBe("Claimed")
      const none = yield* backlog.claim({ owner: "w", phase: "build", withoutLabels: ["rust"], actor: "w" })
      expect(none).toEqual(Option.none())
    })
  )

  test(
    "a label counts for claims from when the card is claimable, and no longer than that",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const clock = yield* BacklogTestClock
      const isClaimable = backlog.awaitClaimable({ labels: ["rust"], waitSeconds: 0 })
      const claim = backlog.claim({ owner: "w", labels: ["rust"], ttlSeconds: 60, actor: "w" })
      yield* backlog.createMany({
        actor: "ann",
        cards: [
          { id: "a", title: "A", labels: ["rust"], dependsOn: ["b"] },
          { id: "b", title: "B" }
        ]
      })
      expect(yield* isClaimable).toBe(false)
      expect((yield* backlog.whyNothingClaimable({ labels: ["rust"] })).reason).toBe("Waiting")
      yield* backlog.complete({ id: "b", actor: "ann" })
      expect(yield* isClaimable).toBe(true)
      const one = Option.getOrThrow(yield* claim)
      expect(yield* claim).toEqual(Option.none())
      yield* backlog.release({ id: "a", token: one.claimToken, retryAfterSeconds: 30, actor: "w" })
      expect(yield* isClaimable).toBe(false)
      expect((yield* backlog.whyNothingClaimable({ labels: ["rust"] })).reason).toBe("Deferred")
      yield* clock.advance("30 seconds")
      expect(yield* isClaimable).toBe(true)
      expect(Option.isSome(yield* claim)).toBe(true)
      yield* clock.advance("60 seconds")
      expect(yield* isClaimable).toBe(true)
      expect(Option.isSome(yield* claim)).toBe(true)
      yield* backlog.block({ id: "a", actor: "ann" })
      expect(yield* claim).toEqual(Option.none())
      yield* backlog.revise({ id: "a", removeLabels: ["rust"], actor: "ann" })
      yield* backlog.unblock({ id: "a", actor: "ann" })
      expect(yield* claim).toEqual(Option.none())
      expect((yield* backlog.whyNothingClaimable({ labels: ["rust"] })).reason).toBe("NoneChosen")
      yield* backlog.revise({ id: "a", addLabels: ["rust"], priority: 9, actor: "ann" })
      expect(Option.getOrThrow(yield* claim).id).toBe("a")
    })
  )

  test(
    "a claim by id accepts no labels",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create(input("a", { labels: ["rust"] }))
      const problem = yield* invalid(backlog.claim({ id: "a", owner: "w", labels: ["rust"], actor: "w" }))
      expect(problem).toContain('is not allowed in a claim by id\n  at ["labels"]')
    })
  )

  test(
    "awaitClaimable wakes up for a card with the label only",
    Effect.gen(function* () {
      const backlog = yield* labelled
      expect(yield* backlog.awaitClaimable({ labels: ["rust", "ui"], waitSeconds: 0 })).toBe(true)
      expect(yield* backlog.awaitClaimable({ labels: ["rust"], withoutLabels: ["rust"], waitSeconds: 0 })).toBe(false)
      expect(yield* backlog.awaitClaimable({ labels: ["nowhere"], waitSeconds: 0 })).toBe(false)
      expect(yield* backlog.awaitClaimable({ withoutLabels: ["go"], waitSeconds: 0 })).toBe(true)
    })
  )
}
