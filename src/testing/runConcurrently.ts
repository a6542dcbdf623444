import { DateTime, Effect, Semaphore } from "effect"
import type { BacklogService } from "../services/BacklogService.ts"
import type { InvalidInput } from "../services/decodeInput.ts"
import type { BacklogFailure } from "../services/serverFailures.ts"
import type { BacklogTestClock } from "../services/layers.ts"
import { type History, HistoryRecorder } from "./History.ts"
import type { ModelCommand } from "./Model.ts"
import type { Step } from "./Program.ts"
import { generateClaimProgram, generateProgram } from "./generateProgram.ts"
import { SimulatedWorker } from "./SimulatedWorker.ts"
import { execute, executeAndInterrupt } from "./execute.ts"
import { seededRandom } from "./seededRandom.ts"

/** Options of `runConcurrently`. */
export interface RunConcurrentlyOptions {
  /** The same backlog over several connection pools. Each worker uses one of them. */
  readonly backlogs: readonly [BacklogService["Service"], ...ReadonlyArray<BacklogService["Service"]>]
  /** The clock that all backlogs share. */
  readonly clock: BacklogTestClock["Service"]
  /** The seed of the workers' steps. How they interleave depends on the database. */
  readonly seed: number
  /** Number of workers. Defaults to 6. */
  readonly workers?: number | undefined
  /** Steps of each worker. Defaults to 12. */
  readonly steps?: number | undefined
  /** `mixed` sends every kind of command, `claims` mostly claims. Defaults to `mixed`. */
  readonly workload?: "mixed" | "claims" | undefined
  /** Added to all names that the workers use. Must be new. */
  readonly prefix: string
}

/**
 * Runs workers on one backlog at the same time. Returns a history of their commands and outcomes for `checkLinearizability` and
 * `checkClaimOrder`. The workers send every kind of command, advance the clock, crash, send old tokens, lose answers and retry.
 *
 * No other card in the backlog may be claimed or claimable meanwhile. At the end all cards of the history are done.
 */
export const runConcurrently = Effect.fnUntraced(function* (
  options: RunConcurrentlyOptions
): Effect.fn.Return<History, InvalidInput | BacklogFailure> {
  const { backlogs, clock, prefix, seed } = options
  const random = seededRandom(seed)
  const now = Effect.map(clock.now, DateTime.toEpochMillis)
  const recorder = new HistoryRecorder(yield* now)

  const oneAtATime = yield* Semaphore.make(1)
  const advance = (seconds: number) =>
    Effect.flatMap(clock.now, (time) => {
      const next = DateTime.add(time, { seconds })
      return recorder.moveClock(DateTime.toEpochMillis(next), clock.set(next))
    }).pipe(oneAtATime.withPermits(1))

  const perform = Effect.fnUntraced(function* (
    step: Step,
    worker: SimulatedWorker,
    backlog: BacklogService["Service"],
    clockErrorSeconds: number
  ) {
    if (step._tag === "Advance") return yield* advance(step.seconds)
    if (step._tag === "Crash") return worker.crash()
    if (step._tag === "Save" || step._tag === "Restore") return
    const command = withoutRelations(worker.command(step, (yield* now) + clockErrorSeconds * 1000))
    if (command === undefined) return
    const delivery = step._tag === "Send" ? step.delivery : "received"
    const send = delivery === "interrupted" ? executeAndInterrupt(backlog, command) : execute(backlog, command)
    const outcome = yield* recorder.record(command, send)
    if (outcome !== undefined && delivery === "received") worker.receive(command, outcome)
  })

  const generate = options.workload === "claims" ? generateClaimProgram : generateProgram
  const [first] = generate(seed).steps
  const planner = new SimulatedWorker("planner", prefix)
  if (first !== undefined) yield* perform(first, planner, backlogs[0], 0)
  const works = Array.from({ length: options.workers ?? 6 }, (_, index) => {
    const worker = new SimulatedWorker(`v${index}`, prefix)
    const { steps } = generate(seed + index, { steps: options.steps ?? 12 })
    const clockErrorSeconds = (random.below(13) - 6) * 3600
    const backlog = backlogs[index % backlogs.length] ?? backlogs[0]
    return Effect.forEach(steps.slice(1), (step) => perform(step, worker, backlog, clockErrorSeconds), {
      discard: true
    })
  })
  yield* Effect.all(works, { concurrency: "unbounded", discard: true })

  for (const status of ["ready", "claimed", "blocked"] as const) {
    for (const { id } of yield* Effect.orDie(backlogs[0].list({ status }))) {
      const actor = "the end of a history"
      const command = { _tag: "Complete", id, force: true, actor, correlationId: `${prefix}end.${id}` } as const
      yield* recorder.record(command, execute(backlogs[0], command))
    }
  }
  return recorder.history
})

/**
 * Removes what relates cards to each other, which would prevent a check card by card: idempotency keys, and `maxAttempts`, with
 * which a claim of one card blocks others.
 */
const withoutRelations = (command: ModelCommand | undefined): ModelCommand | undefined => {
  switch (command?._tag) {
    case "Create":
      return withoutKey(command)
    case "CreateMany":
      return { ...command, cards: command.cards.map(withoutKey) }
    case "Claim":
      return withoutMaxAttempts(command)
    case "ClaimMany":
      return withoutMaxAttempts(command)
    case "Release":
      return withoutMaxAttempts(command)
    case "Complete":
      return command.claimNext === undefined
        ? command
        : { ...command, claimNext: withoutMaxAttempts(command.claimNext) }
    default:
      return command
  }
}

const withoutMaxAttempts = <C extends { readonly maxAttempts?: number | undefined }>(
  command: C
): Omit<C, "maxAttempts"> => {
  const { maxAttempts: _maxAttempts, ...rest } = command
  return rest
}

const withoutKey = <C extends { readonly idempotencyKey?: string | null | undefined }>(
  card: C
): Omit<C, "idempotencyKey"> => {
  const { idempotencyKey: _key, ...rest } = card
  return rest
}
