import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, Layer, Option, Stream } from "effect"
import type { Card } from "../../src/domain/Card.ts"
import type { NewCard } from "../../src/domain/Command.ts"
import type { RecordedEvent } from "../../src/events/RecordedEvent.ts"
import { AuditService } from "../../src/services/AuditService.ts"
import { BacklogService } from "../../src/services/BacklogService.ts"
import {
  BacklogTestClock,
  checkClaimOrder,
  checkLinearizability,
  type CommandTemplate,
  layerTest,
  type Program,
  runConcurrently,
  runProgram,
  simulate,
  type SimulateOptions,
  SimulationFailed,
  type Step
} from "../../src/testing/index.ts"
import { textsOn } from "../docs/support/pages.ts"
import { onBothDatabases } from "../support/databases.ts"
import { seed } from "../support/soak.ts"
import { layerMemory } from "./memoryBacklog.ts"

/*
 * Tests of the simulator and the checks: services with one intentional fault each.
 */

type Service = BacklogService["Service"]
type Fault = (backlog: Service) => Service

/** A backlog with a fault. Each one that is built has a state of its own. */
const faulty = <E>(fault: Fault, base: Layer.Layer<BacklogService | BacklogTestClock, E>) =>
  Layer.effectContext(
    Effect.gen(function* () {
      const backlog = fault(yield* BacklogService)
      return Context.make(BacklogService, backlog).pipe(Context.add(BacklogTestClock, yield* BacklogTestClock))
    })
  ).pipe(Layer.provide(base))

const inMemory = (fault: Fault) => faulty(fault, layerMemory())

/** Simulates programs on a faulty backlog until one fails. */
const findFault = Effect.fnUntraced(function* <E>(
  layer: Layer.Layer<BacklogService | BacklogTestClock, E>,
  options: Partial<SimulateOptions<never, never, E>> = {}
) {
  const simulation = simulate({ seed: 1, programs: 20, layer, ...options })
  const failure = yield* Effect.flip(Effect.provide(simulation, layer, { local: true }))
  if (!(failure instanceof SimulationFailed))
    throw new Error("the simulation ended with another error", { cause: failure })
  return failure
})

/** A step of worker w1. */
const send = (template: CommandTemplate): Extract<Step, { readonly _tag: "Send" }> => ({
  _tag: "Send",
  worker: "w1",
  template,
  withCommandId: false,
  delivery: "received",
  concurrent: false
})

/** A program that creates cards and claims one. */
const createAndClaim = (cards: ReadonlyArray<typeof NewCard.Encoded>): Program => ({
  seed: 1,
  clocks: { w1: 0 },
  steps: [send({ _tag: "CreateMany", cards }), send({ _tag: "Claim" })]
})

/** Runs a program on a new backlog with a fault. */
const runOn = (fault: Fault, program: Program) =>
  Effect.provide(runProgram(program, ""), inMemory(fault), { local: true })

/** A method that never forgets its first results. */
const cached = <Key, A, E>(read: (key: Key) => Effect.Effect<A, E>): ((key: Key) => Effect.Effect<A, E>) => {
  const results = new Map<string, A>()
  return (key) =>
    Effect.suspend(() => {
      const name = JSON.stringify(key) ?? ""
      const result = results.get(name)
      if (result !== undefined) return Effect.succeed(result)
      return Effect.tap(read(key), (found) => Effect.sync(() => results.set(name, found)))
    })
}

const staleGet: Fault = (backlog) => ({ ...backlog, get: cached(backlog.get) })

const commandMethods = [
  "create",
  "createMany",
  "revise",
  "claim",
  "claimMany",
  "renew",
  "release",
  "reclaim",
  "link",
  "unlink",
  "block",
  "unblock",
  "complete",
  "reopen"
] as const

type AnyMethod = (input: Readonly<Record<string, unknown>>) => Effect.Effect<unknown>

/** Replaces a method. All methods that take a command are used alike here. */
const replace = (
  backlog: Service,
  name: (typeof commandMethods)[number],
  by: (method: AnyMethod) => AnyMethod
): Service => ({ ...backlog, [name]: by(backlog[name] as unknown as AnyMethod) })

/** A cache that is cleared for the card that a command names, but not for the cards that a claim takes. */
const getStaleAfterClaims: Fault = (backlog) => {
  const cards = new Map<string, Option.Option<Card>>()
  const withCache: Service = {
    ...backlog,
    get: (id) =>
      cards.has(id)
        ? Effect.succeed(cards.get(id) ?? Option.none())
        : Effect.tap(backlog.get(id), (card) => Effect.sync(() => cards.set(id, card)))
  }
  return commandMethods.reduce(
    (service, name) =>
      replace(
        service,
        name,
        (method) => (input) =>
          Effect.tap(method(input), () =>
            Effect.sync(() => {
              const created = (input["cards"] ?? []) as ReadonlyArray<{ readonly id: string }>
              for (const id of [input["id"], input["from"], ...created.map((card) => card.id)]) cards.delete(String(id))
            })
          )
      ),
    withCache
  )
}

/** Caches of every read. */
const caches: Readonly<Record<string, Fault>> = {
  "get never forgets": staleGet,
  "get forgets only cards that commands name": getStaleAfterClaims,
  "list never forgets": (backlog) => ({ ...backlog, list: cached(backlog.list) as typeof backlog.list }),
  "explain never forgets": (backlog) => ({ ...backlog, explain: cached(backlog.explain) }),
  "stats never forgets": (backlog) => ({ ...backlog, stats: cached(() => backlog.stats)(undefined) }),
  "whyNothingClaimable never forgets": (backlog) => ({
    ...backlog,
    whyNothingClaimable: cached(backlog.whyNothingClaimable)
  })
}

const droppedCommandId =
  (name: (typeof commandMethods)[number]): Fault =>
  (backlog) =>
    replace(
      backlog,
      name,
      (method) =>
        ({ commandId: _commandId, ...input }) =>
          method(input)
    )

/** Every card after the second one is created without its dependencies. */
const wrongCreateMany: Fault = (backlog) => ({
  ...backlog,
  createMany: (input) =>
    backlog.createMany({
      ...input,
      cards: input.cards.map(({ dependsOn, ...card }, index) => (index < 2 ? { ...card, dependsOn } : card))
    })
})

/** Claims without an id take the worst card. */
const wrongOrder: Fault = (backlog) => ({
  ...backlog,
  claim: Effect.fnUntraced(function* (input) {
    const claimable = input.id === undefined ? yield* Effect.orDie(backlog.list({ claimability: "claimable" })) : []
    const worst = claimable.findLast((card) => card.priority >= (input.minPriority ?? -Infinity))
    return yield* backlog.claim(worst === undefined ? input : { ...input, id: worst.id })
  })
})

/** The counts are wrong from the first block on, in every later program too. */
const wrongCountsAfterBlock: Fault = (backlog) => {
  let blocks = 0
  return {
    ...backlog,
    block: (input) => Effect.tap(backlog.block(input), () => Effect.sync(() => blocks++)),
    stats: Effect.map(backlog.stats, (stats) => ({ ...stats, waiting: stats.waiting + Math.min(blocks, 1) }))
  }
}

/** The counts are wrong from the hundredth command on. */
const wrongCountsAfterHundred: Fault = (backlog) => {
  let commands = 0
  const counting = commandMethods.reduce(
    (service, name) =>
      replace(
        service,
        name,
        (method) => (input) =>
          Effect.suspend(() => {
            commands++
            return method(input)
          })
      ),
    backlog
  )
  return {
    ...counting,
    stats: Effect.map(backlog.stats, (stats) => ({ ...stats, waiting: stats.waiting + (commands < 100 ? 0 : 1) }))
  }
}

describe("programs on a faulty service", () => {
  it.effect("a service without a fault passes", () =>
    Effect.gen(function* () {
      const layer = inMemory((backlog) => backlog)
      const { programs } = yield* Effect.provide(simulate({ seed: 1, programs: 20, layer }), layer, { local: true })
      expect(programs).toBe(20)
    })
  )

  it.effect.each(Object.entries(caches))("20 programs find a cache: %s", ([, fault]) =>
    Effect.gen(function* () {
      for (const first of [1, 100, seed]) expect(yield* findFault(inMemory(fault), { seed: first })).toBeDefined()
    })
  )

  it.effect.each(commandMethods)("20 programs find that %s drops the command id", (name) =>
    Effect.gen(function* () {
      for (const first of [1, 100, seed]) {
        const { program } = yield* findFault(inMemory(droppedCommandId(name)), { seed: first })
        expect(program.steps.length).toBeLessThan(7)
      }
    })
  )

  it.effect("a failure is reported at its step, with only what differs, as docs/testing.md shows it", () =>
    Effect.gen(function* () {
      const program = createAndClaim([{ id: "a", title: "A" }])
      const { problem } = yield* runOn(staleGet, program)
      const failure = new SimulationFailed({
        program,
        problem: problem ?? "none",
        rerun: { seed: program.seed, programs: 1 },
        whyNotShorter: undefined
      })
      expect(textsOn("docs/testing.md", "text")).toEqual([`${failure.message}\n`])
    })
  )

  it.effect("the failure of a claim in the wrong order names both cards", () =>
    Effect.gen(function* () {
      const cards = [
        { id: "low", title: "L", priority: 1 },
        { id: "high", title: "H", priority: 2 }
      ]
      const { problem } = yield* runOn(wrongOrder, createAndClaim(cards))
      expect(problem).toBe(
        [
          'at step 2, w1: Claim {"owner":"w1"} returned an answer that the rules do not allow:',
          "  it is card low (claimed, priority 1, created 2026-01-01T00:00:00.000Z, version 2), " +
            "must be card high (claimed, priority 2, created 2026-01-01T00:00:00.000Z, version 2)"
        ].join("\n")
      )
    })
  )

  it.effect("the failure of concurrent commands has the order that explains most answers", () =>
    Effect.gen(function* () {
      const program = createAndClaim([{ id: "a", title: "A" }])
      const [create = send({ _tag: "Claim" })] = program.steps
      const steps = [
        create,
        send({ _tag: "Revise", id: "a", title: "B" }),
        { ...send({ _tag: "Block", id: "a", reason: "legal" }), concurrent: true }
      ]
      const wrongBlock: Fault = (backlog) => ({
        ...backlog,
        block: (input) => Effect.map(backlog.block(input), (card) => ({ ...card, priority: 7 }))
      })
      const { problem } = yield* runOn(wrongBlock, { ...program, steps })
      expect(problem).toBe(
        [
          "at steps 2 to 3, no order of 2 concurrent commands explains their answers. In the closest order, after",
          '  w1: Revise {"id":"a","title":"B"}',
          'w1: Block {"id":"a","reason":"legal"} returned an answer that the rules do not allow:',
          "  priority is 7, must be 0"
        ].join("\n")
      )
    })
  )

  it.effect("a program is shrunk to the cards of createMany that matter", () =>
    Effect.gen(function* () {
      const { problem, program } = yield* findFault(inMemory(wrongCreateMany))
      expect(problem).toMatch(/^at step 1, w.: CreateMany .*\n {2}\[.\]\.dependsOn is \[\], must be \[.*\]$/u)
      const [only, ...others] = program.steps
      expect(others).toEqual([])
      if (only?._tag !== "Send" || only.template._tag !== "CreateMany") throw new Error("the step creates no cards")
      expect(only.template.cards).toHaveLength(3)
    })
  )

  it.effect("attempts that start with an empty backlog shrink a failure that lasts", () =>
    Effect.gen(function* () {
      const layer = inMemory(wrongCountsAfterBlock)
      const { program, whyNotShorter } = yield* findFault(layer)
      expect(program.steps).toHaveLength(2)
      expect(program.steps[1]).toMatchObject({ template: { _tag: "Block" } })
      expect(whyNotShorter).toBeUndefined()
      const { problem } = yield* Effect.provide(runProgram(program, "again."), layer, { local: true })
      expect(problem).toContain("waiting is 1, must be 0")
    })
  )

  it.effect("without a layer, shrinking ends when a failure lasts", () =>
    Effect.gen(function* () {
      const layer = inMemory(wrongCountsAfterBlock)
      const failure = yield* findFault(layer, { layer: undefined })
      expect(failure.message).toContain("was not shrunk further")
      const { problem } = yield* Effect.provide(runProgram(failure.program, "again."), layer, { local: true })
      expect(problem).toContain("waiting is ")
    })
  )

  it.effect("without a layer, a failure that does not last is shrunk", () =>
    Effect.gen(function* () {
      const { program, whyNotShorter } = yield* findFault(inMemory(wrongCreateMany), { layer: undefined })
      expect([program.steps.length, whyNotShorter]).toEqual([1, undefined])
    })
  )

  it.effect("a program that fails only after others is reported with them", () =>
    Effect.gen(function* () {
      const layer = inMemory(wrongCountsAfterHundred)
      const failure = yield* findFault(layer)
      expect(failure.message).toContain("only after other programs")
      expect(failure.rerun).toEqual({ seed: 1, programs: failure.program.seed })
      expect(yield* findFault(layer, failure.rerun)).toMatchObject({ problem: failure.problem })
    })
  )

  it.live("a stale get is found on PGlite", () =>
    Effect.gen(function* () {
      const { program, whyNotShorter } = yield* findFault(faulty(staleGet, layerTest), { layer: undefined, steps: 4 })
      expect(program.steps.length).toBeLessThan(4)
      expect(whyNotShorter).toBeUndefined()
    })
  )
})

onBothDatabases("histories of a faulty service", (test) => {
  const historyOf = Effect.fnUntraced(function* (fault: Fault) {
    const audit = yield* AuditService
    const history = yield* runConcurrently({
      backlogs: [fault(yield* BacklogService)],
      clock: yield* BacklogTestClock,
      seed: 1,
      workers: 1,
      steps: 40,
      workload: "claims",
      prefix: "1."
    })
    const events: ReadonlyArray<RecordedEvent> = yield* Stream.runCollect(audit.events())
    return { history, events }
  })

  test(
    "claims in the wrong order are reported as one violation with a count",
    Effect.gen(function* () {
      const { events, history } = yield* historyOf(wrongOrder)
      const { claims, outOfOrder, violations } = checkClaimOrder(history, events)
      expect(outOfOrder).toBeGreaterThan(5)
      expect(violations).toHaveLength(1)
      const [violation = ""] = violations
      expect(violation).toMatch(
        new RegExp(
          `^${outOfOrder} of ${claims} claims are out of order. The first: \\[\\d+, \\d+\\] v0: Claim {.*} returned card 1.c\\d+ \\(claimed, .*\\), but card 1.c\\d+ \\(ready, .*\\) was claimable all the time and ranks before it$`
        )
      )
    })
  )

  test(
    "claims of a service without a fault are in order",
    Effect.gen(function* () {
      const { events, history } = yield* historyOf((backlog) => backlog)
      expect(checkClaimOrder(history, events)).toMatchObject({ outOfOrder: 0, violations: [] })
      expect(checkLinearizability(history).violations).toEqual([])
    })
  )
})
