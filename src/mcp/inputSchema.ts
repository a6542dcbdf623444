import type { JsonSchema } from "effect"
import { Tool } from "effect/ai"

type Schema = JsonSchema.JsonSchema

/** What a tool takes, in as few words as say it: agents read every one of them before they begin. */
export const inputSchemaOf = (tool: Tool.Any): Schema => {
  const schema = compact(Tool.getJsonSchema(tool)) as Schema
  return { ...schema, properties: schema["properties"] ?? {} }
}

const compact = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(compact)
  if (typeof value !== "object" || value === null) return value
  const { additionalProperties: _, anyOf, ...schema } = value as Schema
  const said = Array.isArray(anyOf) ? { ...schema, ...alternatives(anyOf as ReadonlyArray<Schema>) } : schema
  return Object.fromEntries(Object.entries(said).flatMap(([key, each]) => member(key, each)))
}

/** What may be left out is said to be null too, which need not be said; what null clears is said so twice. */
const alternatives = (anyOf: ReadonlyArray<Schema>): Schema => {
  const [only = {}, ...others] = anyOf.filter(({ type }) => type !== "null")
  const nulls = anyOf.length - 1 - others.length
  return nulls > 1 && typeof only["type"] === "string" ? { ...only, type: [only["type"], "null"] } : only
}

const member = (key: string, value: unknown): ReadonlyArray<readonly [string, unknown]> =>
  Math.abs(value as number) === Number.MAX_SAFE_INTEGER ? [] : [[key, compact(value)]]
