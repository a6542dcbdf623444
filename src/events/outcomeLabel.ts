import { Cause, Exit, Option } from "effect"

/** The outcome of a command or a read as a label of metrics: `done`, `nothing`, `interrupted`, `Defect`, or the tag of the error. */
export const outcomeLabel = (exit: Exit.Exit<unknown, unknown>): string => {
  if (Exit.isSuccess(exit)) return Option.isOption(exit.value) && Option.isNone(exit.value) ? "nothing" : "done"
  if (Cause.hasInterruptsOnly(exit.cause)) return "interrupted"
  const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
  return error === undefined ? "Defect" : tagOf(error)
}

/** The tag of an error; `Error` if it has none. */
export const tagOf = (error: unknown): string => (error as { readonly _tag?: string })._tag ?? "Error"
