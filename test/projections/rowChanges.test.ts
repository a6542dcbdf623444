import { describe, expect, it } from "@effect/vitest"
import { Schema } from "effect"
import { Card } from "../../src/domain/Card.ts"
import type { Event } from "../../src/domain/Event.ts"
import { type RowChange, rowChanges } from "../../src/projections/rowChanges.ts"
import { streamEventArbitrary } from "../domain/arbitraries.ts"
import { at, backlogAfter, created, type TimedEvent, id, on } from "../domain/support.ts"

const encodeCard = Schema.encodeSync(Card)

/** A row change as a line of text. */
const line = (change: RowChange): string => {
  switch (change._tag) {
    case "CardChanged":
      return `card ${change.card.id} is ${change.card.status}, version ${change.card.version}${change.content ? ", content" : ""}`
    case "DependencyAdded":
      return `edge ${change.cardId} → ${change.dependsOnId} added`
    case "DependencyRemoved":
      return `edge ${change.cardId} → ${change.dependsOnId} removed`
    case "UnmetDependenciesChanged":
      return `card ${change.cardId} waits for ${change.unmetDependencies}`
  }
}

const changesAfter = (history: ReadonlyArray<TimedEvent>, { cardId, event, occurredAt }: TimedEvent) => {
  const { state } = backlogAfter(history)
  const version = (state.card(cardId)?.version ?? 0) + 1
  return rowChanges(state, { cardId, event, occurredAt, version, actor: "ann" })
}

const completed: Event = { _tag: "CardCompleted", result: null, overrode: [], forced: false, claim: null }
const reopened: Event = { _tag: "CardReopened", reason: null }

/** `a` depends on `done`, `open` and `never`, which does not exist; `b` and `c` depend on `a`, `c` also on `open`. */
const cards = [
  created("done", { status: "done" }),
  created("open"),
  created("a", { dependsOn: [id("done"), id("never"), id("open")] }),
  created("b", { dependsOn: [id("a")] }),
  created("c", { dependsOn: [id("a"), id("open")] })
]

interface Case {
  readonly name: string
  readonly event: TimedEvent
  readonly history?: ReadonlyArray<TimedEvent>
  readonly lines: ReadonlyArray<string>
}

const cases: ReadonlyArray<Case> = [
  {
    name: "a created card gets its edges and counts the dependencies that are not done",
    event: created("x", { dependsOn: [id("open"), id("done"), id("missing")] }),
    lines: [
      "card x is ready, version 1, content",
      "edge x → done added",
      "edge x → missing added",
      "edge x → open added",
      "card x waits for 2"
    ]
  },
  {
    name: "a card created without dependencies has no unmet dependency",
    event: created("x"),
    lines: ["card x is ready, version 1, content", "card x waits for 0"]
  },
  {
    name: "a card created after its dependents decrements no counter",
    event: created("never"),
    lines: ["card never is ready, version 1, content", "card never waits for 0"]
  },
  {
    name: "a card created as done decrements the counters of its dependents",
    event: created("never", { status: "done" }),
    lines: ["card never is done, version 1, content", "card never waits for 0", "card a waits for 1"]
  },
  {
    name: "a completed card decrements the counters of its dependents",
    event: on("open", completed),
    lines: ["card open is done, version 2", "card a waits for 1", "card c waits for 1"]
  },
  {
    name: "a card completed again decrements no counter",
    history: [on("open", completed)],
    event: on("open", completed),
    lines: ["card open is done, version 3"]
  },
  {
    name: "a reopened card increments the counters of its dependents, also of done ones",
    history: [on("open", completed), on("c", completed)],
    event: on("open", reopened),
    lines: ["card open is ready, version 3", "card a waits for 2", "card c waits for 2"]
  },
  {
    name: "a link to a card that is not done increments the counter",
    event: on("b", { _tag: "CardLinked", dependsOn: id("open") }),
    lines: ["card b is ready, version 2", "edge b → open added", "card b waits for 2"]
  },
  {
    name: "a link to a done card does not increment the counter",
    event: on("b", { _tag: "CardLinked", dependsOn: id("done") }),
    lines: ["card b is ready, version 2", "edge b → done added"]
  },
  {
    name: "a link that exists is not added again",
    event: on("b", { _tag: "CardLinked", dependsOn: id("a") }),
    lines: ["card b is ready, version 2"]
  },
  {
    name: "the removal of a link to a card that is not done decrements the counter",
    event: on("a", { _tag: "CardUnlinked", dependsOn: id("open") }),
    lines: ["card a is ready, version 2", "edge a → open removed", "card a waits for 1"]
  },
  {
    name: "the removal of a link to a card that does not exist decrements the counter",
    event: on("a", { _tag: "CardUnlinked", dependsOn: id("never") }),
    lines: ["card a is ready, version 2", "edge a → never removed", "card a waits for 1"]
  },
  {
    name: "the removal of a link to a done card does not decrement the counter",
    event: on("a", { _tag: "CardUnlinked", dependsOn: id("done") }),
    lines: ["card a is ready, version 2", "edge a → done removed"]
  },
  {
    name: "a link that does not exist is not removed",
    event: on("a", { _tag: "CardUnlinked", dependsOn: id("b") }),
    lines: ["card a is ready, version 2"]
  },
  {
    name: "a revision changes the content",
    event: on("a", { _tag: "CardRevised", priority: 1 }),
    lines: ["card a is ready, version 2, content"]
  },
  {
    name: "a claim changes one row",
    event: on("a", { _tag: "CardClaimed", owner: "w", ttlSeconds: 60, expiresAt: at(1), generation: 0 }),
    lines: ["card a is claimed, version 2"]
  },
  {
    name: "a card that exists is not created again",
    event: created("a", { status: "done" }),
    lines: []
  },
  {
    name: "a card that does not exist does not change",
    event: on("missing", completed),
    lines: []
  }
]

describe("rowChanges", () => {
  it.each(cases)("$name", ({ event, history = [], lines }) => {
    expect(changesAfter([...cards, ...history], event).map(line)).toEqual(lines)
  })

  it("decrements the counter of a dependent only once after a forced completion", () => {
    const history = [...cards, on("c", completed), on("open", completed)]
    const { state } = backlogAfter(history)
    expect(["a", "b", "c"].map((cardId) => state.unmetDependencies(id(cardId)))).toEqual([1, 1, 1])
  })

  it("contains the whole card", () => {
    const [change] = changesAfter(cards, on("a", { _tag: "CardRevised", title: "New" }, at(1)))
    if (change?._tag !== "CardChanged") throw new Error("the first change is the card's")
    const before = backlogAfter(cards).state.card(id("a"))
    if (before === undefined) throw new Error("there is a card a")
    expect(encodeCard(change.card)).toEqual(encodeCard({ ...before, title: "New", updatedAt: at(1), version: 2 }))
  })

  it.prop(
    "accepts any event of any card",
    [streamEventArbitrary],
    ([occurrence]) => {
      const { state } = backlogAfter(cards)
      for (const cardId of [occurrence.cardId, id("a"), id("done")]) {
        const changes = rowChanges(state, { ...occurrence, cardId })
        const isFirst = state.card(cardId) === undefined
        expect(changes.length > 0).toBe(isFirst === (occurrence.event._tag === "CardCreated"))
      }
    },
    { arbitrary: { runs: 200, maxDiscards: 100_000 } }
  )
})
