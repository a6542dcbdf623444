import type { Option } from "./shellWords.ts"

/** JSON text that is sent as it is: reading and writing it again could change its numbers. */
export class RawJson {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** A field of a command's form, with its name in the request and its flag on the command line. */
export interface Field {
  readonly name: string
  readonly flag: string
  readonly label: string
  /** What the form shows: a line, several lines, names on a line each, a choice, a number, a time, JSON, or a switch. */
  readonly kind: "line" | "text" | "names" | "choice" | "number" | "time" | "json" | "switch"
  /** What the field does, below it. Defaults to none. */
  readonly hint?: string
  readonly isRequired?: boolean
  /** The values of a choice. */
  readonly choices?: ReadonlyArray<string>
  /** Whether an empty value clears the field of the card, when it had one. Defaults to false: an empty field is not sent. */
  readonly canClear?: boolean
}

/** What the reader has entered, by the names of the fields. */
export type Values = Readonly<Record<string, string | boolean>>

/** The value of a field for the request, and as options of the command line; or what is wrong with it. */
export type Parsed =
  | { readonly _tag: "Absent" }
  | { readonly _tag: "Value"; readonly json: unknown; readonly options: ReadonlyArray<Option> }
  | { readonly _tag: "Wrong"; readonly problem: string }

const absent: Parsed = { _tag: "Absent" }

const wrong = (problem: string): Parsed => ({ _tag: "Wrong", problem })

/** Parses a field. `initial` is its value when the form was opened; a field that can be cleared is sent only if it changed. */
export const parseField = (field: Field, value: string | boolean = "", initial: string | boolean = ""): Parsed => {
  const { canClear = false, flag, isRequired = false, label, name } = field
  const single = (json: unknown, text: string, readsInput = false): Parsed => ({
    _tag: "Value",
    json,
    options: [{ flag, value: text, readsInput }]
  })
  if (typeof value === "boolean") {
    return value ? { _tag: "Value", json: true, options: [{ flag, value: true }] } : absent
  }
  if (canClear && value === initial) return absent
  if (value.trim() === "") {
    if (isRequired) return wrong(`${label} must not be empty.`)
    return canClear ? single(null, field.kind === "json" ? "null" : "") : absent
  }
  switch (field.kind) {
    case "line":
    case "choice":
      return single(value.trim(), value.trim())
    case "text":
      return single(value, value, true)
    case "names": {
      const names = namesOf(value)
      return { _tag: "Value", json: names, options: names.map((each) => ({ flag, value: toOption(name, each) })) }
    }
    case "number":
      return /^\s*-?\d{1,10}\s*$/.test(value)
        ? single(Number(value), String(Number(value)))
        : wrong(`${label} must be a whole number.`)
    case "time": {
      const time = new Date(value)
      return Number.isNaN(time.getTime())
        ? wrong(`${label} must be a time.`)
        : single(time.toISOString(), time.toISOString())
    }
    case "json":
      try {
        JSON.parse(value)
        return single(new RawJson(value), value, true)
      } catch (cause) {
        const advice = 'Put a text into quotation marks: "like this".'
        return wrong(`${label} must be JSON. ${advice} (${cause instanceof Error ? cause.message : ""})`)
      }
    case "switch":
      return absent
  }
}

/** The command line takes dependencies separated by commas. */
const toOption = (name: string, value: string): string =>
  name === "dependsOn" ? value.replaceAll(/[\\,]/g, String.raw`\$&`) : value

/** Returns the names in a text: one on each line. */
export const namesOf = (text: string): ReadonlyArray<string> => [
  ...new Set(
    text
      .split("\n")
      .map((each) => each.trim())
      .filter((each) => each !== "")
  )
]

/** Writes the members of a request as JSON. */
export const encodeMembers = (members: Readonly<Record<string, unknown>>): string =>
  `{${Object.entries(members)
    .flatMap(([name, value]) =>
      value === undefined
        ? []
        : [`${JSON.stringify(name)}:${value instanceof RawJson ? value.text : JSON.stringify(value)}`]
    )
    .join(",")}}`
