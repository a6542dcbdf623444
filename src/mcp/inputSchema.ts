import type { JsonSchema } from "effect"
import { type McpSchema, Tool } from "effect/ai"

type Schema = JsonSchema.JsonSchema

/** What a tool takes, in as few words as say it: agents read every one of them before they begin. */
export const inputSchemaOf = (tool: Tool.Any): McpSchema.ToolJson => {
  const { properties = {}, ...schema } = compact(Tool.getJsonSchema(tool)) as McpSchema.ToolJson
  return { ...schema, properties }
}

/**
 * Arguments without those that are null: clients that want every argument to be given give that for what is left out. It
 * means nothing else, but in JSON of the agent's own.
 */
export const withoutNulls = (value: unknown, schema: Schema): unknown => {
  const { items, properties, type } = schema as Shape
  if (type === "array" && items !== undefined && Array.isArray(value)) {
    return value.map((each) => withoutNulls(each, items))
  }
  if (type !== "object" || typeof value !== "object" || value === null) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, each]) => {
      const known = properties?.[key]
      if (known === undefined) return [[key, each]]
      return each === null ? [] : [[key, withoutNulls(each, known)]]
    })
  )
}

interface Shape {
  readonly type?: string
  readonly items?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
}

const compact = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(compact)
  if (typeof value !== "object" || value === null) return value
  const { additionalProperties: _, anyOf, ...schema } = value as Schema
  // What may be left out is said to be null too, which need not be said.
  const only = Array.isArray(anyOf) ? (anyOf as ReadonlyArray<Schema>).find(({ type }) => type !== "null") : undefined
  return Object.fromEntries(Object.entries({ ...schema, ...only }).flatMap(([key, each]) => member(key, each)))
}

const member = (key: string, value: unknown): ReadonlyArray<readonly [string, unknown]> =>
  Math.abs(value as number) === Number.MAX_SAFE_INTEGER ? [] : [[key, compact(value)]]
