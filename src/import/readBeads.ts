import { Result, Stream } from "effect"
import { decodeBeadsLine, toIssue } from "./beads.ts"
import type { Source, SourceRecord } from "./Source.ts"
import { readLines } from "./readLines.ts"

/** Reads a beads file line by line. A line that is not an issue is kept with its number and what is wrong with it. */
export const readBeads = async (chunks: AsyncIterable<Uint8Array>, name: string): Promise<Source> => {
  const records: Array<SourceRecord> = []
  for await (const line of readLines(chunks)) {
    records.push(
      "problem" in line
        ? { _tag: "Malformed", line: line.number, problem: line.problem }
        : recordOf(line.number, line.text)
    )
  }
  return {
    format: "beads",
    name,
    placeOf: (line) => `line ${line}`,
    missingFields: [],
    records: Stream.fromIterable(records)
  }
}

const recordOf = (line: number, text: string): SourceRecord =>
  text.trim() === ""
    ? { _tag: "Blank", line }
    : Result.match(decodeBeadsLine(text), {
        onFailure: (problem): SourceRecord => ({ _tag: "Malformed", line, problem }),
        onSuccess: (issue): SourceRecord => ({ _tag: "Issue", line, issue: toIssue(issue) })
      })
