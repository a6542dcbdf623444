import { DateTime, SchemaAST } from "effect"
import type { Random } from "./random.ts"

const texts = ["a", "b-1", "w/1", "5", "2024-01-02T03:04:05.678Z", "true", "é𝒜", "0".repeat(64)]
const oddTexts = ["", " ", " a", "x".repeat(201), "a\u0000", "\ud800", "a\nb", "-0", "1e3", "2024-13-01T00:00:00Z"]
const numbers = [1, 1, 2, 60, 0]
const oddNumbers = [-1, 1.5, -0, 2 ** 31, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY]
const times = ["2024-01-02T03:04:05.678Z", "0001-01-01T00:00:00Z"].map((text) => DateTime.makeUnsafe(text))
const json = [null, 1, "text", true, [1, [2]], { a: { b: null } }, { z: 1, a: [] }]
const odd = [undefined, null, 1, "a", [], {}, () => 1, Symbol("a"), 1n, new Date(0), Object.create({ inherited: 1 })]

/**
 * A random value of a schema's syntax tree. `oddity` is the probability of a wrong value, or a missing or an additional key,
 * at each place. Values that only a filter refuses occur also without.
 */
export const sampleSchema = (ast: SchemaAST.AST, random: Random, oddity: number): unknown => {
  if (random.next() < oddity) return random.pick<unknown>(odd)
  switch (ast._tag) {
    case "String":
      return random.pick(random.next() < oddity ? oddTexts : texts)
    case "Number":
      return random.pick(random.next() < oddity ? oddNumbers : numbers)
    case "Boolean":
      return random.next() < 0.5
    case "Null":
      return null
    case "Undefined":
      return undefined
    case "Literal":
      return ast.literal
    case "Union":
      return sampleSchema(random.pick(ast.types), random, oddity)
    case "Arrays":
      return Array.from({ length: random.below(4) }, () =>
        sampleSchema((ast.elements[0] ?? ast.rest[0]) as SchemaAST.AST, random, oddity)
      )
    case "Objects":
      return sampleObject(ast, random, oddity)
    case "Declaration":
      return random.pick<unknown>(ast.annotations?.["expected"] === "DateTime.Utc" ? times : json)
    default:
      return random.pick<unknown>(json)
  }
}

const sampleObject = (ast: SchemaAST.Objects, random: Random, oddity: number) => {
  const entries = ast.propertySignatures.flatMap(({ name, type }): ReadonlyArray<readonly [PropertyKey, unknown]> => {
    if (random.next() < (SchemaAST.isOptional(type) ? 0.5 : oddity / 4)) return []
    return [[name, sampleSchema(type, random, oddity)]]
  })
  if (random.next() < oddity) entries.push([random.pick<PropertyKey>(["unknown", "__proto__", Symbol("unknown")]), 1])
  const output: object = {}
  // In any order, and with `__proto__` as an ordinary key.
  for (const [key, value] of random.next() < 0.5 ? entries : entries.toReversed()) {
    Object.defineProperty(output, key, { value, enumerable: true, configurable: true, writable: true })
  }
  return output
}
