import { describe, expect, it } from "@effect/vitest"
import {
  checkClaimOrder,
  emptyModel,
  type History,
  checkLinearizability,
  type Model,
  type ModelCard,
  type ModelCommand,
  type ModelOutcome,
  type Operation,
  step
} from "../../src/testing/index.ts"

/*
 * Tests of the checks: handmade histories that are possible, and the same histories with one false answer each.
 */

const start = Date.parse("2026-01-01T00:00:00Z")

/** A story in which one operation follows another, with the model's answers. */
class Story {
  readonly operations: Array<Operation> = []
  model: Model = emptyModel
  #stamp = 0

  /** Carries out a command. `falseOutcome` replaces the model's answer with a false one. */
  next(command: ModelCommand, falseOutcome?: ModelOutcome): ModelOutcome {
    const [model, outcome] = step(this.model, command, start)
    this.model = model
    const invoked = ++this.#stamp
    this.operations.push({ command, invoked, responded: ++this.#stamp, outcome: falseOutcome ?? outcome })
    return outcome
  }

  get history(): History {
    return { operations: this.operations, clock: [{ stamp: 0, time: start }] }
  }
}

const actor = "w1"
const create: ModelCommand = { _tag: "Create", id: "a", title: "A", actor }
const claim = (owner: string): ModelCommand => ({ _tag: "Claim", owner, actor: owner })
const complete = (token: number): ModelCommand => ({ _tag: "Complete", id: "a", token, actor })
const violationsOf = (story: Story): number => checkLinearizability(story.history).violations.length

const cardIn = (outcome: ModelOutcome): ModelCard => {
  if (outcome._tag === "Refused") throw new Error("it was refused")
  return outcome.answer as ModelCard
}

describe("a handmade history", () => {
  it("a history in which every answer is the model's is linearizable", () => {
    const story = new Story()
    story.next(create)
    story.next(claim("w1"))
    story.next({ _tag: "Renew", id: "a", token: 2, ttlSeconds: 60, actor })
    story.next(claim("w2"))
    story.next(complete(2))
    story.next(complete(2))
    expect(checkLinearizability(story.history)).toEqual({ cards: 1, violations: [] })
  })

  it("a history in which two workers claimed one card is not linearizable", () => {
    const story = new Story()
    story.next(create)
    const first = cardIn(story.next(claim("w1")))
    story.next(claim("w2"), {
      _tag: "Answered",
      answer: { ...first, claimOwner: "w2", claimToken: 3, version: 3, attempts: 2 }
    })
    expect(violationsOf(story)).toBe(1)
  })

  it("a history in which two workers claimed a card with the same token is not linearizable", () => {
    const story = new Story()
    story.next(create)
    const first = cardIn(story.next(claim("w1")))
    const both = story.operations.at(-1)
    if (both === undefined) throw new Error("nothing happened")
    const answer: ModelOutcome = { _tag: "Answered", answer: { ...first, claimOwner: "w2" } }
    story.operations.push({ ...both, command: claim("w2"), outcome: answer })
    expect(violationsOf(story)).toBe(1)
  })

  it("a history in which a stale token completed a card is not linearizable", () => {
    const story = new Story()
    story.next(create)
    story.next(claim("w1"))
    story.next({ _tag: "Reclaim", id: "a", actor })
    const current = cardIn(story.next(claim("w2")))
    story.next(complete(2), {
      _tag: "Answered",
      answer: {
        ...current,
        status: "done",
        version: 5,
        claimOwner: null,
        claimTtlSeconds: null,
        claimedAt: null,
        claimExpiresAt: null,
        claimToken: null,
        completedAt: current.updatedAt,
        madeClaimable: []
      }
    })
    expect(violationsOf(story)).toBe(1)
  })

  it("a history with a lost update is not linearizable", () => {
    const story = new Story()
    story.next(create)
    const before = cardIn(story.next({ _tag: "Revise", id: "a", title: "B", actor }))
    story.next(
      { _tag: "Revise", id: "a", priority: 3, actor },
      {
        _tag: "Answered",
        answer: { ...before, title: "A", priority: 3 }
      }
    )
    expect(violationsOf(story)).toBe(1)
  })

  it("a history with a stale read is not linearizable, unless the operations overlapped", () => {
    const story = new Story()
    const created = cardIn(story.next(create))
    story.next({ _tag: "Block", id: "a", reason: "legal", actor })
    story.next({ _tag: "Unblock", id: "a", actor }, { _tag: "Answered", answer: created })
    expect(violationsOf(story)).toBe(1)
    const [first, block, unblock] = story.operations as [Operation, Operation, Operation]
    story.operations.splice(0, 3, first, { ...block, responded: 6 }, { ...unblock, responded: 7 })
    expect(violationsOf(story)).toBe(0)
  })

  it("a history in which a retry was carried out again is not linearizable, unless it returned the first answer", () => {
    const retried: ModelCommand = { _tag: "Block", id: "a", reason: "legal", commandId: "x1", actor }
    const right = new Story()
    right.next(create)
    right.next(retried)
    right.next({ _tag: "Unblock", id: "a", actor })
    right.next(retried)
    expect(violationsOf(right)).toBe(0)

    const wrong = new Story()
    wrong.next(create)
    const blocked = cardIn(wrong.next(retried))
    wrong.next({ _tag: "Unblock", id: "a", actor })
    wrong.next(retried, { _tag: "Answered", answer: { ...blocked, version: 4 } })
    expect(violationsOf(wrong)).toBe(1)
  })

  it("a history can contain commands with unknown outcomes", () => {
    for (const carriedOut of [true, false]) {
      const story = new Story()
      story.next(create)
      const before = story.model
      story.next(claim("w1"))
      if (!carriedOut) story.model = before
      const last = story.operations.pop()
      if (last === undefined) throw new Error("nothing happened")
      story.operations.push({ ...last, outcome: undefined, responded: Infinity })
      story.next({ _tag: "Block", id: "a", actor })
      expect(violationsOf(story)).toBe(0)
    }
  })

  it("a history in which a claim by id found nothing without contention is not linearizable", () => {
    const byId: ModelCommand = { _tag: "Claim", id: "a", owner: "w1", actor }
    const story = new Story()
    story.next(create)
    story.next(byId, { _tag: "Answered", answer: null })
    expect(violationsOf(story)).toBe(1)
  })
})

describe("the claim order", () => {
  const cards = [
    { id: "low", title: "T", priority: 1 },
    { id: "high", title: "T", priority: 2 }
  ]

  const afterCreation = (): Story => {
    const story = new Story()
    story.next({ _tag: "CreateMany", cards, actor })
    return story
  }

  const compare = (story: Story, before: Story["model"]) => checkClaimOrder(story.history, [], before.cards)

  it("a claim of the best card keeps the claim order", () => {
    const story = afterCreation()
    const before = story.model
    story.next(claim("w1"))
    expect(compare(story, before)).toEqual({ claims: 1, compared: 1, outOfOrder: 0, violations: [] })
  })

  it("a claim that returned another card or nothing breaks the claim order", () => {
    for (const falseOutcome of ["low", undefined]) {
      const story = afterCreation()
      const before = story.model
      const answer = falseOutcome === undefined ? null : (before.cards.get(falseOutcome) ?? null)
      story.next(claim("w1"), { _tag: "Answered", answer })
      expect(compare(story, before)).toMatchObject({
        outOfOrder: 1,
        violations: [expect.stringContaining("card high")]
      })
    }
  })

  it("a card that another operation may have locked is not compared", () => {
    const story = afterCreation()
    const before = story.model
    story.next(claim("w1"), { _tag: "Answered", answer: before.cards.get("low") ?? null })
    const last = story.operations.at(-1)
    if (last === undefined) throw new Error("nothing happened")
    story.operations.push({ ...last, command: { _tag: "Revise", id: "high", actor } })
    expect(compare(story, before).violations).toEqual([])
  })
})
