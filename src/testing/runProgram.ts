import { Clock, DateTime, Effect, Schema } from "effect"
import { Card } from "../domain/Card.ts"
import { ClaimOutlook } from "../domain/ClaimOutlook.ts"
import type { ClaimFilter } from "../domain/Command.ts"
import { Explanation } from "../domain/Explanation.ts"
import type { CardNotFound } from "../domain/Rejection.ts"
import type { Stats } from "../domain/Stats.ts"
import { BacklogService } from "../services/BacklogService.ts"
import type { InvalidInput } from "../services/decodeInput.ts"
import type { BacklogFailure } from "../services/serverFailures.ts"
import { BacklogTestClock } from "../services/layers.ts"
import { emptyModel, type Model, type ModelCard, type ModelOutcome, sameJson } from "./Model.ts"
import type { AnswerDelivery, Program, Step } from "./Program.ts"
import { computeStats, explainCard, listCards, whyNothingClaimable } from "./modelQueries.ts"
import { restoreModel, step as stepModel } from "./step.ts"
import { SimulatedWorker } from "./SimulatedWorker.ts"
import { checkInvariants } from "./checkInvariants.ts"
import { execute, executeAndInterrupt } from "./execute.ts"
import { type ObservedCommand, stepConcurrent } from "./stepObserved.ts"

/** The errors of a program that are not outcomes. */
export type ProgramFailure = CardNotFound | InvalidInput | BacklogFailure

/** The result of a program. */
export interface ProgramResult {
  /** How many commands were sent. */
  readonly operations: number
  /** Describes what the rules do not allow; `undefined` when everything agreed with the model. */
  readonly problem: string | undefined
  /** The token generation at the end. */
  readonly generation: number
}

/** How a test saves and restores the backlog. */
export interface Backup<E = never, R = never> {
  readonly save: Effect.Effect<unknown, E, R>
  /** Restores what was saved last, calls `AuditService.restored`, and returns the generation. */
  readonly restore: Effect.Effect<number, E, R>
}

/** Maximum commands that run at the same time. */
const maxGroupSize = 4

/**
 * Runs a program on the backlog in the context, and compares every answer with the model. At the end it compares the whole
 * backlog: cards, lists, counts, explanations and claim outlooks. Concurrent commands may have been carried out in any order
 * that explains their answers.
 *
 * No other card in the backlog may be claimed or claimable meanwhile. At the end all cards of the program are done, so that
 * they do not affect the next program. `prefix` is added to all names of the program, and must be new. `generation` is the
 * token generation of a backlog that was restored before. Defaults to 0.
 */
export const runProgram = Effect.fnUntraced(function* <E = never, R = never>(
  program: Program,
  prefix: string,
  backup?: Backup<E, R>,
  generation = 0
): Effect.fn.Return<ProgramResult, ProgramFailure | E, BacklogService | BacklogTestClock | R> {
  const backlog = yield* BacklogService
  const clock = yield* BacklogTestClock
  const ownClock = yield* Clock.Clock
  const workers = new Map(Object.keys(program.clocks).map((name) => [name, new SimulatedWorker(name, prefix)]))
  const workerOf = ({ worker: name }: { readonly worker: string }): SimulatedWorker => {
    const worker = workers.get(name) ?? new SimulatedWorker(name, prefix)
    workers.set(name, worker)
    return worker
  }
  let models: ReadonlyArray<Model> = [{ ...emptyModel, generation }]
  let saved: ReadonlyArray<Model> | undefined
  let operations = 0
  let problem: string | undefined

  const send = Effect.fnUntraced(function* (steps: ReadonlyArray<CommandStep>) {
    const now = yield* Effect.map(clock.now, DateTime.toEpochMillis)
    const sent = steps.flatMap((step) => {
      const clockError = (program.clocks[step.worker] ?? 0) * 1000
      const command = workerOf(step).command(step, now + clockError)
      const delivery: AnswerDelivery = step._tag === "Send" ? step.delivery : "received"
      return command === undefined ? [] : [{ command, delivery, clockError, worker: workerOf(step) }]
    })
    operations += sent.length
    const observed = yield* Effect.forEach(
      sent,
      ({ command, delivery, clockError }) =>
        (delivery === "interrupted" ? executeAndInterrupt(backlog, command) : execute(backlog, command)).pipe(
          Effect.provideService(Clock.Clock, skewClock(ownClock, clockError)),
          Effect.map((outcome): ObservedCommand => ({ command, outcome }))
        ),
      { concurrency: "unbounded" }
    )
    for (const [index, { command, outcome }] of observed.entries()) {
      const { delivery, worker } = sent[index] ?? {}
      if (delivery === "received" && outcome !== undefined) worker?.receive(command, outcome)
    }
    const after = stepConcurrent(models, observed, now)
    if (after.length === 0) problem = describeProblem(models, observed, now)
    else models = after
  })

  for (const group of groupsOf(program.steps)) {
    if (problem !== undefined) break
    if (group._tag === "Advance") yield* clock.advance(`${group.seconds} seconds`)
    else if (group._tag === "Crash") workerOf(group).crash()
    else if (group._tag === "Save") {
      if (backup !== undefined) yield* backup.save
      saved = models
    } else if (group._tag === "Restore") {
      if (backup === undefined || saved === undefined) continue
      generation = yield* backup.restore
      const now = yield* Effect.map(clock.now, DateTime.toEpochMillis)
      models = saved.map((model) => restoreModel(model, generation, now))
    } else yield* send(group.steps)
  }

  const ids = new Set(models.flatMap((model) => [...model.cards.keys()]))
  const found = yield* readState(backlog, ids)
  if (problem === undefined) {
    const now = yield* Effect.map(clock.now, DateTime.toEpochMillis)
    problem =
      findDifference(models, found, now) ??
      checkInvariants({ cards: found.cards, time: now, claimable: found.claimable })[0]
  }
  yield* Effect.forEach(
    found.notDone,
    (id) => execute(backlog, { _tag: "Complete", id, force: true, actor: "the end of a program" }),
    { concurrency: "unbounded", discard: true }
  )
  return { operations, problem, generation }
})

type CommandStep = Extract<Step, { readonly _tag: "Send" | "Retry" }>

type Group = Exclude<Step, CommandStep> | { readonly _tag: "Concurrent"; readonly steps: ReadonlyArray<CommandStep> }

/** Groups the steps that run at the same time. */
const groupsOf = (steps: ReadonlyArray<Step>): ReadonlyArray<Group> => {
  const groups: Array<Group> = []
  for (const step of steps) {
    const last = groups.at(-1)
    if (step._tag !== "Send" && step._tag !== "Retry") groups.push(step)
    else if (
      step.concurrent &&
      last?._tag === "Concurrent" &&
      last.steps.length < maxGroupSize &&
      !last.steps.some(isInterrupted)
    ) {
      groups.splice(-1, 1, { _tag: "Concurrent", steps: [...last.steps, step] })
    } else groups.push({ _tag: "Concurrent", steps: [step] })
  }
  return groups
}

const isInterrupted = (step: CommandStep): boolean => step._tag === "Send" && step.delivery === "interrupted"

/** Returns a worker's own clock. */
const skewClock = (clock: Clock.Clock, byMillis: number): Clock.Clock => {
  const nanos = BigInt(byMillis) * 1_000_000n
  return {
    currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + byMillis,
    currentTimeMillis: Effect.map(clock.currentTimeMillis, (millis) => millis + byMillis),
    currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe() + nanos,
    currentTimeNanos: Effect.map(clock.currentTimeNanos, (time) => time + nanos),
    monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
    monotonicTimeNanos: clock.monotonicTimeNanos,
    sleep: (duration) => clock.sleep(duration)
  }
}

const encodeCard = Schema.encodeSync(Card)
const encodeExplanation = Schema.encodeSync(Explanation)
const encodeOutlook = Schema.encodeSync(ClaimOutlook)

interface Found {
  /** The program's own cards. */
  readonly cards: ReadonlyArray<ModelCard>
  /** The backlog's answers about all cards that are not done. The cards of earlier programs are. */
  readonly open: unknown
  readonly claimable: ReadonlyArray<string>
  /** Every card in the backlog that is not done. */
  readonly notDone: ReadonlyArray<string>
}

const statuses = ["ready", "claimed", "blocked"] as const

const readState = Effect.fnUntraced(function* (backlog: BacklogService["Service"], ids: ReadonlySet<string>) {
  const cards: Array<ModelCard> = []
  const explanations: Array<unknown> = []
  for (const id of ids) {
    const card = yield* backlog.get(id)
    if (card._tag === "None") continue
    cards.push(encodeCard(card.value))
    explanations.push(encodeExplanation(yield* backlog.explain(id)))
  }
  const lists: Array<ReadonlyArray<string>> = []
  for (const status of statuses) lists.push((yield* backlog.list({ status })).map((card) => card.id))
  const claimable = (yield* backlog.list({ readyOnly: true })).map((card) => card.id)
  const stats = openStats(yield* backlog.stats)
  const outlooks: Array<unknown> = []
  for (const choice of claimFilters(cards)) {
    outlooks.push([
      openOutlook(encodeOutlook(yield* backlog.whyNothingClaimable(choice))),
      yield* backlog.awaitClaimable({ ...choice, waitSeconds: 0 })
    ])
  }
  const open = { explanations, lists, claimable, stats, outlooks }
  const found: Found = { cards, claimable, notDone: lists.flat(), open }
  return found
})

/** Filters of claims: none, an existing phase, an existing priority. */
const claimFilters = (cards: ReadonlyArray<ModelCard>): ReadonlyArray<ClaimFilter> => [
  {},
  ...cards.flatMap(({ phase }) => (phase === null ? [] : { phase })).slice(0, 1),
  ...cards.map(({ priority }) => ({ minPriority: priority })).slice(-1)
]

/** The model does not have the cards of earlier programs, so its outlook is `Empty` where the backlog's is `Done`. */
const openOutlook = (outlook: typeof ClaimOutlook.Encoded) =>
  outlook.reason === "Empty" ? { ...outlook, reason: "Done" } : outlook

/** The counts of cards that are not done. */
const openStats = ({ claimable, counts, expiredClaimCount, oldestReadyAgeSeconds, waiting }: Stats) => ({
  counts: { ready: counts.ready, claimed: counts.claimed, blocked: counts.blocked },
  claimable,
  waiting,
  oldestReadyAgeSeconds,
  expiredClaimCount
})

/** Returns what `readState` reads, from the model. */
const expectedState = (model: Model, found: ReadonlyArray<ModelCard>, now: number): unknown => {
  const idsOf = (cards: ReadonlyArray<ModelCard>): ReadonlyArray<string> => cards.map((card) => card.id)
  return {
    explanations: found.map(({ id }) => explainCard(model, id, now)),
    lists: statuses.map((status) => idsOf(listCards(model, now, { status }))),
    claimable: idsOf(listCards(model, now, { readyOnly: true })),
    stats: openStats(computeStats(model, now)),
    outlooks: claimFilters(found).map((choice) => {
      const outlook = openOutlook(whyNothingClaimable(model, now, choice))
      return [outlook, outlook.counts.claimable > 0]
    })
  }
}

/** Returns how the backlog differs from all models, or `undefined` when it agrees with one. */
const findDifference = (models: ReadonlyArray<Model>, found: Found, now: number): string | undefined => {
  const reasons = models.map((model) => {
    for (const card of model.cards.values()) {
      const actual = found.cards.find(({ id }) => id === card.id)
      if (!sameJson(card, actual))
        return `at the end the card is ${JSON.stringify(actual)}, not ${JSON.stringify(card)}`
    }
    const expected = expectedState(model, found.cards, now)
    if (sameJson(expected, found.open)) return undefined
    return `at the end the backlog returns ${JSON.stringify(found.open)}, not ${JSON.stringify(expected)}`
  })
  return reasons.includes(undefined) ? undefined : reasons[0]
}

const describeProblem = (
  models: ReadonlyArray<Model>,
  observed: ReadonlyArray<ObservedCommand>,
  now: number
): string => {
  const answers = observed.map(
    ({ command, outcome }) => `${JSON.stringify(command)} returned ${describeOutcome(outcome)}`
  )
  const [only] = observed
  if (observed.length > 1 || only === undefined) return `no order of these explains the answers: ${answers.join("; ")}`
  const allowed = models.map((model) => describeOutcome(stepModel(model, only.command, now)[1]))
  return `${answers.join("; ")}, but the rules require ${allowed.join(" or ")}`
}

const describeOutcome = (outcome: ModelOutcome | undefined): string =>
  outcome === undefined
    ? "an unknown outcome"
    : JSON.stringify(outcome._tag === "Refused" ? outcome.rejection : outcome.answer)
