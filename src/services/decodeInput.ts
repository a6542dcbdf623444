import { Effect, Schema } from "effect"
import { InvalidInput } from "./InvalidInput.ts"

/** Makes a decoder of input from outside: what does not fit the schema, unknown keys too, is an `InvalidInput`. */
export const decodeInput = <S extends Schema.Constraint>(
  schema: S
): ((input: unknown) => Effect.Effect<S["Type"], InvalidInput, S["DecodingServices"]>) => {
  const decode = Schema.decodeUnknownEffect(schema, { onExcessProperty: "error" })
  return (input) => Effect.mapError(decode(input), (error) => new InvalidInput({ problem: error.message }))
}
