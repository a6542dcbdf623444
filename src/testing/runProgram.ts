import { Clock, DateTime, Effect, Schema } from "effect"
import type { SqlError } from "effect/sql"
import { Card } from "../domain/Card.ts"
import { ClaimOutlook } from "../domain/ClaimOutlook.ts"
import type { ClaimFilter } from "../domain/Command.ts"
import { Explanation } from "../domain/Explanation.ts"
import type { CardNotFound } from "../domain/Rejection.ts"
import type { Stats } from "../domain/Stats.ts"
import { BacklogService } from "../services/BacklogService.ts"
import type { InvalidInput } from "../services/decodeInput.ts"
import { BacklogTestClock } from "../services/layers.ts"
import { emptyModel, type Model, type ModelCard, type ModelOutcome, sameJson } from "./Model.ts"
import type { AnswerDelivery, Program, Step } from "./Program.ts"
import { computeStats, explainCard, listCards, whyNothingClaimable } from "./modelQueries.ts"
import { restoreModel, step as stepModel } from "./step.ts"
import { SimulatedWorker } from "./SimulatedWorker.ts"
import { checkInvariants } from "./checkInvariants.ts"
import { execute, executeAndInterrupt } from "./execute.ts"
import { type ObservedCommand, stepConcurrent } from "./stepObserved.ts"

/** What asking a backlog fails with. */
export type ProgramFailure = CardNotFound | InvalidInput | SqlError.SqlError

/** What came of a program. */
export interface ProgramResult {
  /** Commands that were asked for. */
  readonly operations: number
  /** What the rules do not allow, in words; `undefined` when everything was as the model says. */
  readonly problem: string | undefined
  /** The generation of tokens at the end. */
  readonly generation: number
}

/** How a test saves and restores the backlog that it runs a program on. */
export interface Backup<E = never, R = never> {
  readonly save: Effect.Effect<unknown, E, R>
  /** Restores what was saved last, calls `AuditService.restored`, and returns the generation. */
  readonly restore: Effect.Effect<number, E, R>
}

/** Commands that are under way at the same time, at most. */
const largestGroup = 4

/**
 * Runs a program on the backlog in the context and compares every answer with the model, and the whole backlog at the
 * end: cards, lists, counts, explanations and what is said of claims. Commands that are under way at the same time may have been carried out in any order
 * that explains their answers.
 *
 * Nothing else may be claimed or claimable in the backlog while it runs. When it ends, all its cards are done, so that
 * the next program does not meet them; `prefix` is put before everything that it names, and must be new. `generation` is
 * that of the backlog's tokens, for a backlog that was restored before. Defaults to 0.
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

  const ask = Effect.fnUntraced(function* (steps: ReadonlyArray<AskingStep>) {
    const now = yield* Effect.map(clock.now, DateTime.toEpochMillis)
    const asking = steps.flatMap((step) => {
      const wrongBy = (program.clocks[step.worker] ?? 0) * 1000
      const command = workerOf(step).command(step, now + wrongBy)
      const delivery: AnswerDelivery = step._tag === "Send" ? step.delivery : "received"
      return command === undefined ? [] : [{ command, delivery, wrongBy, worker: workerOf(step) }]
    })
    operations += asking.length
    const asked = yield* Effect.forEach(
      asking,
      ({ command, delivery, wrongBy }) =>
        (delivery === "interrupted" ? executeAndInterrupt(backlog, command) : execute(backlog, command)).pipe(
          Effect.provideService(Clock.Clock, wrong(ownClock, wrongBy)),
          Effect.map((outcome): ObservedCommand => ({ command, outcome }))
        ),
      { concurrency: "unbounded" }
    )
    for (const [index, { command, outcome }] of asked.entries()) {
      const heard = asking[index]
      if (heard?.delivery === "received" && outcome !== undefined) heard.worker.receive(command, outcome)
    }
    const after = stepConcurrent(models, asked, now)
    if (after.length === 0) problem = describe(models, asked, now)
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
    } else yield* ask(group.steps)
  }

  const ids = new Set(models.flatMap((model) => [...model.cards.keys()]))
  const found = yield* look(backlog, ids)
  if (problem === undefined) {
    const now = yield* Effect.map(clock.now, DateTime.toEpochMillis)
    problem =
      whyNone(models, found, now) ?? checkInvariants({ cards: found.cards, time: now, claimable: found.claimable })[0]
  }
  yield* Effect.forEach(
    found.notDone,
    (id) => execute(backlog, { _tag: "Complete", id, force: true, actor: "the end of a program" }),
    { concurrency: "unbounded", discard: true }
  )
  return { operations, problem, generation }
})

type AskingStep = Extract<Step, { readonly _tag: "Send" | "Retry" }>

type Group = Exclude<Step, AskingStep> | { readonly _tag: "Concurrent"; readonly steps: ReadonlyArray<AskingStep> }

/** Joins steps that happen at the same time. */
const groupsOf = (steps: ReadonlyArray<Step>): ReadonlyArray<Group> => {
  const groups: Array<Group> = []
  for (const step of steps) {
    const last = groups.at(-1)
    if (step._tag !== "Send" && step._tag !== "Retry") groups.push(step)
    else if (
      step.concurrent &&
      last?._tag === "Concurrent" &&
      last.steps.length < largestGroup &&
      !last.steps.some(isCut)
    ) {
      groups.splice(-1, 1, { _tag: "Concurrent", steps: [...last.steps, step] })
    } else groups.push({ _tag: "Concurrent", steps: [step] })
  }
  return groups
}

const isCut = (step: AskingStep): boolean => step._tag === "Send" && step.delivery === "interrupted"

/** A worker's own clock. */
const wrong = (clock: Clock.Clock, byMillis: number): Clock.Clock => {
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
  /** What was answered about everything that is not done: other programs' cards are. */
  readonly open: unknown
  readonly claimable: ReadonlyArray<string>
  /** Every card in the backlog that is not done. */
  readonly notDone: ReadonlyArray<string>
}

const statuses = ["ready", "claimed", "blocked"] as const

const look = Effect.fnUntraced(function* (backlog: BacklogService["Service"], ids: ReadonlySet<string>) {
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
  for (const choice of choicesOf(cards)) {
    outlooks.push([
      openOutlook(encodeOutlook(yield* backlog.whyNothingClaimable(choice))),
      yield* backlog.awaitClaimable({ ...choice, waitSeconds: 0 })
    ])
  }
  const open = { explanations, lists, claimable, stats, outlooks }
  const found: Found = { cards, claimable, notDone: lists.flat(), open }
  return found
})

/** What claims may choose among: everything, a phase that there is, a priority that there is. */
const choicesOf = (cards: ReadonlyArray<ModelCard>): ReadonlyArray<ClaimFilter> => [
  {},
  ...cards.flatMap(({ phase }) => (phase === null ? [] : { phase })).slice(0, 1),
  ...cards.map(({ priority }) => ({ minPriority: priority })).slice(-1)
]

/** A backlog in which nothing is open has the cards of programs before this one. */
const openOutlook = (outlook: typeof ClaimOutlook.Encoded) =>
  outlook.reason === "Empty" ? { ...outlook, reason: "Done" } : outlook

/** The counts of what is not done. */
const openStats = ({ claimable, counts, expiredClaimCount, oldestReadyAgeSeconds, waiting }: Stats) => ({
  counts: { ready: counts.ready, claimed: counts.claimed, blocked: counts.blocked },
  claimable,
  waiting,
  oldestReadyAgeSeconds,
  expiredClaimCount
})

/** The same, as a model says it. */
const lookAt = (model: Model, found: ReadonlyArray<ModelCard>, now: number): unknown => {
  const idsOf = (cards: ReadonlyArray<ModelCard>): ReadonlyArray<string> => cards.map((card) => card.id)
  return {
    explanations: found.map(({ id }) => explainCard(model, id, now)),
    lists: statuses.map((status) => idsOf(listCards(model, now, { status }))),
    claimable: idsOf(listCards(model, now, { readyOnly: true })),
    stats: openStats(computeStats(model, now)),
    outlooks: choicesOf(found).map((choice) => {
      const outlook = openOutlook(whyNothingClaimable(model, now, choice))
      return [outlook, outlook.counts.claimable > 0]
    })
  }
}

/** Why no model is what was found, or `undefined` when one is. */
const whyNone = (models: ReadonlyArray<Model>, found: Found, now: number): string | undefined => {
  const reasons = models.map((model) => {
    for (const card of model.cards.values()) {
      const told = found.cards.find(({ id }) => id === card.id)
      if (!sameJson(card, told)) return `at the end the card is ${JSON.stringify(told)}, not ${JSON.stringify(card)}`
    }
    const expected = lookAt(model, found.cards, now)
    if (sameJson(expected, found.open)) return undefined
    return `at the end the backlog says ${JSON.stringify(found.open)}, not ${JSON.stringify(expected)}`
  })
  return reasons.includes(undefined) ? undefined : reasons[0]
}

const describe = (models: ReadonlyArray<Model>, asked: ReadonlyArray<ObservedCommand>, now: number): string => {
  const answers = asked.map(({ command, outcome }) => `${JSON.stringify(command)} led to ${told(outcome)}`)
  const [only] = asked
  if (asked.length > 1 || only === undefined) return `no order of these explains the answers: ${answers.join("; ")}`
  const allowed = models.map((model) => told(stepModel(model, only.command, now)[1]))
  return `${answers.join("; ")}, but the rules say ${allowed.join(" or ")}`
}

const told = (outcome: ModelOutcome | undefined): string =>
  outcome === undefined
    ? "nobody knows what"
    : JSON.stringify(outcome._tag === "Refused" ? outcome.rejection : outcome.answer)
