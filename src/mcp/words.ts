import { DateTime } from "effect"
import { quote, escapeHiddenInJson, escapeHidden } from "../domain/displayText.ts"
import type { EventType, Status } from "../index.ts"
import type { LongPart } from "./longParts.ts"

/**
 * What the server says. Text of cards is in it only as a quoted string or in a frame, so that none of it reads like the
 * server's own words. `words` and `framed` make it; a plain string is not accepted in an answer.
 */
class Words {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

export type { Words }

/** A sentence of the server: every string in it that is not `Words` is quoted. */
export const words = (fixed: TemplateStringsArray, ...values: ReadonlyArray<string | number | Words>): Words =>
  new Words(String.raw({ raw: fixed }, ...values.map(said)))

const said = (value: string | number | Words): string =>
  value instanceof Words ? value.text : typeof value === "string" ? quote(value) : String(value)

/** One of the words that the program itself defines, without quotes. */
export const term = (word: Status | EventType | LongPart): Words => new Words(word)

/** A sentence that another module made of fixed words, numbers and JSON strings, on one line. */
export const sentence = (text: string): Words => new Words(escapeHiddenInJson(text))

/** A text of one or more lines, each behind a bar. Only lines of frames begin with a bar. */
export const framed = (text: string): Words =>
  new Words(
    escapeHidden(text)
      .split("\n")
      .map((line) => (line === "" ? bar : `${bar} ${line}`))
      .join("\n")
  )

const bar = "|"

/** A moment: `2026-01-22T12:04:05Z`. */
export const moment = (time: DateTime.Utc): Words => new Words(instant(time))

/** A moment as text for programs: `2026-01-22T12:04:05Z`. */
export const instant = (time: DateTime.Utc): string => DateTime.formatIso(time).replace(/\.\d+Z$/, "Z")

/** Several words with the same between them; what is missing is left out. */
export const joined = (between: string, each: ReadonlyArray<Words | undefined>): Words =>
  new Words(each.flatMap((one) => (one === undefined ? [] : one.text)).join(between))

/** Ids in a sentence, the first of many. */
export const listed = (ids: ReadonlyArray<string>, most = 10): Words => {
  const first = joined(
    ", ",
    ids.slice(0, most).map((id) => words`${id}`)
  )
  return ids.length <= most ? first : words`${first} and ${ids.length - most} more`
}

/** Lines; what is missing is left out. */
export const lines = (...each: ReadonlyArray<Words | undefined>): Words => joined("\n", each)
