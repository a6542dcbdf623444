import { CliOutput } from "effect/cli"

/**
 * What a terminal would obey instead of show: control characters (ANSI escapes begin with one), what turns the
 * direction of text, and the other line and paragraph separators.
 */
const unsafe = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu

/** The same, but for line breaks and tabs. */
const unsafeInLines = /[^\P{Cc}\n\t]|[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu

const spelled = (character: string): string => {
  if (character === "\n") return "\\n"
  if (character === "\r") return "\\r"
  if (character === "\t") return "\\t"
  const code = character.charCodeAt(0)
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`
}

/** Text for one line of a terminal: what would be obeyed is spelled out, line breaks too. */
export const oneLine = (text: string): string => text.replace(unsafe, spelled)

/** Text for several lines of a terminal: as `oneLine`, with line breaks and tabs left in. */
export const manyLines = (text: string): string => text.replaceAll("\r\n", "\n").replace(unsafeInLines, spelled)

const plainAscii = /^[ -~]*$/

/** How many columns a text takes on a terminal. */
export const widthOf = (text: string): number => (plainAscii.test(text) ? text.length : CliOutput.displayWidth(text))

/** Cuts a text to `columns`, the last of them `…` where something is missing. */
export const fitted = (text: string, columns: number): string => {
  if (widthOf(text) <= columns) return text
  if (columns < 1) return ""
  let kept = ""
  let width = 0
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    const next = widthOf(segment)
    if (width + next > columns - 1) break
    kept += segment
    width += next
  }
  return `${kept}…`
}

/** Fills a text up with spaces to `columns`. */
export const padded = (text: string, columns: number, align: "left" | "right" = "left"): string => {
  const fill = " ".repeat(Math.max(0, columns - widthOf(text)))
  return align === "left" ? text + fill : fill + text
}
