import { Schema } from "effect"
import { isTimeName } from "../../src/http/api/document.ts"
import { code } from "./markdown.ts"

/** A JSON Schema. */
export type JsonSchema = Readonly<Record<string, unknown>>

/** A member of an object. */
export interface TypedMember {
  readonly name: string
  readonly schema: JsonSchema
  readonly required: boolean
}

/** The members of a schema's JSON, in order, without `_tag`. */
export const membersOf = (schema: Schema.Top): ReadonlyArray<TypedMember> => {
  const document = Schema.toJsonSchemaDocument(schema) as unknown as {
    readonly schema: JsonSchema
    readonly definitions: Readonly<Record<string, JsonSchema>>
  }
  return membersOfJson(dereference(document.schema, document.definitions))
}

const dereference = (schema: JsonSchema, definitions: Readonly<Record<string, JsonSchema>>): JsonSchema => {
  const reference = schema["$ref"]
  return typeof reference === "string" ? (definitions[reference.split("/").at(-1) ?? ""] ?? schema) : schema
}

/** The members of an object's JSON Schema, without `_tag`. */
export const membersOfJson = (schema: JsonSchema): ReadonlyArray<TypedMember> => {
  const required = new Set((schema["required"] ?? []) as ReadonlyArray<string>)
  return Object.entries((schema["properties"] ?? {}) as Readonly<Record<string, JsonSchema>>)
    .filter(([name]) => name !== "_tag")
    .map(([name, member]) => ({ name, schema: member, required: required.has(name) }))
}

/** The description in a schema. */
export const descriptionOf = (schema: JsonSchema): string | undefined => {
  const description = schema["description"]
  return typeof description === "string" ? description : undefined
}

/** Writes the type of a member for people: `string, 1 to 200 characters, or null`. `link` makes links of named types. */
export const typeText = (schema: JsonSchema, name = "", link: (type: string) => string = code): string => {
  const reference = schema["$ref"]
  if (typeof reference === "string") return link(reference.split("/").at(-1) ?? reference)
  const choice = (schema["anyOf"] ?? schema["oneOf"]) as ReadonlyArray<JsonSchema> | undefined
  if (choice !== undefined) {
    // `{}` accepts every value, also null.
    if (choice.some((each) => Object.keys(each).length === 0)) return "any JSON value"
    const texts = [...new Set(choice.map((each) => typeText(each, name, link)))]
    return texts.join(texts.some((text) => /^[a-z]+, /.test(text)) ? ", or " : " or ")
  }
  const values = schema["enum"] as ReadonlyArray<unknown> | undefined
  if (values !== undefined) return values.map((value) => code(String(value))).join(", ")
  if (schema["const"] !== undefined) return code(JSON.stringify(schema["const"]))
  const bounds = [schema, ...((schema["allOf"] ?? []) as ReadonlyArray<JsonSchema>)]
  switch (schema["type"]) {
    case "null":
      return "null"
    case "boolean":
      return "boolean"
    case "integer":
    case "number":
      return `${schema["type"]}${numberRange(bounds)}`
    case "array": {
      const items = typeText((schema["items"] ?? {}) as JsonSchema, name, link).replace(
        /^string(?:, (.*))?$/,
        (_, each) => (typeof each === "string" ? `strings, each ${each}` : "strings")
      )
      const length = boundText(bounds, "minItems", "maxItems", "items")
      return `list of ${items}${length === "" ? "" : `; ${length}`}`
    }
    case "object":
      return objectText(schema, link)
    case "string":
      return stringText(schema, bounds, name)
    default:
      return "any JSON value"
  }
}

const stringText = (schema: JsonSchema, bounds: ReadonlyArray<JsonSchema>, name: string): string => {
  if (schema["format"] === "date-time" || isTimeName(name)) return "time"
  const bytes = /At most (\d+) bytes of UTF-8/.exec(descriptionOf(schema) ?? "")?.[1]
  const minimum = extreme(bounds, "minLength", Math.max)
  if (bytes !== undefined)
    return `string, ${minimum === undefined ? "" : `${minimum} character, `}at most ${size(Number(bytes))}`
  const length = boundText(bounds, "minLength", "maxLength", "characters")
  return length === "" ? "string" : `string, ${length}`
}

const size = (bytes: number): string =>
  bytes % (1024 * 1024) === 0
    ? `${bytes / (1024 * 1024)} MiB`
    : bytes % 1024 === 0
      ? `${bytes / 1024} KiB`
      : `${bytes} bytes`

const objectText = (schema: JsonSchema, link: (type: string) => string): string => {
  const members = membersOfJson(schema)
  const tag = ((schema["properties"] as Readonly<Record<string, JsonSchema>> | undefined)?.["_tag"]?.["enum"] ??
    []) as ReadonlyArray<string>
  const others = schema["additionalProperties"]
  if (members.length === 0 && tag.length === 0) {
    return typeof others === "object" && others !== null && Object.keys(others).length > 0
      ? `object of ${typeText(others as JsonSchema, "", link)}`
      : "object"
  }
  const shown = [
    ...tag.map((each) => `${code("_tag")}: ${code(each)}`),
    ...members.map(
      ({ name, required, schema: member }) => `${code(required ? name : `${name}?`)}: ${typeText(member, name, link)}`
    )
  ]
  return `{ ${shown.join("; ")} }`
}

const extreme = (
  bounds: ReadonlyArray<JsonSchema>,
  key: string,
  narrower: (...values: ReadonlyArray<number>) => number
): number | undefined => {
  const values = bounds.flatMap((each) => (typeof each[key] === "number" ? [each[key]] : []))
  return values.length === 0 ? undefined : narrower(...values)
}

const boundText = (bounds: ReadonlyArray<JsonSchema>, low: string, high: string, unit: string): string => {
  const minimum = extreme(bounds, low, Math.max)
  const maximum = extreme(bounds, high, Math.min)
  if (maximum === undefined) return minimum === undefined || minimum === 0 ? "" : `at least ${format(minimum)} ${unit}`
  return minimum === undefined || minimum === 0
    ? `at most ${format(maximum)} ${unit}`
    : `${format(minimum)} to ${format(maximum)} ${unit}`
}

const numberRange = (bounds: ReadonlyArray<JsonSchema>): string => {
  const isFinite = (value: number | undefined): value is number =>
    value !== undefined && Math.abs(value) !== Number.MAX_SAFE_INTEGER
  const exclusive = extreme(bounds, "exclusiveMinimum", Math.max)
  const minimum = exclusive === undefined ? extreme(bounds, "minimum", Math.max) : exclusive + 1
  const maximum = extreme(bounds, "maximum", Math.min)
  if (isFinite(minimum))
    return isFinite(maximum) ? `, ${format(minimum)} to ${format(maximum)}` : `, ${format(minimum)} or more`
  return isFinite(maximum) ? `, at most ${format(maximum)}` : ""
}

const format = (value: number): string => value.toLocaleString("en-US")
