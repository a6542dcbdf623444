import { sameJson } from "./sameJson.ts"
import type { Model, ModelCommand, ModelOutcome } from "./Model.ts"
import { step } from "./step.ts"

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
