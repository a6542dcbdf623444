import { Schema } from "effect"

/** The length of a text in bytes of UTF-8, the encoding of the database. */
export const utf8Length = (text: string): number => {
  let bytes = text.length
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    if (unit >= 0x800 && (unit < 0xd800 || unit > 0xdfff)) bytes += 2
    else if (unit >= 0x80) bytes += 1
  }
  return bytes
}

/** Returns why Postgres cannot store a text, or `undefined` when it can. Postgres stores no NUL and no lone surrogates. */
export const storageProblem = (text: string): string | undefined =>
  text.includes("\u0000")
    ? "must not contain the NUL character"
    : text.isWellFormed()
      ? undefined
      : "must not contain a lone surrogate (a broken Unicode pair)"

/** A check that Postgres can store a text. */
export const storable = Schema.makeFilter<string>((text) => storageProblem(text), {
  expected: "text that Postgres can store",
  toJsonSchema: () => [{ pattern: "^[^\\u0000]*$" }, true]
})

const atMostBytes = (maximum: number) =>
  Schema.makeFilter<string>(
    (text) => {
      const bytes = utf8Length(text)
      return bytes <= maximum ? undefined : `must be at most ${maximum} bytes of UTF-8, got ${bytes}`
    },
    {
      expected: `at most ${maximum} bytes of UTF-8`,
      description: `At most ${maximum} bytes of UTF-8.`,
      toJsonSchema: () => [{ maxLength: maximum }, true]
    }
  )

/** Returns the error of a text with too many characters, counted as Unicode code points. */
const lengthProblem = (text: string, maximum: number): string | undefined => {
  if (text.length <= maximum) return undefined
  let count = 0
  for (const _ of text) count++
  return count <= maximum ? undefined : `must be at most ${maximum} characters, got ${count}`
}

const atMostCodePoints = (maximum: number) =>
  Schema.makeFilter<string>((text) => lengthProblem(text, maximum), {
    expected: `at most ${maximum} characters`,
    toJsonSchema: () => ({ maxLength: maximum })
  })

const nonEmpty = Schema.isMinLength(1, { message: "must not be empty" })

/** The fast path: nearly all names match, and a long log has millions of them. */
const asciiName = /^[!-~](?:[ -~]{0,198}[!-~])?$/

const nameProblem = (text: string): string | undefined => {
  if (asciiName.test(text)) return undefined
  const problem = lengthProblem(text, 200) ?? storageProblem(text)
  if (problem !== undefined) return problem
  if (/\p{Cc}/u.test(text)) return "must not contain control characters"
  return text.trim() === text ? undefined : "must not begin or end with white space"
}

/** The pattern of a name, as JSON Schema has it: without flags. */
const namePattern = (() => {
  const control = "\\u0000-\\u001f\\u007f-\\u009f"
  return `^[^\\s${control}](?:[^${control}]*[^\\s${control}])?$`
})()

/** A name: 1 to 200 characters, no control characters, no surrounding white space. */
export const Name = Schema.String.check(
  nonEmpty,
  Schema.makeFilter(nameProblem, {
    expected: "1 to 200 characters without control characters or white space around",
    toJsonSchema: () => [{ maxLength: 200, pattern: namePattern }, true]
  })
)

/** Whether a text conforms to `Name`, without the cost of the schema. */
export const isName = (text: string): boolean => text !== "" && nameProblem(text) === undefined

/** A card's title: 1 to 500 characters. */
export const Title = Schema.String.check(nonEmpty, atMostCodePoints(500), storable)

/** The words of a search: 1 to 500 characters. */
export const SearchText = Schema.String.check(nonEmpty, atMostCodePoints(500), storable)

/** A card's body: at most 1 MiB of UTF-8. */
export const Body = Schema.String.check(atMostBytes(1024 * 1024), storable)

const reasonBytes = 16 * 1024

/** The reason of a command or event: at most 16 KiB of UTF-8. */
export const Reason = Schema.String.check(atMostBytes(reasonBytes), storable)

/** The text of a note: 1 character to 64 KiB of UTF-8. */
export const NoteText = Schema.String.check(nonEmpty, atMostBytes(64 * 1024), storable)

/** Whether a text conforms to `Reason`, without the cost of the schema. */
export const isReason = (text: string): boolean => utf8Length(text) <= reasonBytes && storageProblem(text) === undefined
