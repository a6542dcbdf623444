import { Effect, Result, Schema } from "effect"
import { truncateMessage } from "../domain/displayText.ts"
import { makeFastDecoder, type PureSchema } from "../domain/fastCodec.ts"

/** The input does not fit its schema. Nothing was sent to the database. */
export class InvalidInput extends Schema.TaggedError<InvalidInput>()("InvalidInput", {
  /** What is wrong, and in which field. */
  problem: Schema.String
}) {
  override get message(): string {
    return `Invalid input: ${this.problem}`
  }
}

const invalid = (problem: string): InvalidInput => new InvalidInput({ problem: truncateMessage(problem) })

/** Makes a decoder of input. Input that does not fit the schema, or has unknown keys, fails with `InvalidInput`. */
export const decodeInput = <S extends PureSchema>(
  schema: S
): ((input: unknown) => Effect.Effect<S["Type"], InvalidInput>) => {
  const decode = makeFastDecoder(schema, { onExcessProperty: "error" })
  return (input) => catchThrown(() => Result.mapError(decode(input), (error) => invalid(error.message)))
}

/** Makes a decoder for a union of tagged structs, whose tag is not part of the input. */
export const decodeTaggedInput = <S extends PureSchema>(
  schema: S
): ((tag: string, input: unknown) => Effect.Effect<S["Type"], InvalidInput>) => {
  const decode = makeFastDecoder(schema, { onExcessProperty: "error" })
  return (tag, input) =>
    catchThrown(() => Result.mapError(decode(withTag(tag, input)), (error) => invalid(error.message)))
}

/** Adds a tag, and replaces one that the input has. Adding the property last would be much slower. */
const withTag = (tag: string, input: unknown): unknown => {
  if (typeof input !== "object") return input
  const copy = { _tag: tag, ...input }
  copy._tag = tag
  return copy
}

/** Catches what the caller's getters or proxies throw while input is read. */
const catchThrown = <A>(read: () => Result.Result<A, InvalidInput>): Effect.Effect<A, InvalidInput> =>
  Effect.suspend(() => {
    try {
      return Effect.fromResult(read())
    } catch {
      return invalid("it cannot be read: reading it throws an error")
    }
  })
