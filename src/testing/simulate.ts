import { Data, Effect, type Layer } from "effect"
import { randomUUID } from "node:crypto"
import type { BacklogService } from "../services/BacklogService.ts"
import type { BacklogTestClock } from "../services/layers.ts"
import { describeProgram, type Program } from "./Program.ts"
import { generateProgram } from "./generateProgram.ts"
import { type Backup, type ProgramFailure, runProgram } from "./runProgram.ts"
import { shrinkProgram } from "./shrink.ts"

/**
 * The backlog broke a rule. The program was shrunk to the steps that are needed for the failure.
 *
 * What to do: run `program` again, or repeat the simulation with `rerun`.
 */
export class SimulationFailed extends Data.TaggedError("SimulationFailed")<{
  /** The shortest program that was found to fail. */
  readonly program: Program
  /** How the backlog differs from the rules. */
  readonly problem: string
  /** The seed of the first program and the number of programs of the simulation that fails. */
  readonly rerun: { readonly seed: number; readonly programs: number }
  /** Why the program was not shrunk, or not further. `undefined` when it is as short as shrinking makes it. */
  readonly whyNotShorter: string | undefined
}> {
  override get message(): string {
    const { problem, program, rerun, whyNotShorter } = this
    return [
      problem,
      "",
      describeProgram(program),
      "",
      ...(whyNotShorter === undefined ? [] : [whyNotShorter]),
      `To run the whole simulation again: simulate({ seed: ${rerun.seed}, programs: ${rerun.programs} }), with the same other options.`
    ].join("\n")
  }
}

/** Options of `simulate`. */
export interface SimulateOptions<E = never, R = never, LayerE = never, LayerR = never> {
  /** The seed of the first program. The seeds of the next ones follow it. */
  readonly seed: number
  /** Number of programs. */
  readonly programs: number
  /** Steps of a program after the first one. Defaults to 12. */
  readonly steps?: number | undefined
  /**
   * Builds an empty backlog like the one in the context, with every service that `backup` and `check` use. Each attempt to
   * shrink a failing program then starts with a new backlog. Without it, attempts use the backlog in the context, and end when a
   * failure leaves it in a wrong state. Defaults to none.
   */
  readonly layer?: Layer.Layer<BacklogService | BacklogTestClock, LayerE, LayerR> | undefined
  /** Saves and restores the backlog. Every program then does each once. Defaults to none. */
  readonly backup?: Backup<E, R> | undefined
  /** Checks further rules after every program, and returns the violations. Defaults to none. */
  readonly check?: Effect.Effect<ReadonlyArray<string>, E, R> | undefined
}

/** The result of `simulate`. */
export interface SimulationReport {
  readonly programs: number
  /** The number of commands that were sent. */
  readonly operations: number
}

/**
 * Runs generated programs of several workers on the backlog in the context. Compares every answer, and the backlog after every
 * step, with the model. Fails with `SimulationFailed`, whose message has the shortest failing program that was found, and the
 * seed that generates it again.
 *
 * The backlog is one of `layerTest` or `layerTestOver`. No other card in it may be claimed or claimable meanwhile.
 */
export const simulate = Effect.fnUntraced(function* <E = never, R = never, LayerE = never, LayerR = never>(
  options: SimulateOptions<E, R, LayerE, LayerR>
): Effect.fn.Return<
  SimulationReport,
  SimulationFailed | ProgramFailure | E | LayerE,
  BacklogService | BacklogTestClock | R | LayerR
> {
  const { backup, check, layer, programs, seed } = options
  if (!Number.isSafeInteger(programs) || programs < 1 || !Number.isSafeInteger(seed)) {
    return yield* Effect.die(new TypeError("simulate needs programs, an integer of at least 1, and seed, an integer"))
  }
  const run = randomUUID().slice(0, 8)
  let runs = 0
  let operations = 0
  let generation = 0

  /** Runs a program on the backlog in the context. */
  const runOn = Effect.fnUntraced(function* (program: Program, firstGeneration: number) {
    const prefix = `${run}.${++runs}.`
    const result = yield* runProgram(program, prefix, backup, firstGeneration)
    const problem = result.problem ?? (check === undefined ? undefined : (yield* check)[0])
    // A program is described without the prefix of its names.
    return { ...result, problem: problem?.replaceAll(prefix, "") }
  })

  const findProblem = Effect.fnUntraced(function* (program: Program) {
    const result = yield* runOn(program, generation)
    generation = result.generation
    operations += result.operations
    return result.problem
  })

  const fail = (fields: { readonly program: Program; readonly problem: string }, whyNotShorter?: string) =>
    new SimulationFailed({ ...fields, whyNotShorter, rerun: { seed: fields.program.seed, programs: 1 } })

  for (let index = 0; index < options.programs; index++) {
    const generated = generateProgram(options.seed + index, options)
    const program = backup === undefined ? generated : withRestore(generated)
    const problem = yield* findProblem(program)
    if (problem === undefined) continue
    const failed = { program, problem }

    if (layer !== undefined) {
      const findAlone = (attempt: Program) =>
        Effect.provide(
          Effect.map(runOn(attempt, 0), (result) => result.problem),
          layer,
          { local: true }
        )
      const alone = yield* findAlone(program)
      if (alone !== undefined) return yield* fail(yield* shrinkProgram({ program, problem: alone }, findAlone))
      return yield* new SimulationFailed({
        ...failed,
        rerun: { seed: options.seed, programs: index + 1 },
        whyNotShorter:
          "The program passed in an empty backlog, so it was not shrunk: it fails only after other programs, or not every time."
      })
    }

    /** Whether an empty program fails, because an earlier one left the backlog in a wrong state. */
    let isWrong = false
    const checkState = Effect.map(findProblem({ ...program, steps: [] }), (found) => {
      isWrong = found !== undefined
    })
    const findUntilWrong = Effect.fnUntraced(function* (attempt: Program) {
      if (isWrong) return undefined
      const found = yield* findProblem(attempt)
      if (found !== undefined) yield* checkState
      return found
    })
    yield* checkState
    const smallest = yield* shrinkProgram(failed, findUntilWrong)
    return yield* fail(
      smallest,
      isWrong
        ? "Its failure left the backlog in a wrong state, so the program was not shrunk further. With the option `layer`, each attempt starts with an empty backlog."
        : undefined
    )
  }
  return { programs: options.programs, operations }
})

/** Saves the backlog after a third of the program, and restores it after two thirds. */
const withRestore = (program: Program): Program => {
  const third = Math.floor(program.steps.length / 3)
  const steps = program.steps.toSpliced(third * 2, 0, { _tag: "Restore" }).toSpliced(third, 0, { _tag: "Save" })
  return { ...program, steps }
}
