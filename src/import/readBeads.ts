import { Result } from "effect"
import { type BeadsIssue, decodeBeadsLine } from "./beads.ts"
import { linesOf } from "./lines.ts"

/** What a beads file has in it. `lines` = `blank` + `malformed` + `issues`. */
export interface BeadsFile {
  readonly lines: number
  readonly blank: number
  readonly malformed: ReadonlyArray<{ readonly line: number; readonly problem: string }>
  readonly issues: ReadonlyArray<{ readonly line: number; readonly issue: BeadsIssue }>
}

/** Reads a beads file line by line. A line that is not an issue is kept with its number and what is wrong with it. */
export const readBeads = async (chunks: AsyncIterable<Uint8Array>): Promise<BeadsFile> => {
  const malformed: Array<{ readonly line: number; readonly problem: string }> = []
  const issues: Array<{ readonly line: number; readonly issue: BeadsIssue }> = []
  let lines = 0
  let blank = 0
  for await (const line of linesOf(chunks)) {
    lines++
    if ("problem" in line) {
      malformed.push({ line: line.number, problem: line.problem })
    } else if (line.text.trim() === "") {
      blank++
    } else {
      Result.match(decodeBeadsLine(line.text), {
        onFailure: (problem) => malformed.push({ line: line.number, problem }),
        onSuccess: (issue) => issues.push({ line: line.number, issue })
      })
    }
  }
  return { lines, blank, malformed, issues }
}
