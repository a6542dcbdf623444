import { describe, expect, it } from "@effect/vitest"
import { Arbitrary, Effect } from "effect"
import {
  type BacklogState,
  commandArbitrary,
  emptyModel,
  explainCard,
  generateProgram,
  checkInvariants,
  type Model,
  type ModelCard,
  newCardArbitrary,
  shrink,
  computeStats,
  step
} from "../../src/testing/index.ts"

const start = Date.parse("2026-01-01T00:00:00Z")
const commandLists = Arbitrary.array(commandArbitrary(), { maxLength: 60 })

const stateOf = (model: Model, time: number): BacklogState => ({
  cards: [...model.cards.values()],
  time,
  stats: computeStats(model, time)
})

describe("the model", () => {
  it.prop(
    "the model keeps every invariant and returns the same outcome for a repeated command id",
    [commandLists],
    ([commands]) => {
      let model = emptyModel
      let now = start
      for (const command of commands) {
        now += 30_000
        const [after, outcome] = step(model, command, now)
        expect(checkInvariants(stateOf(after, now))).toEqual([])
        if (command.commandId !== undefined) expect(step(after, command, now + 1)).toEqual([after, outcome])
        if (outcome._tag === "Refused") expect(after.cards).toEqual(model.cards)
        model = after
      }
      for (const { id, status } of model.cards.values()) {
        expect(explainCard(model, id, now)?.status).toBe(status)
      }
    },
    { arbitrary: { runs: 100, size: 60 } }
  )

  it.effect("the arbitraries generate every command", () =>
    Effect.gen(function* () {
      const tags = new Set<string>()
      for (const command of yield* Arbitrary.sampleEffect(commandArbitrary(), { count: 400, seed: 1 })) {
        tags.add(command._tag)
      }
      expect(tags.size).toBe(15)
      const pools = { ids: ["only"] }
      for (const card of yield* Arbitrary.sampleEffect(newCardArbitrary(pools), { count: 20, seed: 1 })) {
        expect(card.id).toBe("only")
      }
    })
  )
})

describe("invariants", () => {
  const cardsAfter = (...commands: ReadonlyArray<Parameters<typeof step>[1]>): ReadonlyArray<ModelCard> => {
    let model = emptyModel
    for (const command of commands) [model] = step(model, command, start)
    return [...model.cards.values()]
  }
  const actor = "w1"
  const [ready] = cardsAfter({ _tag: "Create", id: "a", title: "A", actor }) as [ModelCard]
  const [claimed] = cardsAfter(
    { _tag: "Create", id: "a", title: "A", actor },
    { _tag: "Claim", owner: "w1", actor }
  ) as [ModelCard]

  it("a healthy backlog has no violations", () => {
    expect(checkInvariants(stateOf({ cards: new Map([["a", claimed]]), receipts: new Map() }, start))).toEqual([])
  })

  it.each<readonly [string, ReadonlyArray<ModelCard>]>([
    ["a claim without a token", [{ ...claimed, claimToken: null }]],
    ["a token without an event", [{ ...claimed, claimToken: 3 }]],
    ["a done card that is claimed", [{ ...claimed, status: "done", completedAt: claimed.updatedAt }]],
    ["a done card without a completion time", [{ ...ready, status: "done" }]],
    ["a ready card with a result", [{ ...ready, result: 1 }]],
    ["a ready card with a reason", [{ ...ready, blockedReason: "legal" }]],
    ["a claimed card with a retry time", [{ ...claimed, notBefore: claimed.updatedAt }]],
    ["more attempts than events", [{ ...claimed, attempts: 2 }]],
    ["a duplicate id", [ready, ready]],
    [
      "a duplicate idempotency key",
      [
        { ...ready, idempotencyKey: "k" },
        { ...ready, id: "b", idempotencyKey: "k" }
      ]
    ],
    [
      "a cycle",
      [
        { ...ready, dependsOn: ["b"] },
        { ...ready, id: "b", dependsOn: ["c"] },
        { ...ready, id: "c", dependsOn: ["a"] }
      ]
    ],
    ["dependencies out of order", [{ ...ready, dependsOn: ["c", "b"] }]]
  ])("%s is a violation", (_what, cards) => {
    expect(checkInvariants({ cards, time: start })).toHaveLength(1)
  })

  it("wrong counts and lists are violations", () => {
    const stats = computeStats({ cards: new Map([["a", ready]]) }, start)
    expect(checkInvariants({ cards: [ready], time: start, stats, claimable: ["a"] })).toEqual([])
    expect(checkInvariants({ cards: [ready], time: start, stats: { ...stats, claimable: 0 } })).toHaveLength(1)
    expect(checkInvariants({ cards: [ready], time: start, claimable: [] })).toHaveLength(1)
  })
})

describe("programs", () => {
  it("programs depend only on their seed", () => {
    expect(generateProgram(7)).toEqual(generateProgram(7))
    expect(generateProgram(7)).not.toEqual(generateProgram(8))
  })

  it.effect("a failing program is shrunk to the steps that matter", () =>
    Effect.gen(function* () {
      let tried = 0
      const items = Array.from({ length: 60 }, (_, index) => index)
      const smallest = yield* shrink(items, (some) =>
        Effect.sync(() => {
          tried++
          return some.includes(17) && some.includes(42)
        })
      )
      expect(smallest).toEqual([17, 42])
      expect(tried).toBeLessThan(100)
    })
  )
})
