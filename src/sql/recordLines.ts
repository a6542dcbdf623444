/*
 * Rows of typed records as text: a line each, in the input format of composite values, which a function of the database casts
 * to an array of a composite type. Faster on both sides than an array for each column or JSON, above all for few rows.
 * Syntax: https://www.postgresql.org/docs/current/rowtypes.html#ROWTYPES-IO-SYNTAX
 */

/** Joins lines; `null` when there are none. */
export const joinLines = (lines: ReadonlyArray<string>): string | null => (lines.length === 0 ? null : lines.join("\n"))

const needsNoQuotes = /^[\w.:@/+-]+$/

/** Formats a text without line feeds as a field of a record. */
export const textField = (text: string | null): string => {
  if (text === null) return ""
  return needsNoQuotes.test(text) ? text : `"${/["\\]/.test(text) ? text.replaceAll(/["\\]/g, "$&$&") : text}"`
}

/** Formats a value as JSON in a field of a record. JSON contains no line feeds. */
export const jsonField = (value: unknown): string => (value === null ? "" : textField(JSON.stringify(value)))
