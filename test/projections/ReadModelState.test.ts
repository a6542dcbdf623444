import { describe, expect, it } from "@effect/vitest"
import type { Card } from "../../src/domain/Card.ts"
import { ReadModelState } from "../../src/projections/ReadModelState.ts"
import { at, backlogAfter, created, id, on } from "../domain/support.ts"

const a = id("a")
const b = id("b")
const c = id("c")

const cardOf = (...history: Parameters<typeof backlogAfter>[0]) => {
  const card = backlogAfter(history).state.card(history[0]?.cardId ?? a)
  if (card === undefined) throw new Error("the first event creates the card")
  return card
}

describe("ReadModelState", () => {
  it("is empty at first", () => {
    const state = new ReadModelState()
    expect(state.card(a)).toBeUndefined()
    expect(state.summary(a)).toBeUndefined()
    expect([state.exists(a), state.isDone(a), state.hasDependents(a)]).toEqual([false, false, false])
    expect(state.unmetDependencies(a)).toBe(0)
    expect(state.dependenciesOf(a)).toEqual([])
    expect([...state.dependentsOf(a)]).toEqual([])
    expect([...state.claimCandidates(at(0)), ...state.expiredClaims(at(0))]).toEqual([])
    expect(state.cardWithKey("k")).toBeUndefined()
  })

  it("holds a card with its counter, its idempotency key and its dependencies", () => {
    const state = new ReadModelState()
    const card = cardOf(created("a", { dependsOn: [b, c], idempotencyKey: "k" }))
    state.putCard(card, 2)
    expect(state.card(a)).toBe(card)
    expect(state.cardWithKey("k")).toBe(card)
    expect(state.summary(a)).toEqual({ status: "ready", notBefore: null, unmetDependencies: 2 })
    expect(state.dependenciesOf(a)).toEqual([b, c])
    expect(state.exists(b)).toBe(false)
  })

  it("holds only a summary of other cards, which exist but cannot be claimed or completed", () => {
    const state = new ReadModelState()
    state.putSummary(a, { status: "done", notBefore: null, unmetDependencies: 0 })
    expect([state.exists(a), state.isDone(a)]).toEqual([true, true])
    expect(state.card(a)).toBeUndefined()
    expect([...state.claimCandidates(at(9))]).toEqual([])
  })

  it("holds each edge of cards that are not loaded once", () => {
    const state = new ReadModelState()
    state.putDependency(a, b)
    state.putDependency(a, c)
    state.putDependency(a, b)
    expect(state.dependenciesOf(a)).toEqual([b, c])
    expect([...state.dependentsOf(b)]).toEqual([a])
    expect(state.hasDependents(b)).toBe(true)
    expect(state.hasDependents(a)).toBe(false)
  })

  it("reads the edges of a loaded card from the card alone", () => {
    const state = new ReadModelState()
    state.putCard(cardOf(created("a", { dependsOn: [b] })), 1)
    state.putDependency(a, b)
    expect(state.dependenciesOf(a)).toEqual([b])
    expect([...state.dependentsOf(b)]).toEqual([a])
  })

  it("applies row changes", () => {
    const state = new ReadModelState()
    const card = cardOf(created("a", { dependsOn: [b] }))
    state.apply({ _tag: "CardChanged", card, content: true, noted: false })
    state.apply({ _tag: "DependencyAdded", cardId: a, dependsOnId: b })
    state.apply({ _tag: "UnmetDependenciesChanged", cardId: a, unmetDependencies: 1 })
    expect([state.unmetDependencies(a), state.hasDependents(b)]).toEqual([1, true])

    state.apply({ _tag: "CardChanged", card: { ...card, priority: 1 }, content: true, noted: false })
    expect([state.unmetDependencies(a), state.card(a)?.priority]).toEqual([1, 1])

    state.apply({ _tag: "DependencyRemoved", cardId: a, dependsOnId: b })
    state.apply({ _tag: "UnmetDependenciesChanged", cardId: a, unmetDependencies: 0 })
    expect([state.unmetDependencies(a), state.hasDependents(b)]).toEqual([0, false])
    expect(state.summary(a)).toEqual({ status: "ready", notBefore: null, unmetDependencies: 0 })
  })

  it("ignores counters and edges of unknown cards", () => {
    const state = new ReadModelState()
    state.apply({ _tag: "UnmetDependenciesChanged", cardId: a, unmetDependencies: 1 })
    state.apply({ _tag: "DependencyRemoved", cardId: a, dependsOnId: b })
    expect(state.summary(a)).toBeUndefined()
  })

  it("offers cards in claim order, also after that order has changed", () => {
    const { state } = backlogAfter([
      created("a", {}, at(2)),
      created("b", {}, at(1)),
      created("c", { priority: 1 }, at(3))
    ])
    const order = () => [...state.claimCandidates(at(9))].map((card) => card.id)
    expect(order()).toEqual([c, b, a])
    state.putCard(cardOf(created("a", { priority: 2 })), 0)
    expect(order()).toEqual([a, c, b])
  })

  it("returns expired claims in the order of ids", () => {
    const claimed = (card: string, expires: number) =>
      on(card, { _tag: "CardClaimed", owner: "w", ttlSeconds: 60, expiresAt: at(expires), generation: 0 })
    const { state } = backlogAfter([
      created("a"),
      created("b"),
      created("c"),
      claimed("c", 2),
      claimed("b", 1),
      created("d"),
      claimed("d", 3)
    ])
    const expired = (minute: number) => state.expiredClaims(at(minute)).map((card) => card.id)
    expect([0, 1, 2].map(expired)).toEqual([[], [b], [b, c]])
    expect(expired(1)).toEqual([b])
    state.apply({
      _tag: "CardChanged",
      card: { ...cardOf(created("b")), status: "done" },
      content: false,
      noted: false
    })
    expect(expired(2)).toEqual([c])
  })

  it("does not offer a claimed card until its claim has expired or it is ready again", () => {
    const { state } = backlogAfter([
      created("a", { priority: 2 }),
      created("b", { priority: 1 }),
      created("c"),
      on("a", { _tag: "CardClaimed", owner: "w", ttlSeconds: 60, expiresAt: at(2), generation: 0 })
    ])
    const offered = (minute: number) => [...state.claimCandidates(at(minute))].map((card) => card.id)
    expect(offered(1)).toEqual([b, c])
    expect(offered(2)).toEqual([a, b, c])
    const change = (card: Card) => state.apply({ _tag: "CardChanged", card, content: false, noted: false })
    const second = cardOf(created("b", { priority: 1 }))
    change({ ...second, status: "blocked" })
    expect(offered(2)).toEqual([a, c])
    change(second)
    expect(offered(2)).toEqual([a, b, c])
  })
})
