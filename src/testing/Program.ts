import type { ClaimFilter } from "../domain/Command.ts"
import type { ModelCommand } from "./Model.ts"

type Unsigned<C> = C extends unknown ? Omit<C, "actor" | "commandId" | "token" | "owner" | "claimNext"> : never

/**
 * Which token a worker shows: that of a claim which it holds, as far as it knows; that of a claim which it held before
 * it crashed; a number that nobody gave it; or none.
 */
export type TokenChoice = "held" | "from before a crash" | "guessed" | "none"

/** What a worker wants. The card `held` is the one that it claimed last. */
export type CommandTemplate = Unsigned<ModelCommand> & {
  /** Which card is claimed next, when one is completed. */
  readonly claimNext?: ClaimFilter
  readonly token?: TokenChoice
  /** Whether a card that is created gets its business time from the worker's own clock. */
  readonly byOwnClock?: boolean
}

/** What becomes of an answer: it is heard, it is lost on the way, or the worker hangs up while the command is under way. */
export type AnswerDelivery = "received" | "lost" | "interrupted"

/** One thing that happens in a program. */
export type Step =
  /** Time passes, by the database's clock. */
  | { readonly _tag: "Advance"; readonly seconds: number }
  /** The backlog is saved. */
  | { readonly _tag: "Save" }
  /** The backlog is restored as it was saved; workers keep what they believe. */
  | { readonly _tag: "Restore" }
  /** A worker forgets what it holds; its old self may come back with its old tokens. */
  | { readonly _tag: "Crash"; readonly worker: string }
  /** A worker asks for something, at the same time as the step before when `together`. */
  | {
      readonly _tag: "Send"
      readonly worker: string
      readonly template: CommandTemplate
      readonly withCommandId: boolean
      readonly delivery: AnswerDelivery
      readonly concurrent: boolean
    }
  /**
   * A worker sends its last command once more: as it was; without its id, as a command of its own; or with the same id
   * and something else in it.
   */
  | {
      readonly _tag: "Retry"
      readonly worker: string
      readonly as: "same" | "new" | "changed"
      readonly concurrent: boolean
    }

/** What several workers do, in the order in which they begin. */
export interface Program {
  /** From this the program was made. */
  readonly seed: number
  /** By how many seconds each worker's own clock is wrong. */
  readonly clocks: Readonly<Record<string, number>>
  readonly steps: ReadonlyArray<Step>
}

/** A program in words, one line for each step. */
export const describeProgram = ({ clocks, steps }: Program): string =>
  [
    `clocks of the workers: ${Object.entries(clocks)
      .map(([worker, seconds]) => `${worker} ${seconds < 0 ? "" : "+"}${seconds} s`)
      .join(", ")}`,
    ...steps.map((step, index) => `${String(index + 1).padStart(3)}. ${describeStep(step)}`)
  ].join("\n")

const describeStep = (step: Step): string => {
  switch (step._tag) {
    case "Advance":
      return `${step.seconds} s pass`
    case "Save":
      return "the backlog is saved"
    case "Restore":
      return "the backlog is restored as it was saved"
    case "Crash":
      return `${step.worker} crashes`
    case "Send": {
      const { _tag, ...content } = step.template
      return (
        `${step.concurrent ? "at the same time " : ""}${step.worker}: ${_tag} ${JSON.stringify(content)}` +
        `${step.withCommandId ? ", with a command id" : ""}${step.delivery === "received" ? "" : `, answer ${step.delivery}`}`
      )
    }
    case "Retry": {
      const how = { same: "", new: " without its id", changed: " with other content under its id" }[step.as]
      return `${step.concurrent ? "at the same time " : ""}${step.worker}: the last command again${how}`
    }
  }
}
