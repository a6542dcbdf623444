import { Effect, Result, Schema } from "effect"
import { truncateMessage } from "../domain/displayText.ts"

/** Input that is not what a command takes. Nothing was asked of the database. */
export class InvalidInput extends Schema.TaggedError<InvalidInput>()("InvalidInput", {
  /** What was wrong and where, in words. */
  problem: Schema.String
}) {
  override get message(): string {
    return `Invalid input: ${this.problem}`
  }
}

const invalid = (problem: string): InvalidInput => new InvalidInput({ problem: truncateMessage(problem) })

/** Makes a decoder of input from outside: what does not fit the schema, unknown keys too, is an `InvalidInput`. */
export const decodeInput = <S extends Schema.Constraint & { readonly DecodingServices: never }>(
  schema: S
): ((input: unknown) => Effect.Effect<S["Type"], InvalidInput>) => {
  const decode = Schema.decodeUnknownResult(schema, { onExcessProperty: "error" })
  return (input) => readingInput(() => Result.mapError(decode(input), (error) => invalid(error.message)))
}

/** The same for members of a union that are told apart by their tag, which the input itself does not have. */
export const decodeTaggedInput = <S extends Schema.Constraint & { readonly DecodingServices: never }>(
  schema: S
): ((tag: string, input: unknown) => Effect.Effect<S["Type"], InvalidInput>) => {
  const decode = Schema.decodeUnknownResult(schema, { onExcessProperty: "error" })
  return (tag, input) =>
    readingInput(() => Result.mapError(decode(tagged(tag, input)), (error) => invalid(error.message)))
}

/** With this tag, whatever it says itself. A property that is added after the others were copied would take much longer. */
const tagged = (tag: string, input: unknown): unknown => {
  if (typeof input !== "object") return input
  const copy = { _tag: tag, ...input }
  copy._tag = tag
  return copy
}

/** Reading input runs the caller's own code where that has getters or is a proxy: what it throws is about the input. */
const readingInput = <A>(read: () => Result.Result<A, InvalidInput>): Effect.Effect<A, InvalidInput> =>
  Effect.suspend(() => {
    try {
      return Effect.fromResult(read())
    } catch {
      return invalid("it cannot be read: reading it throws an error")
    }
  })
