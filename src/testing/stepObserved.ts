import { type Model, type ModelCommand, type ModelOutcome, sameJson } from "./Model.ts"
import { step } from "./step.ts"

/**
 * Returns the model after a command with an observed outcome, or `undefined` when the rules do not allow that outcome at
 * `now`, in milliseconds since 1970. A refused cycle may be reported with any path that is a cycle.
 */
export const stepObserved = (
  model: Model,
  command: ModelCommand,
  now: number,
  observed: ModelOutcome
): Model | undefined => {
  const [after, expected] = step(model, command, now)
  return isSameOutcome(expected, observed) ? after : undefined
}

/** Whether two outcomes are the same. A cycle may be reported with any of its paths. */
export const isSameOutcome = (expected: ModelOutcome, observed: ModelOutcome): boolean => {
  if (expected._tag === "Refused" && expected.rejection._tag === "DependencyCycle") {
    return (
      observed._tag === "Refused" &&
      observed.rejection._tag === "DependencyCycle" &&
      isClosed(observed.rejection.path) &&
      observed.rejection.path[0] === observed.rejection.id &&
      observed.rejection.path[1] === observed.rejection.dependsOn
    )
  }
  return sameJson(expected, observed)
}

const isClosed = (path: ReadonlyArray<string>): boolean => path.length > 1 && path[0] === path.at(-1)

/** A command that was sent, and its outcome. `undefined` if it is unknown whether the command was carried out. */
export interface ObservedCommand {
  readonly command: ModelCommand
  readonly outcome: ModelOutcome | undefined
}

/**
 * Returns the possible models after commands that ran concurrently at `now`, in milliseconds since 1970: one for each order
 * of the commands that explains all answers, starting from any of the possible models before. Empty when no order explains
 * them. A command without an outcome may have been carried out or not.
 */
export const stepConcurrent = (
  models: ReadonlyArray<Model>,
  observed: ReadonlyArray<ObservedCommand>,
  now: number
): ReadonlyArray<Model> => {
  const found = models.flatMap((model) => explanations(model, observed, now))
  return found.length < 2 ? found : [...new Map(found.map((model) => [keyOf(model), model])).values()]
}

const explanations = (model: Model, observed: ReadonlyArray<ObservedCommand>, now: number): ReadonlyArray<Model> => {
  if (observed.length === 0) return [model]
  return observed.flatMap(({ command, outcome }, index) => {
    const others = observed.toSpliced(index, 1)
    if (outcome === undefined) {
      return [...explanations(model, others, now), ...explanations(step(model, command, now)[0], others, now)]
    }
    const after = stepObserved(model, command, now, outcome)
    return after === undefined ? [] : explanations(after, others, now)
  })
}

const keyOf = ({ cards, receipts }: Model): string =>
  JSON.stringify([[...cards].sort(byKey), [...receipts].sort(byKey)])

const byKey = ([left]: readonly [string, unknown], [right]: readonly [string, unknown]): number =>
  left < right ? -1 : 1
