import { describe, expect, it } from "@effect/vitest"
import { isClaimable } from "../../src/domain/Claimability.ts"
import { explain, type Explanation, type UnmetDependency } from "../../src/domain/Explanation.ts"
import { at, backlogAfter, created, type TimedEvent, id, on } from "./support.ts"

const newCard = created("a", { dependsOn: [id("dep"), id("never")] })

const claimed = on("a", { _tag: "CardClaimed", owner: "w", ttlSeconds: 300, expiresAt: at(10), generation: 0 }, at(5))

const waits: ReadonlyArray<UnmetDependency> = [
  { id: id("dep"), status: "claimed" },
  { id: id("never"), status: null }
]

const unmet = { _tag: "UnmetDependencies", dependencies: waits } as const

interface Case {
  readonly name: string
  readonly history: ReadonlyArray<TimedEvent>
  readonly status: Explanation["status"]
  readonly obstacles: Explanation["obstacles"]
  /** The minute of the explanation. */
  readonly minute?: number
}

const released = on("a", { _tag: "CardReleased", owner: "w", token: 2, reason: null, notBefore: at(30) }, at(6))

/** Cards without unmet dependencies. The tests explain each card again with unmet dependencies. */
const cases: ReadonlyArray<Case> = [
  { name: "ready", history: [newCard], status: "ready", obstacles: [] },
  {
    name: "deferred",
    history: [newCard, claimed, released],
    status: "ready",
    obstacles: [{ _tag: "NotYet", notBefore: at(30) }]
  },
  { name: "deferred until now", history: [newCard, claimed, released], status: "ready", obstacles: [], minute: 30 },
  {
    name: "claimed",
    history: [newCard, claimed],
    status: "claimed",
    obstacles: [{ _tag: "Claimed", holder: "w", expiresAt: at(10), expired: false }],
    minute: 9
  },
  {
    name: "claimed until now",
    history: [newCard, claimed],
    status: "claimed",
    obstacles: [{ _tag: "Claimed", holder: "w", expiresAt: at(10), expired: true }],
    minute: 10
  },
  {
    name: "blocked for a reason",
    history: [newCard, on("a", { _tag: "CardBlocked", reason: "legal", endedClaim: null })],
    status: "blocked",
    obstacles: [{ _tag: "Blocked", reason: "legal" }]
  },
  {
    name: "blocked for none",
    history: [created("a", { status: "blocked" })],
    status: "blocked",
    obstacles: [{ _tag: "Blocked", reason: null }]
  }
]

const explained = (
  history: ReadonlyArray<TimedEvent>,
  dependencies: ReadonlyArray<UnmetDependency>,
  minute: number
) => {
  const card = backlogAfter(history).state.card(id("a"))
  if (card === undefined) throw new Error("there is no card")
  const explanation = explain(card, dependencies, at(minute))
  expect(explanation.claimable).toBe(isClaimable(card, dependencies.length, at(minute)))
  return explanation
}

describe("explain", () => {
  it.each(cases)("$name", ({ history, minute = 12, obstacles, status }) => {
    expect(explained(history, [], minute)).toEqual({
      id: "a",
      status,
      claimable: obstacles.length === 0,
      obstacles
    })
  })

  it.each(cases)("$name, with unmet dependencies", ({ history, minute = 12, obstacles, status }) => {
    expect(explained(history, waits, minute)).toEqual({
      id: "a",
      status,
      claimable: false,
      obstacles: [...obstacles, unmet]
    })
  })

  it.each([{ dependencies: [] }, { dependencies: waits }])(
    "a done card has no unmet dependencies: $dependencies",
    ({ dependencies }) => {
      const completed = on(
        "a",
        { _tag: "CardCompleted", result: null, overrode: [], forced: false, claim: null },
        at(11)
      )
      expect(explained([newCard, completed], dependencies, 12)).toEqual({
        id: "a",
        status: "done",
        claimable: false,
        obstacles: [{ _tag: "Done", completedAt: at(11) }]
      })
    }
  )
})
