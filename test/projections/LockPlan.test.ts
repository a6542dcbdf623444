import { describe, expect, it } from "@effect/vitest"
import { Arbitrary, type DateTime, Result } from "effect"
import type { Card } from "../../src/domain/Card.ts"
import type { CardId } from "../../src/domain/CardId.ts"
import { isClaimable, isExpired } from "../../src/domain/Claimability.ts"
import type { IdentifiedCommand } from "../../src/domain/Command.ts"
import { decide, matchesFilter } from "../../src/domain/decide.ts"
import { type LockPlan, planLocks } from "../../src/projections/LockPlan.ts"
import { ReadModelState } from "../../src/projections/ReadModelState.ts"
import { type RowChange, rowChanges } from "../../src/projections/rowChanges.ts"
import { commandOf, type Step, stepsArbitrary, stocked, timeOf } from "../domain/commands.ts"
import { at, backlogAfter, command, created, id, type MemoryBacklog, type Order } from "../domain/support.ts"

const nothing: LockPlan = {
  graphLock: "none",
  cards: new Set(),
  idempotencyKeys: new Set(),
  doneChanges: new Set(),
  newEdges: [],
  edgeTargets: new Set(),
  created: new Set(),
  claimedById: new Set(),
  claims: [],
  completedBeforeClaim: new Set(),
  reclaimsExpired: false
}

const [a, b, c] = [id("a"), id("b"), id("c")]
const setOf = (...ids: ReadonlyArray<CardId>): ReadonlySet<CardId> => new Set(ids)

describe("planLocks", () => {
  it.each<readonly [order: Order, plan: Partial<LockPlan>]>([
    [
      { _tag: "Create", id: "a", title: "A" },
      { cards: setOf(a), created: setOf(a) }
    ],
    [
      { _tag: "Create", id: "a", title: "A", idempotencyKey: "k" },
      { cards: setOf(a), created: setOf(a), idempotencyKeys: new Set(["k"]) }
    ],
    [
      { _tag: "Create", id: "a", title: "A", status: "done" },
      { cards: setOf(a), created: setOf(a), doneChanges: setOf(a), graphLock: "shared" }
    ],
    [
      { _tag: "Create", id: "a", title: "A", dependsOn: ["b", "c"] },
      {
        cards: setOf(a),
        created: setOf(a),
        newEdges: [{ from: a, to: [b, c] }],
        edgeTargets: setOf(b, c),
        graphLock: "exclusive"
      }
    ],
    [
      {
        _tag: "CreateMany",
        cards: [
          { id: "a", title: "A", dependsOn: ["b"] },
          { id: "b", title: "B", status: "done", idempotencyKey: "k" },
          { id: "c", title: "C", dependsOn: [] }
        ]
      },
      {
        cards: setOf(a, b, c),
        created: setOf(a, b, c),
        idempotencyKeys: new Set(["k"]),
        doneChanges: setOf(b),
        newEdges: [{ from: a, to: [b] }],
        edgeTargets: setOf(b),
        graphLock: "exclusive"
      }
    ],
    [{ _tag: "Revise", id: "a" }, { cards: setOf(a) }],
    [
      { _tag: "Claim", owner: "w" },
      { claims: [{ filter: {}, limit: 1 }], reclaimsExpired: true }
    ],
    [
      { _tag: "Claim", owner: "w", phase: "p", minPriority: 2 },
      { claims: [{ filter: { phase: "p", minPriority: 2 }, limit: 1 }], reclaimsExpired: true }
    ],
    [
      { _tag: "ClaimMany", owner: "w", limit: 7 },
      { claims: [{ filter: {}, limit: 7 }], reclaimsExpired: true }
    ],
    [{ _tag: "Claim", owner: "w", id: "a" }, { claimedById: setOf(a) }],
    [{ _tag: "Renew", id: "a", token: 2 }, { cards: setOf(a) }],
    [{ _tag: "Release", id: "a", token: 2 }, { cards: setOf(a) }],
    [{ _tag: "Reclaim" }, { reclaimsExpired: true }],
    [{ _tag: "Reclaim", id: "a" }, { cards: setOf(a) }],
    [
      { _tag: "Link", from: "a", to: "b" },
      { cards: setOf(a), edgeTargets: setOf(b), newEdges: [{ from: a, to: [b] }], graphLock: "exclusive" }
    ],
    [
      { _tag: "Unlink", from: "a", to: "b" },
      { cards: setOf(a), edgeTargets: setOf(b), graphLock: "exclusive" }
    ],
    [{ _tag: "Block", id: "a" }, { cards: setOf(a) }],
    [{ _tag: "Unblock", id: "a" }, { cards: setOf(a) }],
    [
      { _tag: "Complete", id: "a" },
      { cards: setOf(a), doneChanges: setOf(a), graphLock: "shared" }
    ],
    [
      { _tag: "Complete", id: "a", token: 2, claimNext: { owner: "w", phase: "p" } },
      {
        cards: setOf(a),
        doneChanges: setOf(a),
        graphLock: "shared",
        completedBeforeClaim: setOf(a),
        claims: [{ filter: { phase: "p" }, limit: 1 }],
        reclaimsExpired: true
      }
    ],
    [
      { _tag: "Complete", id: "a", claimNext: { owner: "w", phase: "p" } },
      {
        cards: setOf(a),
        doneChanges: setOf(a),
        graphLock: "shared",
        completedBeforeClaim: setOf(a),
        claims: [{ filter: { phase: "p" }, limit: 2 }],
        reclaimsExpired: true
      }
    ],
    [
      { _tag: "Reopen", id: "a" },
      { cards: setOf(a), doneChanges: setOf(a), graphLock: "shared" }
    ]
  ])("plans the locks of %j", (order, plan) => {
    expect(planLocks([command(order)])).toEqual({ ...nothing, ...plan })
  })

  it("plans the locks of all commands of a batch, with the strongest lock of the graph", () => {
    const orders: ReadonlyArray<Order> = [
      { _tag: "Complete", id: "a" },
      { _tag: "Claim", owner: "w" },
      { _tag: "Claim", owner: "w" },
      { _tag: "Unlink", from: "b", to: "c" },
      { _tag: "Claim", owner: "w", id: "c" },
      { _tag: "Block", id: "a" }
    ]
    expect(planLocks(orders.map(command))).toEqual({
      ...nothing,
      graphLock: "exclusive",
      cards: setOf(a, b),
      doneChanges: setOf(a),
      edgeTargets: setOf(c),
      claimedById: setOf(c),
      claims: [{ filter: {}, limit: 2 }],
      reclaimsExpired: true
    })
  })

  it("plans a card for every claim, even if claims of other filters take some of the same cards", () => {
    const orders: ReadonlyArray<Order> = [
      { _tag: "Claim", owner: "w", phase: "p" },
      { _tag: "ClaimMany", owner: "w", phase: "p", minPriority: 1, limit: 2 },
      { _tag: "Claim", owner: "w", phase: "q" },
      { _tag: "Claim", owner: "w", phase: "q" }
    ]
    expect(planLocks(orders.map(command)).claims).toEqual([
      { filter: { phase: "p" }, limit: 3 },
      { filter: { phase: "p", minPriority: 1 }, limit: 3 },
      { filter: { phase: "q" }, limit: 2 }
    ])
    const anywhere = command({ _tag: "Claim", owner: "w" })
    expect(planLocks([...orders.map(command), anywhere]).claims.map(({ limit }) => limit)).toEqual([4, 4, 3, 6])
    const completing = ["a", "b"].map((other) =>
      command({ _tag: "Complete", id: other, claimNext: { owner: "w", phase: other } })
    )
    expect(planLocks(completing).claims.map(({ limit }) => limit)).toEqual([3, 3])
  })

  it("plans no lock for an empty batch", () => {
    expect(planLocks([])).toEqual(nothing)
  })
})

/**
 * Loads what `ReadModel.lockAndLoad` would load for a lock plan, from a backlog without other users. Cards keep their order,
 * which is the order in which expired claims are reclaimed.
 */
const load = (plan: LockPlan, { log, state: all }: MemoryBacklog, now: DateTime.Utc): ReadModelState => {
  const part = new ReadModelState()
  const cards = [...new Set(log.map(({ cardId }) => cardId))].flatMap((cardId) => all.card(cardId) ?? [])
  const claimable = [...all.claimCandidates(now)].filter((card) =>
    isClaimable(card, all.unmetDependencies(card.id), now)
  )
  const byId = cards.filter((card) => plan.claimedById.has(card.id) && ["ready", "claimed"].includes(card.status))
  const whole = new Set<Card>([
    ...cards.filter((card) => plan.cards.has(card.id)),
    ...cards.filter((card) => card.idempotencyKey !== null && plan.idempotencyKeys.has(card.idempotencyKey)),
    ...byId,
    ...cards.filter((card) => plan.reclaimsExpired && isExpired(card, now)),
    ...plan.claims.flatMap(({ filter, limit }) =>
      claimable
        .filter((card) => !byId.includes(card))
        .filter((card) => matchesFilter(card, filter))
        .slice(0, limit)
    ),
    ...cards.filter((card) => card.dependsOn.some((other) => plan.completedBeforeClaim.has(other)))
  ])
  for (const card of cards) if (whole.has(card)) part.putCard(card, all.unmetDependencies(card.id))

  const neighbors = new Set(plan.edgeTargets)
  for (const cardId of plan.doneChanges) {
    for (const other of part.card(cardId)?.dependsOn ?? []) neighbors.add(other)
  }
  for (const cardId of neighbors) {
    const standing = all.summary(cardId)
    if (part.card(cardId) === undefined && standing !== undefined) {
      part.putSummary(cardId, { status: standing.status, notBefore: null, unmetDependencies: 0 })
    }
  }
  for (const cardId of [...plan.doneChanges, ...plan.created]) {
    for (const dependent of all.dependentsOf(cardId)) {
      const standing = all.summary(dependent)
      if (part.card(dependent) === undefined && standing !== undefined) part.putSummary(dependent, standing)
      part.putDependency(dependent, cardId)
    }
  }
  if (plan.newEdges.some(({ from }) => all.hasDependents(from))) {
    const reachable = new Set(plan.newEdges.flatMap(({ to }) => to))
    for (const cardId of reachable) {
      for (const dependency of all.dependenciesOf(cardId)) {
        part.putDependency(cardId, dependency)
        reachable.add(dependency)
      }
    }
  }
  return part
}

/** Carries out a batch, and returns every decision and every change. */
const carryOut = (state: ReadModelState, commands: ReadonlyArray<IdentifiedCommand>, now: DateTime.Utc) =>
  commands.map((each) => {
    const decision = decide(state, each, now)
    const changes: Array<RowChange> = []
    for (const { cardId, event } of Result.isSuccess(decision) ? decision.success : []) {
      const version = (state.card(cardId)?.version ?? 0) + 1
      for (const change of rowChanges(state, { cardId, event, version, occurredAt: now, actor: "ann" })) {
        state.apply(change)
        changes.push(change)
      }
    }
    return { command: each, decision, changes }
  })

/** Orders a batch: claims by id, claims of the best cards, completions with a claim, then everything else. */
const claimsFirst = (commands: ReadonlyArray<IdentifiedCommand>): ReadonlyArray<IdentifiedCommand> => {
  const rank = (each: IdentifiedCommand) => {
    if (each._tag === "Claim") return each.id === undefined ? 1 : 0
    if (each._tag === "ClaimMany") return 1
    return each._tag === "Complete" && each.claimNext !== undefined ? 2 : 3
  }
  return [...commands].sort((left, right) => rank(left) - rank(right))
}

const expectSameOutcome = (
  backlog: MemoryBacklog,
  commands: ReadonlyArray<IdentifiedCommand>,
  now: DateTime.Utc
): void => {
  const batch = claimsFirst(commands)
  const part = load(planLocks(batch), backlog, now)
  expect(carryOut(part, batch, now)).toEqual(carryOut(backlog.state, batch, now))
}

describe("the facts that are loaded for a lock plan", () => {
  const backlogOf = (steps: ReadonlyArray<Step>) => {
    const backlog = stocked()
    let now = at(0)
    for (const step of steps) {
      now = timeOf(now, step)
      const decision = decide(backlog.state, commandOf(backlog.state, step), now)
      if (Result.isSuccess(decision)) for (const event of decision.success) backlog.append(event, now)
    }
    return { backlog, now }
  }

  it.prop(
    "lead to the same decisions as the whole backlog",
    { before: stepsArbitrary, steps: Arbitrary.map(stepsArbitrary, (steps) => steps.slice(0, 6)) },
    ({ before, steps }) => {
      const { backlog, now } = backlogOf(before)
      const commands = steps.map((step) => commandOf(backlog.state, step))
      expectSameOutcome(backlog, commands, now)
    },
    { arbitrary: { runs: 500, size: 60 } }
  )

  it("are enough for a claim with labels, although a better card has none of them", () => {
    expectSameOutcome(
      backlogAfter([created("a", { priority: 1 }), created("b", { labels: ["l1", "l3"] })]),
      [command({ _tag: "ClaimMany", owner: "w1", limit: 1, labels: ["l3"] })],
      at(10)
    )
  })

  it("are enough for a claim by id and a claim of the best card in one batch", () => {
    expectSameOutcome(
      backlogAfter([created("a", { priority: 1 }), created("b")]),
      [command({ _tag: "Claim", owner: "w1", id: "a" }), command({ _tag: "Claim", owner: "w2" })],
      at(10)
    )
  })
})
