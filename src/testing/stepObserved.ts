import { type Model, type ModelCommand, type ModelOutcome, sameJson } from "./Model.ts"
import { step } from "./step.ts"

/** A command that was asked for, and what came of it; `undefined` when nobody knows whether it was carried out. */
export interface ObservedCommand {
  readonly command: ModelCommand
  readonly outcome: ModelOutcome | undefined
}

/**
 * The models that may be after commands which were under way at the same time, at `now` (milliseconds since 1970): one
 * for each order of the commands that explains every answer, from any of the models that may have been before. None
 * when no order does. A command of which nobody knows may have been carried out or not.
 */
export const stepConcurrent = (
  models: ReadonlyArray<Model>,
  asked: ReadonlyArray<ObservedCommand>,
  now: number
): ReadonlyArray<Model> => {
  const found = models.flatMap((model) => explanations(model, asked, now))
  return found.length < 2 ? found : [...new Map(found.map((model) => [keyOf(model), model])).values()]
}

const explanations = (model: Model, asked: ReadonlyArray<ObservedCommand>, now: number): ReadonlyArray<Model> => {
  if (asked.length === 0) return [model]
  return asked.flatMap(({ command, outcome }, index) => {
    const others = asked.toSpliced(index, 1)
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

/**
 * The model after a command that was answered so, or `undefined` when the rules do not allow that answer at `now`
 * (milliseconds since 1970). A refused cycle may be told by any path that is one.
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

/** Whether two outcomes say the same. Of a cycle, which may have several paths, only that it is closed. */
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
