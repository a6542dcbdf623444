import type { ClaimRequest } from "../domain/Command.ts"
import type { ModelCommand } from "./Model.ts"

/** A command without the parts that a worker adds. */
export type Unsigned<C> = C extends unknown
  ? Omit<C, "actor" | "commandId" | "token" | "owner" | "claimNext" | "notBefore">
  : never

/**
 * The token that a worker sends: that of a claim that it believes to hold (`held`), that of a claim from before it crashed, a
 * guessed number, or none.
 */
export type TokenChoice = "held" | "from before a crash" | "guessed" | "none"

/** A command without the parts that depend on the worker's state. The id `held` means the card that it claimed last. */
export type CommandTemplate = Unsigned<ModelCommand> & {
  /** The filter of the claim that follows the completion of a card. */
  readonly claimNext?: Pick<ClaimRequest, "phase" | "minPriority" | "labels" | "withoutLabels" | "maxAttempts">
  readonly token?: TokenChoice
  /** Whether a created card's business time comes from the worker's own clock. */
  readonly byOwnClock?: boolean
  /** The time before which a card cannot be claimed, in seconds after the worker's own time; `null` for none. */
  readonly notBeforeSeconds?: number | null
}

/** Whether the worker receives the answer, loses it, or interrupts the command while it runs. */
export type AnswerDelivery = "received" | "lost" | "interrupted"

/** One step of a program. */
export type Step =
  /** The database clock advances. */
  | { readonly _tag: "Advance"; readonly seconds: number }
  /** The backlog is saved. */
  | { readonly _tag: "Save" }
  /** The backlog is restored as it was saved. Workers keep their beliefs. */
  | { readonly _tag: "Restore" }
  /** A worker forgets its claims. Later steps may still send its old tokens. */
  | { readonly _tag: "Crash"; readonly worker: string }
  /** A worker sends a command, at the same time as the previous step when `concurrent`. */
  | {
      readonly _tag: "Send"
      readonly worker: string
      readonly template: CommandTemplate
      readonly withCommandId: boolean
      readonly delivery: AnswerDelivery
      readonly concurrent: boolean
    }
  /**
   * A worker sends its last command again: unchanged; as a new command without its id; or with the same id and other
   * content.
   */
  | {
      readonly _tag: "Retry"
      readonly worker: string
      readonly as: "same" | "new" | "changed"
      readonly concurrent: boolean
    }

/** The steps of several workers, in the order in which they start. */
export interface Program {
  /** The seed that the program was generated from. */
  readonly seed: number
  /** The error of each worker's own clock, in seconds. */
  readonly clocks: Readonly<Record<string, number>>
  readonly steps: ReadonlyArray<Step>
}

/** Describes a program, one line for each step. */
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
      return "the backlog is restored"
    case "Crash":
      return `${step.worker} crashes`
    case "Send": {
      const { _tag, ...content } = step.template
      return (
        `${step.concurrent ? "concurrently " : ""}${step.worker}: ${_tag} ${JSON.stringify(content)}` +
        `${step.withCommandId ? ", with a command id" : ""}${step.delivery === "received" ? "" : `, answer ${step.delivery}`}`
      )
    }
    case "Retry": {
      const how = { same: "", new: " without its id", changed: " with other content under its id" }[step.as]
      return `${step.concurrent ? "concurrently " : ""}${step.worker}: the last command again${how}`
    }
  }
}
