import { CliOutput } from "effect/cli"
import { readVariable } from "./environmentVariables.ts"
import type { OutputStream, ProcessIO } from "./ProcessIO.ts"

/** Colors text, or returns it unchanged. */
export type Paint = (text: string) => string

/** Width and colors of the output that text is formatted for. */
export interface TextStyle {
  /** Maximum width of a line in columns. `undefined` for a file or a pipe, which have no limit. */
  readonly columns: number | undefined
  readonly bold: Paint
  readonly dim: Paint
  readonly red: Paint
  readonly green: Paint
  readonly yellow: Paint
  readonly blue: Paint
}

/** Returns whether an output shows colors: a terminal does, unless `NO_COLOR` is set. */
export const hasColors = (output: OutputStream, env: ProcessIO["Service"]["env"]): boolean =>
  output.isTerminal && readVariable(env, "NO_COLOR") === undefined && readVariable(env, "TERM") !== "dumb"

/** Returns the width and colors of an output. */
export const textStyleOf = (output: OutputStream, env: ProcessIO["Service"]["env"]): TextStyle => {
  const colored = hasColors(output, env)
  const paint =
    (code: number): Paint =>
    (text) =>
      colored && text !== "" ? `\u001b[${code}m${text}\u001b[0m` : text
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
 * Characters that a terminal interprets instead of showing: control characters, which include the start of ANSI escapes,
 * marks that change the text direction, and other line and paragraph separators.
 */
const unsafe = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu

/** The same characters, except for line breaks and tabs. */
const unsafeInLines = /[^\P{Cc}\n\t]|[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu

const escapeControl = (character: string): string => {
  if (character === "\n") return "\\n"
  if (character === "\r") return "\\r"
  if (character === "\t") return "\\t"
  const code = character.charCodeAt(0)
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`
}

/** Escapes text for one line of a terminal, including line breaks. */
export const escapeLine = (text: string): string => text.replace(unsafe, escapeControl)

/** Escapes text for several lines of a terminal. Keeps line breaks and tabs. */
export const escapeLines = (text: string): string => text.replaceAll("\r\n", "\n").replace(unsafeInLines, escapeControl)

const plainAscii = /^[ -~]*$/

/** Returns the width of a text on a terminal, in columns. */
export const displayWidth = (text: string): number =>
  plainAscii.test(text) ? text.length : CliOutput.displayWidth(text)

/** Truncates a text to `columns`, ending with `…`. */
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

/** Pads a text with spaces to `columns`. */
export const pad = (text: string, columns: number, align: "left" | "right" = "left"): string => {
  const fill = " ".repeat(Math.max(0, columns - displayWidth(text)))
  return align === "left" ? text + fill : fill + text
}
