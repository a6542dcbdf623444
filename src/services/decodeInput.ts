import { Effect, Result, Schema, type SchemaAST } from "effect"
import { truncateMessage } from "../domain/displayText.ts"
import { makeFastDecoder, type PureSchema } from "../domain/fastCodec.ts"

/**
 * The input does not fit its schema. Nothing was sent to the database.
 *
 * What to do: correct the field that `problem` names. Do not repeat the input unchanged.
 */
export class InvalidInput extends Schema.TaggedError<InvalidInput>()("InvalidInput", {
  /** Every problem of the input: what is wrong, and in which field. */
  problem: Schema.String
}) {
  override get message(): string {
    return `Invalid input: ${this.problem}`
  }
}

const invalid = (problem: string): InvalidInput => new InvalidInput({ problem: truncateMessage(problem) })

const strict: SchemaAST.ParseOptions = { onExcessProperty: "error" }

/**
 * Makes a decoder whose error lists every problem of the input, after `place`. If the input has more than 10,000 parts, it
 * lists the first problem only.
 */
export const makeInputDecoder = <S extends PureSchema>(
  schema: S,
  options: SchemaAST.ParseOptions,
  place = ""
): ((input: unknown) => Result.Result<S["Type"], InvalidInput>) => {
  const decode = makeFastDecoder(schema, options)
  const decodeAll = Schema.decodeUnknownResult(schema, { ...options, errors: "all" })
  return (input) =>
    Result.mapError(decode(input), (first) => {
      const all = hasFewParts(input) ? decodeAll(input) : undefined
      return invalid(place + (all !== undefined && Result.isFailure(all) ? all.failure : first).message)
    })
}

/** Describing the problems of 200,000 cards takes two seconds. */
const maxParts = 10_000

const hasFewParts = (input: unknown): boolean => {
  const pending: Array<unknown> = [input]
  let count = 0
  while (pending.length > 0) {
    const value = pending.pop()
    if (typeof value !== "object" || value === null) continue
    const parts: ReadonlyArray<unknown> = Array.isArray(value) ? value : Object.values(value)
    count += parts.length
    if (count > maxParts) return false
    pending.push(...parts)
  }
  return true
}

/** Makes a decoder of input. Input that does not fit the schema, or has unknown keys, fails with `InvalidInput`. */
export const decodeInput = <S extends PureSchema>(
  schema: S
): ((input: unknown) => Effect.Effect<S["Type"], InvalidInput>) => {
  const decode = makeInputDecoder(schema, strict)
  return (input) => catchThrown(() => decode(input))
}

/** Makes a decoder for a union of tagged structs, whose tag is not part of the input. */
export const decodeTaggedInput = <S extends PureSchema>(
  schema: S
): ((tag: string, input: unknown) => Effect.Effect<S["Type"], InvalidInput>) => {
  const decode = makeInputDecoder(schema, strict)
  return (tag, input) => catchThrown(() => decode(withTag(tag, input)))
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
