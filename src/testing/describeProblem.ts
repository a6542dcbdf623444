import type { Model, ModelCommand, ModelOutcome } from "./Model.ts"
import { describeValue, differences } from "./differences.ts"
import { step } from "./step.ts"
import { isSameOutcome, type ObservedCommand } from "./stepObserved.ts"

/** An order of concurrent commands, as far as it explains their answers, and the first answer that it does not explain. */
interface Mismatch {
  readonly explained: ReadonlyArray<ModelCommand>
  readonly command: ModelCommand
  readonly differences: ReadonlyArray<string>
}

/**
 * Describes how the answers of commands that ran concurrently at `now`, in milliseconds since 1970, differ from what the
 * rules allow: for the order, and the model before, that come closest.
 */
export const describeProblem = (
  models: ReadonlyArray<Model>,
  observed: ReadonlyArray<ObservedCommand>,
  now: number
): string => {
  const [closest] = models
    .flatMap((model) => findMismatches(model, observed, now, []))
    .sort(
      (one, other) => other.explained.length - one.explained.length || one.differences.length - other.differences.length
    )
  if (closest === undefined) return "no order of the commands explains their answers"
  const { command, explained } = closest
  const answer = `${describeCommand(command)} returned an answer that the rules do not allow:\n${indent(closest.differences)}`
  if (observed.length === 1) return answer
  const others = explained.length === 0 ? "" : `after\n${indent(explained.map(describeCommand))}\n`
  return `no order of ${observed.length} concurrent commands explains their answers. In the closest order, ${others}${answer}`
}

/** Indents the lines of a list. */
export const indent = (lines: ReadonlyArray<string>): string => lines.map((line) => `  ${line}`).join("\n")

const findMismatches = (
  model: Model,
  observed: ReadonlyArray<ObservedCommand>,
  now: number,
  explained: ReadonlyArray<ModelCommand>
): ReadonlyArray<Mismatch> =>
  observed.flatMap(({ command, outcome }, index) => {
    const [after, expected] = step(model, command, now)
    const others = observed.toSpliced(index, 1)
    const next = () => findMismatches(after, others, now, [...explained, command])
    if (outcome === undefined) return [...findMismatches(model, others, now, explained), ...next()]
    if (isSameOutcome(expected, outcome)) return next()
    return [{ explained, command, differences: outcomeDifferences(expected, outcome) }]
  })

/** Returns how an outcome differs from the expected one, one line for each difference. */
export const outcomeDifferences = (expected: ModelOutcome, actual: ModelOutcome): ReadonlyArray<string> =>
  expected._tag === "Answered" && actual._tag === "Answered"
    ? differences(expected.answer, actual.answer)
    : expected._tag === "Refused" && actual._tag === "Refused" && expected.rejection._tag === actual.rejection._tag
      ? differences(expected.rejection, actual.rejection)
      : [`it is ${describeOutcome(actual)}, must be ${describeOutcome(expected)}`]

/** Describes an outcome in one line. */
export const describeOutcome = (outcome: ModelOutcome): string =>
  outcome._tag === "Answered" ? describeValue(outcome.answer) : `the refusal ${JSON.stringify(outcome.rejection)}`

/** Describes a command in one line. Names the cards of `CreateMany` instead of printing them. */
export const describeCommand = (command: ModelCommand): string => {
  const { _tag, actor, correlationId: _correlationId, ...content } = command
  const named = "cards" in content ? { ...content, cards: content.cards.map(({ id }) => id) } : content
  return `${actor}: ${_tag} ${JSON.stringify(named)}`
}
