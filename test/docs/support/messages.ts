import { parseSync } from "oxc-parser"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

const sources = join(import.meta.dirname, "..", "..", "..", "src")

interface Node {
  readonly type: string
  readonly [key: string]: unknown
}

const isNode = (value: unknown): value is Node => typeof value === "object" && value !== null && "type" in value

/** A value that is only known when the program runs. */
const hole = Symbol("hole")

type Part = string | typeof hole

/** The text of an expression; a hole for everything that is not a text in the source. */
const partsOf = (node: Node): ReadonlyArray<Part> => {
  switch (node.type) {
    case "Literal":
      return [typeof node["value"] === "string" ? node["value"] : hole]
    case "TemplateLiteral": {
      const texts = node["quasis"] as ReadonlyArray<{ readonly value: { readonly cooked: string } }>
      const values = node["expressions"] as ReadonlyArray<Node>
      return texts.flatMap(({ value }, index) => [value.cooked, ...(values[index] ? partsOf(values[index]) : [])])
    }
    case "BinaryExpression":
      return node["operator"] === "+" ? [...partsOf(node["left"] as Node), ...partsOf(node["right"] as Node)] : [hole]
    default:
      return [hole]
  }
}

/** Texts with fewer characters of their own match too much. */
const minimumLength = 10

const literalLength = (parts: ReadonlyArray<Part>): number =>
  parts.reduce((length, part) => length + (part === hole ? 0 : part.length), 0)

const messagesIn = (value: unknown): ReadonlyArray<ReadonlyArray<Part>> => {
  if (Array.isArray(value)) return value.flatMap(messagesIn)
  if (!isNode(value)) return []
  const parts = /^(?:Literal|TemplateLiteral|BinaryExpression)$/.test(value.type) ? partsOf(value) : []
  const inner = Object.values(value).flatMap(messagesIn)
  return literalLength(parts) < minimumLength ? inner : [parts, ...inner]
}

/** The values of a message's holes in a text; `undefined` if it is another text. */
const valuesIn = (text: string, parts: ReadonlyArray<Part>): ReadonlyArray<string> | undefined => {
  const values: Array<string> = []
  let at = 0
  let isAfterHole = false
  for (const [index, part] of parts.entries()) {
    if (part === hole) {
      isAfterHole = true
      continue
    }
    const isLast = index === parts.length - 1
    const found = isAfterHole ? (isLast ? text.length - part.length : text.indexOf(part, at)) : at
    if (found < at || !text.startsWith(part, found)) return undefined
    if (isAfterHole) values.push(text.slice(at, found))
    at = found + part.length
    isAfterHole = false
  }
  if (isAfterHole) return [...values, text.slice(at)]
  return at === text.length ? values : undefined
}

const files = readdirSync(sources, { recursive: true, encoding: "utf8" }).filter((name) => /\.tsx?$/.test(name))

/** The source of the program. */
export const sourceText: string = files.map((name) => readFileSync(join(sources, name), "utf8")).join("\n")

let messages: ReadonlyArray<ReadonlyArray<Part>> | undefined

/** The messages of the program. Template literals and concatenations have a hole for each value. */
const allMessages = (): ReadonlyArray<ReadonlyArray<Part>> =>
  (messages ??= files.flatMap((name) => {
    const path = join(sources, name)
    return messagesIn(parseSync(path, readFileSync(path, "utf8")).program)
  }))

/** Values at run time that are longer than this must be texts of the program themselves. */
const maximumValue = 90

const known = new Map<string, boolean>()

/** Whether a text is a message that the program can produce, or several of them, according to the texts in its source. */
export const isMessage = (text: string): boolean => {
  const before = known.get(text)
  if (before !== undefined) return before
  const found =
    allMessages().some((parts) =>
      valuesIn(text, parts)?.every((value) => value.length <= maximumValue || isMessage(value))
    ) || splitsOf(text).some((texts) => texts.every(isMessage))
  known.set(text, found)
  return found
}

/** A text without the words in parentheses at its end, and a text as two: at the end of a sentence. */
const splitsOf = (text: string): ReadonlyArray<ReadonlyArray<string>> => {
  const [, before] = /^(.*) \([^()]*\)$/s.exec(text) ?? []
  const sentences = [...text.matchAll(/\. /g)].map(({ index }) => [text.slice(0, index + 1), text.slice(index + 2)])
  return before === undefined ? sentences : [[before], ...sentences]
}
