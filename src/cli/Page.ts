import type { Host, Output } from "./Host.ts"

/** Gives text a colour, or leaves it as it is. */
export type Paint = (text: string) => string

/** What text for people is made for. */
export interface Page {
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
export const hasColour = (output: Output, env: Host["Service"]["env"]): boolean =>
  output.isTerminal && (env["NO_COLOR"] ?? "") === "" && env["TERM"] !== "dumb"

/** The page that an output is. */
export const pageOf = (output: Output, env: Host["Service"]["env"]): Page => {
  const coloured = hasColour(output, env)
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
