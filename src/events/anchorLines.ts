import { Result } from "effect"
import { type Anchor, type AnchorRefused, parseAnchor } from "./Anchor.ts"

/** What is in a file of anchors. */
export interface AnchorLines {
  /** The anchors in the order of their lines. */
  readonly anchors: ReadonlyArray<Anchor>
  /** Whether the last line has no end and is no whole anchor: a write was cut short, and was never reported as done. */
  readonly isCutShort: boolean
}

/** A line that is not an anchor: its number, from 1, and why. */
export interface WrongAnchorLine {
  readonly line: number
  readonly problem: string
}

/** Reads the lines of a file of anchors, all of which must be anchors; empty lines are passed over. */
export const anchorLines = (text: string): Result.Result<AnchorLines, WrongAnchorLine> => {
  const lines = text.split("\n")
  // What comes after the last line's end.
  const rest = lines.pop() ?? ""
  const anchors: Array<Anchor> = []
  for (const [index, line] of lines.entries()) {
    if (line.trim() === "") continue
    const parsed = parseAnchor(line)
    if (Result.isFailure(parsed)) return Result.fail({ line: index + 1, problem: parsed.failure.problem })
    anchors.push(parsed.success)
  }
  if (rest.trim() === "") return Result.succeed({ anchors, isCutShort: false })
  const last = wholeLine(rest, anchors.at(-1))
  return Result.succeed(
    Result.isSuccess(last) ? { anchors: [...anchors, last.success], isCutShort: false } : { anchors, isCutShort: true }
  )
}

/** A line without an end. One that follows a signed anchor and has no signature lost it with its end. */
const wholeLine = (line: string, before: Anchor | undefined): Result.Result<Anchor, AnchorRefused | undefined> =>
  Result.filterOrFail(
    parseAnchor(line),
    ({ signature }) => signature !== null || before === undefined || before.signature === null,
    () => undefined
  )

/** The anchor at the highest position, and of several the last: processes that share a file may append out of order. */
export const newestOf = (anchors: ReadonlyArray<Anchor>): Anchor | undefined =>
  anchors.reduce<Anchor | undefined>(
    (newest, anchor) => (newest === undefined || anchor.position >= newest.position ? anchor : newest),
    undefined
  )
