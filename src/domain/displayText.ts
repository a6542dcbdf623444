/*
 * Hidden characters: those that are not displayed, or that change how others are displayed. They are control and format
 * characters, bidirectional controls, zero-width and tag characters, variation selectors, separators of lines and
 * paragraphs, lone surrogates, and unassigned code points. A combining mark at the beginning of a text would change the
 * quotation mark before it.
 */
const hiddenInJson = /[\p{C}\p{Zl}\p{Zp}\p{DI}]|(?<=")\p{M}+/gu
const hiddenInLines = /[^\P{C}\n\t]|[\p{Zl}\p{Zp}\p{DI}]|^\p{M}+|<(?=U\+)/gmu

/** Escapes the hidden characters of a JSON text as in JSON: `\u202e`. */
export const escapeHiddenInJson = (json: string): string =>
  json.replace(hiddenInJson, (found) =>
    Array.from({ length: found.length }, (_, index) => escapeUnit(found, index)).join("")
  )

/** Formats a text as a JSON string with escaped hidden characters. */
export const quote = (text: string): string => escapeHiddenInJson(JSON.stringify(text))

/**
 * Escapes the hidden characters of a text as `<U+202E>`, except line feeds and tabs. Also escapes `<U+` itself, as
 * `<U+003C>U+`, so that the original text can be recovered.
 */
export const escapeHidden = (text: string): string =>
  text.replace(hiddenInLines, (found) => Array.from(found, escapeCodePoint).join(""))

const escapeUnit = (text: string, index: number): string => `\\u${text.charCodeAt(index).toString(16).padStart(4, "0")}`

const escapeCodePoint = (character: string): string =>
  `<U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}>`

/** The beginning of a text of at most `maxLength` UTF-16 units, which ends between two characters. */
export const beginningOf = (text: string, maxLength: number): string =>
  text.slice(0, maxLength - (isPair(text, maxLength) ? 1 : 0))

/** The end of a text of at most `maxLength` UTF-16 units, which begins between two characters. */
export const endOf = (text: string, maxLength: number): string => {
  const start = Math.max(0, text.length - maxLength)
  return text.slice(start + (isPair(text, start) ? 1 : 0))
}

/** Whether the UTF-16 units before and after an index are one character. */
const isPair = (text: string, index: number): boolean => (text.codePointAt(index - 1) ?? 0) > 0xffff

/** Truncates a text to `maxLength` UTF-16 units, including the "…". */
export const truncate = (text: string, maxLength: number): string =>
  text.length <= maxLength ? text : `${beginningOf(text, maxLength - 1).toWellFormed()}…`

/** Maximum characters of an error message that repeats input. */
const maxMessageLength = 4_000

/** Truncates an error message that repeats input, and appends its full length. */
export const truncateMessage = (message: string): string =>
  message.length <= maxMessageLength
    ? message
    : `${beginningOf(message, maxMessageLength).toWellFormed()}… (${message.length} characters)`
