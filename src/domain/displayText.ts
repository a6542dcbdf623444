/** Characters of a complaint that are told. */
const longest = 4_000

/** A complaint as it is told: it repeats what was given, and that may be long. */
export const truncateMessage = (complaint: string): string =>
  complaint.length <= longest
    ? complaint
    : `${complaint.slice(0, longest).toWellFormed()}… (${complaint.length} characters)`

/*
 * Characters that are not shown, or that change how others are shown: control and format characters, bidirectional
 * controls, zero-width and tag characters, variation selectors, separators of lines and paragraphs, lone surrogates, and
 * what Unicode has not assigned. A combining mark at the beginning of a text would change the quotation mark before it.
 */
const hiddenInJson = /[\p{C}\p{Zl}\p{Zp}\p{DI}]|(?<=")\p{M}+/gu
const hiddenInLines = /[^\P{C}\n\t]|[\p{Zl}\p{Zp}\p{DI}]|^\p{M}+|<(?=U\+)/gmu

/** The same JSON with every hidden character as an escape: `\u202e`. */
export const escapeHiddenInJson = (json: string): string =>
  json.replace(hiddenInJson, (found) => Array.from({ length: found.length }, (_, at) => unitEscape(found, at)).join(""))

/** A text as a JSON string in which every hidden character is an escape. */
export const quote = (text: string): string => escapeHiddenInJson(JSON.stringify(text))

/**
 * A text with every hidden character as `<U+202E>`, except line feeds and tabs. The text `<U+` itself becomes
 * `<U+003C>U+`, so that replacing each escape by its character gives back the text.
 */
export const escapeHidden = (text: string): string =>
  text.replace(hiddenInLines, (found) => Array.from(found, pointEscape).join(""))

const unitEscape = (text: string, at: number): string => `\\u${text.charCodeAt(at).toString(16).padStart(4, "0")}`

const pointEscape = (character: string): string =>
  `<U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}>`
