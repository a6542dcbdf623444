import { Effect } from "effect"
import type { Program, Step } from "./Program.ts"

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

/** A program, and what the rules do not allow in it. */
export interface FailedProgram {
  readonly program: Program
  readonly problem: string
}

/**
 * Shrinks a failing program: its steps, the cards of its `CreateMany` commands, and which steps are concurrent. `findProblem`
 * runs a program, and returns its problem, or `undefined` when it passes.
 */
export const shrinkProgram = <E, R>(
  failed: FailedProgram,
  findProblem: (program: Program) => Effect.Effect<string | undefined, E, R>
): Effect.Effect<FailedProgram, E, R> =>
  Effect.gen(function* () {
    let smallest = failed
    const fails = (steps: ReadonlyArray<Step>): Effect.Effect<boolean, E, R> => {
      const program = { ...smallest.program, steps }
      return Effect.map(findProblem(program), (problem) => {
        if (problem !== undefined) smallest = { program, problem }
        return problem !== undefined
      })
    }
    const stillFailsWith = (index: number, step: Step) => fails(smallest.program.steps.with(index, step))
    for (let isSimpler = true; isSimpler;) {
      const steps = yield* shrink(smallest.program.steps, fails)
      isSimpler = false
      for (const [index, step] of steps.entries()) {
        if (step._tag !== "Send" && step._tag !== "Retry") continue
        if (step.concurrent && (yield* stillFailsWith(index, { ...step, concurrent: false }))) isSimpler = true
        const current = smallest.program.steps[index]
        if (current?._tag !== "Send" || current.template._tag !== "CreateMany") continue
        const { template } = current
        const cards = yield* shrink(template.cards, (some) =>
          stillFailsWith(index, { ...current, template: { ...template, cards: some } })
        )
        if (cards.length < template.cards.length) isSimpler = true
      }
    }
    return smallest
  })
