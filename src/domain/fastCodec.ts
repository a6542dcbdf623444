import { DateTime, Result, Schema, SchemaAST, SchemaParser } from "effect"
import { copyStorableJson, Json, JsonInput, jsonStorageProblem } from "./Json.ts"

/*
 * Effect interprets a schema: each field of each value passes through several functions and an `Exit`, which took half of
 * the server's time for a request that returns a card. The functions of this file compile a schema to closures that do
 * nothing but check and copy. They decide only what valid values become. Any other value goes to the schema, so each error
 * is the schema's own. `test/domain/fastCodec.test.ts` compares the two.
 */

/** A schema without services. */
export type PureSchema = Schema.Constraint & { readonly DecodingServices: never; readonly EncodingServices: never }

/** Makes a decoder that returns what `Schema.decodeUnknownResult` returns, several times faster for valid input. */
export const makeFastDecoder = <S extends PureSchema>(
  schema: S,
  options: SchemaAST.ParseOptions = {}
): ((input: unknown) => Result.Result<S["Type"], Schema.SchemaError>) =>
  orInterpret(schema.ast, options, Schema.decodeUnknownResult(schema, options))

/** Makes an encoder that returns what `Schema.encodeUnknownResult` returns, several times faster for valid values. */
export const makeFastEncoder = <S extends PureSchema>(
  schema: S
): ((value: unknown) => Result.Result<S["Encoded"], Schema.SchemaError>) =>
  orInterpret(SchemaAST.flip(schema.ast), {}, Schema.encodeUnknownResult(schema))

const orInterpret = <A>(
  ast: SchemaAST.AST,
  options: SchemaAST.ParseOptions,
  interpret: (input: unknown) => Result.Result<A, Schema.SchemaError>
) => {
  // Compiled at the first use, so that a program does not wait for schemas that it does not use.
  let fast: FastDecoder | undefined
  return (input: unknown): Result.Result<A, Schema.SchemaError> => {
    const output = (fast ??= compile(ast, options))(input)
    return output === notAccepted ? interpret(input) : Result.succeed(output as A)
  }
}

/** Returned for a value that is invalid, or that only the schema can decode. */
const notAccepted: unique symbol = Symbol("notAccepted")

/** Returns the decoded value or `notAccepted`. */
type FastDecoder = (input: unknown) => unknown

/** Compiles a syntax tree to a function. */
const compile = (ast: SchemaAST.AST, options: SchemaAST.ParseOptions): FastDecoder => {
  const known = knownDecoders.get(ast)
  if (known !== undefined) return known
  const decode = ast.encoding === undefined ? compileNode(ast, options) : undefined
  return decode === undefined ? interpretNode(ast, options) : withChecks(decode, ast, options)
}

/** Decoders of frequent values whose schemas transform. */
const knownDecoders: ReadonlyMap<SchemaAST.AST, FastDecoder> = new Map<SchemaAST.AST, FastDecoder>([
  [
    SchemaAST.flip(Schema.DateTimeUtcFromString.ast),
    (value) => (DateTime.isDateTime(value) && DateTime.isUtc(value) ? DateTime.formatIso(value) : notAccepted)
  ],
  ...[JsonInput.ast, Schema.toCodecJson(JsonInput).ast].map((ast): [SchemaAST.AST, FastDecoder] => [
    ast,
    (value) => Result.getOrElse(copyStorableJson(value), () => notAccepted)
  ]),
  [
    SchemaAST.flip(Schema.toCodecJson(Json).ast),
    (value) => (jsonStorageProblem(value) === undefined ? value : notAccepted)
  ]
])

const compileNode = (ast: SchemaAST.AST, options: SchemaAST.ParseOptions): FastDecoder | undefined => {
  switch (ast._tag) {
    case "String":
      return (input) => (typeof input === "string" ? input : notAccepted)
    case "Number":
      return (input) => (typeof input === "number" ? input : notAccepted)
    case "Boolean":
      return (input) => (typeof input === "boolean" ? input : notAccepted)
    case "Null":
      return (input) => (input === null ? input : notAccepted)
    case "Undefined":
      return (input) => (input === undefined ? input : notAccepted)
    case "Unknown":
      return (input) => input
    case "Literal":
      return (input) => (input === ast.literal ? input : notAccepted)
    case "Union":
      return ast.encodingChecks === undefined && ast.options?.mode !== "oneOf" ? compileUnion(ast, options) : undefined
    case "Arrays":
      return ast.encodingChecks === undefined && ast.elements.length === 0 && ast.rest.length === 1
        ? compileArray(ast, options)
        : undefined
    case "Objects":
      return ast.encodingChecks === undefined && ast.indexSignatures.length === 0 && ast.propertySignatures.length > 0
        ? compileObject(ast, options)
        : undefined
    default:
      return undefined
  }
}

const compileUnion = ({ types }: SchemaAST.Union, options: SchemaAST.ParseOptions): FastDecoder => {
  if (types.every((type) => type._tag === "Literal" && type.checks === undefined && type.encoding === undefined)) {
    const literals = new Set<unknown>(types.map((type) => (type as SchemaAST.Literal).literal))
    return (input) => (literals.has(input) ? input : notAccepted)
  }
  const members = types.map((type) => compile(type, options))
  return (input) => {
    for (const member of members) {
      const output = member(input)
      if (output !== notAccepted) return output
    }
    return notAccepted
  }
}

const compileArray = ({ rest }: SchemaAST.Arrays, options: SchemaAST.ParseOptions): FastDecoder => {
  const decode = compile(rest[0] as SchemaAST.AST, options)
  return (input) => {
    if (!Array.isArray(input)) return notAccepted
    const { length } = input
    const output: Array<unknown> = []
    for (let index = 0; index < length; index++) {
      const item = decode(input[index])
      if (item === notAccepted) return notAccepted
      output.push(item)
    }
    return output
  }
}

const compileObject = (
  { propertySignatures }: SchemaAST.Objects,
  options: SchemaAST.ParseOptions
): FastDecoder | undefined => {
  const names: Array<string> = []
  for (const { name, type } of propertySignatures) {
    if (typeof name !== "string" || name === "__proto__" || hasDefault(type)) return undefined
    names.push(name)
  }
  const known = new Set<unknown>(names)
  const rejectsUnknown = options.onExcessProperty === "error"
  if (!rejectsUnknown && options.onExcessProperty !== undefined && options.onExcessProperty !== "ignore") {
    return undefined
  }
  const properties = propertySignatures.map(({ type }, index) => ({
    name: names[index] as string,
    isOptional: SchemaAST.isOptional(type),
    decode: compile(type, options)
  }))
  return (input) => {
    if (typeof input !== "object" || input === null || Array.isArray(input)) return notAccepted
    const output: Record<string, unknown> = {}
    for (const { decode, isOptional, name } of properties) {
      if (name in input) {
        const value = decode((input as Record<string, unknown>)[name])
        if (value === notAccepted) return notAccepted
        output[name] = value
      } else if (!isOptional) {
        return notAccepted
      }
    }
    if (rejectsUnknown) {
      for (const key of Reflect.ownKeys(input)) if (!known.has(key)) return notAccepted
    }
    return output
  }
}

/** Whether the schema of a property may give it a value although the key is missing. */
const hasDefault = (type: SchemaAST.AST): boolean =>
  type.encoding?.some(
    ({ transformation }) =>
      transformation._tag !== "Transformation" ||
      transformation.decode._tag === "TransformOptional" ||
      transformation.decode._tag === "TransformOptionalEffect"
  ) === true

const withChecks = (decode: FastDecoder, ast: SchemaAST.AST, options: SchemaAST.ParseOptions): FastDecoder => {
  const filters = (ast.checks ?? []).flatMap(filtersOf)
  if (filters.length === 0) return decode
  return (input) => {
    const output = decode(input)
    if (output === notAccepted) return notAccepted
    for (const filter of filters) if (filter.run(output, ast, options) !== undefined) return notAccepted
    return output
  }
}

const filtersOf = (check: SchemaAST.Check<unknown>): ReadonlyArray<SchemaAST.Filter<unknown>> =>
  check._tag === "Filter" ? [check] : check.checks.flatMap(filtersOf)

/** Decodes a part of a value as the schema does. */
const interpretNode = (ast: SchemaAST.AST, options: SchemaAST.ParseOptions): FastDecoder => {
  const decode = SchemaParser.decodeUnknownResult(Schema.make<PureSchema>(ast), options)
  return (input) => Result.getOrElse(decode(input), () => notAccepted)
}
