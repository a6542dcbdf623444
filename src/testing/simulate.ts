import { Data, Effect } from "effect"
import { randomUUID } from "node:crypto"
import type { BacklogService } from "../services/BacklogService.ts"
import type { BacklogTestClock } from "../services/layers.ts"
import { describeProgram, type Program } from "./Program.ts"
import { generateProgram } from "./generateProgram.ts"
import { type Backup, type ProgramFailure, runProgram } from "./runProgram.ts"

/**
 * Cuts a list of which something fails down to a short one of which it still fails: without any one of its items it
 * would not. Takes away halves first, then quarters, and so on (delta debugging). `fails` says whether a list fails.
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

/** A program whose answers the rules do not allow, cut down to the steps that it takes. */
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
      `To run the whole program again: simulate({ seed: ${this.program.seed}, programs: 1 }), with the same options beside.`
    ].join("\n")
  }
}

/** What to simulate. */
export interface SimulateOptions<E = never, R = never> {
  /** What the first program is made from; the next ones from the numbers after it. */
  readonly seed: number
  /** How many programs to run. */
  readonly programs: number
  /** Steps in a program after the first, 12 unless told otherwise. */
  readonly steps?: number | undefined
  /** How to save and restore the backlog: then every program saves it once, and restores it once later on. */
  readonly backup?: Backup<E, R> | undefined
  /** Looks for what must hold after every program, beside the model, and answers what does not. */
  readonly check?: Effect.Effect<ReadonlyArray<string>, E, R> | undefined
}

/** What was simulated. */
export interface SimulationReport {
  readonly programs: number
  /** Commands that were asked for. */
  readonly operations: number
}

/**
 * Runs programs of several workers, made from a seed, on the backlog in the context, and compares every answer and the
 * backlog after each program with the model. Fails with `SimulationFailed`, whose message has the shortest program that
 * was found to fail, and the seed to run it again.
 *
 * The backlog is one of `layerTest` or `layerTestOver`, and nothing else in it may be claimable or claimed meanwhile.
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

/** The program with its first third saved, and restored before the last third. */
const withRestore = (program: Program): Program => {
  const third = Math.floor(program.steps.length / 3)
  const steps = program.steps.toSpliced(third * 2, 0, { _tag: "Restore" }).toSpliced(third, 0, { _tag: "Save" })
  return { ...program, steps }
}
