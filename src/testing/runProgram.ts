import { Clock, DateTime, Effect } from "effect"
import type { CardNotFound } from "../domain/Rejection.ts"
import { BacklogService } from "../services/BacklogService.ts"
import type { InvalidInput } from "../services/decodeInput.ts"
import type { BacklogFailure } from "../services/serverFailures.ts"
import { BacklogTestClock } from "../services/layers.ts"
import { emptyModel, type Model, type ModelCard, withAnsweredIds } from "./Model.ts"
import type { AnswerDelivery, Program, Step } from "./Program.ts"
import { restoreModel } from "./step.ts"
import { SimulatedWorker } from "./SimulatedWorker.ts"
import { checkInvariants } from "./checkInvariants.ts"
import { describeProblem } from "./describeProblem.ts"
import { execute, executeAndInterrupt } from "./execute.ts"
import { agreeing, allReads, describeDisagreement, type Read, type ReadResult, readsAfterStep } from "./reads.ts"
import { type ObservedCommand, stepConcurrent } from "./stepObserved.ts"

/** Errors that end a program. Other rejections are outcomes. */
export type ProgramFailure = CardNotFound | InvalidInput | BacklogFailure

/** The result of a program. */
export interface ProgramResult {
  /** The number of commands that were sent. */
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
 * Runs a program on the backlog in the context, and compares every answer with the model. Concurrent commands may have any order
 * that explains their answers.
 *
 * After each step it reads the cards that the step changed and one other thing: another card, an explanation, a
 * list, the counts or a claim outlook, alternating. At the end it reads everything.
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

  const send = Effect.fnUntraced(function* ({ label, steps }: ConcurrentSteps) {
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
          Effect.map((outcome): ObservedCommand => ({ command: withAnsweredIds(command, outcome), outcome }))
        ),
      { concurrency: "unbounded" }
    )
    for (const [index, { command, outcome }] of observed.entries()) {
      const { delivery, worker } = sent[index] ?? {}
      if (delivery === "received" && outcome !== undefined) worker?.receive(command, outcome)
    }
    const after = stepConcurrent(models, observed, now)
    if (after.length === 0) problem = `at ${label}, ${describeProblem(models, observed, now)}`
    else models = after
  })

  const compare = Effect.fnUntraced(function* (reads: ReadonlyArray<Read>, when: string) {
    if (problem !== undefined) return
    const now = yield* Effect.map(clock.now, DateTime.toEpochMillis)
    const results: Array<ReadResult> = []
    for (const read of reads) results.push({ read, value: yield* read.actual(backlog) })
    const left = agreeing(models, results, now)
    if (left.length === 0) problem = `${when}, ${describeDisagreement(models, results, now)}`
    else models = left
  })

  for (const [turn, group] of groupsOf(program.steps).entries()) {
    if (problem !== undefined) break
    const before = models
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
    } else yield* send(group)
    // Programs begin with different reads.
    const reads = readsAfterStep(before, models, (program.seed >>> 0) + turn)
    yield* compare(reads, `after ${group.label}`)
  }

  yield* compare(allReads(models), "at the end")
  const open = new Set(models.flatMap(({ cards }) => [...cards.values()]).flatMap(idIfOpen))
  if (problem === undefined) {
    const cards = [...(models[0] ?? emptyModel).cards.values()]
    const time = yield* Effect.map(clock.now, DateTime.toEpochMillis)
    problem = checkInvariants({ cards, time })[0]
  } else {
    for (const status of openStatuses) for (const { id } of yield* backlog.list({ status })) open.add(id)
  }
  yield* Effect.forEach(
    open,
    (id) => execute(backlog, { _tag: "Complete", id, force: true, actor: "the end of a program" }),
    { concurrency: "unbounded", discard: true }
  )
  return { operations, problem, generation }
})

const openStatuses = ["ready", "claimed", "blocked"] as const

const idIfOpen = ({ id, status }: ModelCard): ReadonlyArray<string> => (status === "done" ? [] : [id])

type CommandStep = Extract<Step, { readonly _tag: "Send" | "Retry" }>

interface ConcurrentSteps {
  readonly _tag: "Concurrent"
  readonly steps: ReadonlyArray<CommandStep>
  /** The numbers of the steps in the program. */
  readonly label: string
}

type Group = (Exclude<Step, CommandStep> & { readonly label: string }) | ConcurrentSteps

/** Groups the steps that run at the same time. */
const groupsOf = (steps: ReadonlyArray<Step>): ReadonlyArray<Group> => {
  const groups: Array<Group> = []
  for (const [index, step] of steps.entries()) {
    const last = groups.at(-1)
    const label = `step ${index + 1}`
    if (step._tag !== "Send" && step._tag !== "Retry") groups.push({ ...step, label })
    else if (
      step.concurrent &&
      last?._tag === "Concurrent" &&
      last.steps.length < maxGroupSize &&
      !last.steps.some(isInterrupted)
    ) {
      const together = [...last.steps, step]
      const numbers = `steps ${index + 2 - together.length} to ${index + 1}`
      groups.splice(-1, 1, { _tag: "Concurrent", steps: together, label: numbers })
    } else groups.push({ _tag: "Concurrent", steps: [step], label })
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
