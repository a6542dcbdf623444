import { CliOutput } from "effect/cli"
import type { ProcessIO, OutputStream } from "./ProcessIO.ts"

/** Gives text a colour, or leaves it as it is. */
export type Paint = (text: string) => string

/** What text for people is made for. */
export interface TextStyle {
  /** How many columns a line may have; `undefined` when nothing limits it, as in a file or a pipe. */
  readonly columns: number | undefined
  readonly bold: Paint
  readonly dim: Paint
  readonly red: Paint
  readonly green: Paint
  readonly yellow: Paint
  readonly blue: Paint
}

/** Whether an output shows colours: a terminal, unless `NO_COLOR` is set. */
export const hasColors = (output: OutputStream, env: ProcessIO["Service"]["env"]): boolean =>
  output.isTerminal && (env["NO_COLOR"] ?? "") === "" && env["TERM"] !== "dumb"

/** The page that an output is. */
export const textStyleOf = (output: OutputStream, env: ProcessIO["Service"]["env"]): TextStyle => {
  const coloured = hasColors(output, env)
  const paint =
    (code: number): Paint =>
    (text) =>
      coloured && text !== "" ? `\u001b[${code}m${text}\u001b[0m` : text
  return {
    columns: output.isTerminal ? Math.max(20, output.size().columns) : undefined,
    bold: paint(1),
    dim: paint(2),
    red: paint(31),
    green: paint(32),
    yellow: paint(33),
    blue: paint(34)
  }
}

/**
 * What a terminal would obey instead of show: control characters (ANSI escapes begin with one), what turns the
 * direction of text, and the other line and paragraph separators.
 */
const unsafe = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu

/** The same, but for line breaks and tabs. */
const unsafeInLines = /[^\P{Cc}\n\t]|[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu

const escapeControl = (character: string): string => {
  if (character === "\n") return "\\n"
  if (character === "\r") return "\\r"
  if (character === "\t") return "\\t"
  const code = character.charCodeAt(0)
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`
}

/** Text for one line of a terminal: what would be obeyed is spelled out, line breaks too. */
export const escapeLine = (text: string): string => text.replace(unsafe, escapeControl)

/** Text for several lines of a terminal: as `oneLine`, with line breaks and tabs left in. */
export const escapeLines = (text: string): string => text.replaceAll("\r\n", "\n").replace(unsafeInLines, escapeControl)

const plainAscii = /^[ -~]*$/

/** How many columns a text takes on a terminal. */
export const displayWidth = (text: string): number =>
  plainAscii.test(text) ? text.length : CliOutput.displayWidth(text)

/** Cuts a text to `columns`, the last of them `…` where something is missing. */
export const truncate = (text: string, columns: number): string => {
  if (displayWidth(text) <= columns) return text
  if (columns < 1) return ""
  let kept = ""
  let width = 0
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    const next = displayWidth(segment)
    if (width + next > columns - 1) break
    kept += segment
    width += next
  }
  return `${kept}…`
}

/** Fills a text up with spaces to `columns`. */
export const pad = (text: string, columns: number, align: "left" | "right" = "left"): string => {
  const fill = " ".repeat(Math.max(0, columns - displayWidth(text)))
  return align === "left" ? text + fill : fill + text
}
