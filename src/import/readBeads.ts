import { Result, Schema, Stream } from "effect"
import { describeJsonProblem, parseExactJson } from "../domain/parseExactJson.ts"
import type { Issue, Source, SourceRecord } from "./Source.ts"
import { describeSchemaError, isEmpty, joinSections } from "./fields.ts"
import { readLines } from "./readLines.ts"

/** Reads a beads file. A line that is not an issue becomes a malformed record. */
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

/** RFC 3339, to the nanosecond, with an offset: without one it would be a different time on each machine. */
const Timestamp = Schema.String.check(
  Schema.isPattern(/^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/, {
    expected: "a time such as 2026-01-22T12:04:05-08:00"
  })
).pipe(Schema.decodeTo(Schema.DateTimeUtcFromString))

const OptionalText = Schema.optional(Schema.NullOr(Schema.String))

/** A relation of `issue_id` to `depends_on_id`. A `blocks` edge is a dependency. */
const Edge = Schema.Struct({
  issue_id: OptionalText,
  depends_on_id: Schema.String,
  type: Schema.String
})

/** The fields of an issue that the import reads. */
const BeadsFields = Schema.Struct({
  id: Schema.String,
  title: Schema.String,
  status: Schema.String,
  priority: Schema.Int,
  created_at: Timestamp,
  description: OptionalText,
  design: OptionalText,
  notes: OptionalText,
  acceptance_criteria: OptionalText,
  labels: Schema.optional(Schema.NullOr(Schema.Array(Schema.String))),
  dependencies: Schema.optional(Schema.NullOr(Schema.Array(Edge)))
})

/** An issue of a beads file. */
interface BeadsIssue extends Schema.Schema.Type<typeof BeadsFields> {
  /** Non-empty fields that a card has no place for. */
  readonly notCarriedOver: ReadonlyArray<string>
}

const carriedOver = new Set(Object.keys(BeadsFields.fields))

const decodeIssue = Schema.decodeUnknownResult(BeadsFields)

/** Decodes one line of a beads file, or returns what is wrong with it. */
export const decodeBeadsLine = (line: string): Result.Result<BeadsIssue, string> => {
  const parsed = parseExactJson(line)
  if (Result.isFailure(parsed)) {
    return Result.fail(`it is not JSON that can be stored: ${describeJsonProblem(parsed.failure)}`)
  }
  const json = parsed.success
  if (typeof json !== "object" || json === null || Array.isArray(json)) return Result.fail("it is not a JSON object")
  const fields = json
  return Result.mapBoth(decodeIssue(fields), {
    onFailure: (error) => describeSchemaError(error.message),
    onSuccess: (issue) => ({
      ...issue,
      notCarriedOver: [
        ...Object.entries(fields)
          .filter(([name, value]) => !carriedOver.has(name) && !isEmpty(value))
          .map(([name]) => name),
        ...((issue.labels ?? []).length > 1 ? ["labels after the first"] : [])
      ]
    })
  })
}

/** The type of edges that are dependencies. */
const dependencyType = "blocks"

/** The status of deleted issues. */
const deletedStatus = "tombstone"

/** Converts a beads issue to the form from which a card can be created. */
export const toIssue = (issue: BeadsIssue): Issue => ({
  id: issue.id,
  status: issue.status,
  card: cardOf(issue),
  edges: (issue.dependencies ?? []).map(({ depends_on_id, issue_id, type }) => ({
    owner: issue_id ?? undefined,
    to: depends_on_id,
    otherType: type === dependencyType ? undefined : type
  })),
  isDeleted: issue.status === deletedStatus,
  notCarriedOver: issue.notCarriedOver
})

const cardOf = (issue: BeadsIssue): Issue["card"] => ({
  id: issue.id,
  title: issue.title,
  body: bodyOf(issue),
  phase: issue.labels?.[0] ?? null,
  priority: 4 - issue.priority,
  status: statusOf(issue.status),
  acceptance: orNull(issue.acceptance_criteria),
  occurredAt: issue.created_at
})

const statusOf = (status: string): "ready" | "blocked" | "done" =>
  status === "closed" ? "done" : status === "blocked" ? "blocked" : "ready"

const bodyOf = (issue: BeadsIssue): string | null =>
  joinSections(issue.description, { Design: issue.design, Notes: issue.notes })

const orNull = (text: string | null | undefined): string | null => (text == null || text === "" ? null : text)
