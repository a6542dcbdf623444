import { Result, Schema, SchemaAST } from "effect"
import { isDeepStrictEqual } from "node:util"
import { expect } from "vitest"
import { makeRandom } from "./random.ts"
import { sampleSchema } from "./sampleSchema.ts"
import { makeFastDecoder, makeFastEncoder, type PureSchema } from "../../src/domain/fastCodec.ts"

/** Samples per schema. */
const samples = 200

/** Requires that the fast decoder of a schema returns the values and the errors of the schema. */
export const expectSameDecoder = (schema: Schema.Constraint, options: SchemaAST.ParseOptions = {}): void => {
  const pure = schema as PureSchema
  expectSame(SchemaAST.toEncoded(schema.ast), makeFastDecoder(pure, options), Schema.decodeUnknownResult(pure, options))
}

/** Requires that the fast encoder of a schema returns the values and the errors of the schema. */
export const expectSameEncoder = (schema: Schema.Constraint): void => {
  const pure = schema as PureSchema
  expectSame(SchemaAST.toType(schema.ast), makeFastEncoder(pure), Schema.encodeUnknownResult(pure))
}

type Codec = (input: unknown) => Result.Result<unknown, Schema.SchemaError>

const expectSame = (ast: SchemaAST.AST, fast: Codec, bySchema: Codec): void => {
  const random = makeRandom(1)
  let valid = 0
  for (let sample = 0; sample < samples; sample++) {
    const input = sampleSchema(ast, random, sample % 2 === 0 ? 0 : 0.03)
    const [actual, expected] = [fast(input), bySchema(input)].map(shown)
    if (!isDeepStrictEqual(actual, expected)) expect(actual).toStrictEqual(expected)
    if (typeof expected === "object") valid++
  }
  expect(valid).toBeGreaterThan(0)
}

/** The value and its JSON, which also shows the order of keys; or the error's message. */
const shown = (result: Result.Result<unknown, Schema.SchemaError>) =>
  Result.match(result, {
    onSuccess: (value) => ({ value, json: JSON.stringify(value) }),
    onFailure: ({ message }) => message
  })
