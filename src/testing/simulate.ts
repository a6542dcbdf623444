import { Data, Effect } from "effect"
import { randomUUID } from "node:crypto"
import type { BacklogService } from "../services/BacklogService.ts"
import type { BacklogTestClock } from "../services/layers.ts"
import { describeProgram, type Program } from "./Program.ts"
import { generateProgram } from "./generateProgram.ts"
import { type Backup, type ProgramFailure, runProgram } from "./runProgram.ts"

/** The rules do not allow the answers of a program, which was shrunk to the steps that matter. */
export class SimulationFailed extends Data.TaggedError("SimulationFailed")<{
  readonly program: Program
  readonly problem: string
}> {
  override get message(): string {
    return [
      this.problem,
      "",
      describeProgram(this.program),
      "",
      `To run the whole program again: simulate({ seed: ${this.program.seed}, programs: 1 }), with the same other options.`
    ].join("\n")
  }
}

/** Options of `simulate`. */
export interface SimulateOptions<E = never, R = never> {
  /** The seed of the first program. The seeds of the next ones follow it. */
  readonly seed: number
  /** Number of programs. */
  readonly programs: number
  /** Steps of a program after the first one. Defaults to 12. */
  readonly steps?: number | undefined
  /** How to save and restore the backlog. When present, every program saves it once and restores it once later. */
  readonly backup?: Backup<E, R> | undefined
  /** Checks further rules after every program, and returns the violations. */
  readonly check?: Effect.Effect<ReadonlyArray<string>, E, R> | undefined
}

/** The result of `simulate`. */
export interface SimulationReport {
  readonly programs: number
  /** How many commands were sent. */
  readonly operations: number
}

/**
 * Runs programs of several workers, generated from a seed, on the backlog in the context. Compares every answer, and the
 * backlog after each program, with the model. Fails with `SimulationFailed`, whose message has the shortest failing program
 * that was found, and the seed to run it again.
 *
 * The backlog is one of `layerTest` or `layerTestOver`. No other card in it may be claimed or claimable meanwhile.
 */
export const simulate = Effect.fnUntraced(function* <E = never, R = never>(
  options: SimulateOptions<E, R>
): Effect.fn.Return<SimulationReport, SimulationFailed | ProgramFailure | E, BacklogService | BacklogTestClock | R> {
  const run = randomUUID().slice(0, 8)
  let runs = 0
  let operations = 0
  let generation = 0
  const problemOf = Effect.fnUntraced(function* (program: Program) {
    const result = yield* runProgram(program, `${run}.${++runs}.`, options.backup, generation)
    generation = result.generation
    operations += result.operations
    if (result.problem !== undefined || options.check === undefined) return result.problem
    return (yield* options.check)[0]
  })
  for (let index = 0; index < options.programs; index++) {
    const generated = generateProgram(options.seed + index, options)
    const program = options.backup === undefined ? generated : withRestore(generated)
    const problem = yield* problemOf(program)
    if (problem === undefined) continue
    const fails = (steps: Program["steps"]) =>
      Effect.map(problemOf({ ...program, steps }), (found) => found !== undefined)
    const smallest = { ...program, steps: yield* shrink(program.steps, fails) }
    return yield* new SimulationFailed({ program: smallest, problem: (yield* problemOf(smallest)) ?? problem })
  }
  return { programs: options.programs, operations }
})

/** Saves the backlog after a third of the program, and restores it after two thirds. */
const withRestore = (program: Program): Program => {
  const third = Math.floor(program.steps.length / 3)
  const steps = program.steps.toSpliced(third * 2, 0, { _tag: "Restore" }).toSpliced(third, 0, { _tag: "Save" })
  return { ...program, steps }
}

/**
 * Shrinks a failing list to a short list that still fails, and that would not fail without any one of its items. Removes
 * halves first, then quarters, and so on (delta debugging). `fails` returns whether a list fails.
 */
export const shrink = <A, E, R>(
  items: ReadonlyArray<A>,
  fails: (items: ReadonlyArray<A>) => Effect.Effect<boolean, E, R>
): Effect.Effect<ReadonlyArray<A>, E, R> =>
  Effect.gen(function* () {
    let smallest = items
    let size = Math.ceil(items.length / 2)
    while (size >= 1) {
      let removed = false
      for (let start = 0; start < smallest.length;) {
        const without = [...smallest.slice(0, start), ...smallest.slice(start + size)]
        if (without.length < smallest.length && (yield* fails(without))) {
          smallest = without
          removed = true
        } else {
          start += size
        }
      }
      if (size === 1 && !removed) break
      size = size === 1 ? 1 : Math.ceil(size / 2)
    }
    return smallest
  })
