import { Result, Schema, Stream } from "effect"
import { describeJsonProblem, parseExactJson } from "../domain/parseExactJson.ts"
import type { Issue, Source, SourceRecord } from "./Source.ts"
import { describeSchemaError, isEmpty, joinSections } from "./fields.ts"
import { readLines } from "./readLines.ts"

/** RFC 3339, to the nanosecond, always with its offset: without one it would mean another time on every machine. */
const Timestamp = Schema.String.check(
  Schema.isPattern(/^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/, {
    expected: "a time such as 2026-01-22T12:04:05-08:00"
  })
).pipe(Schema.decodeTo(Schema.DateTimeUtcFromString))

const OptionalText = Schema.optional(Schema.NullOr(Schema.String))

/** An edge: `issue_id` has something to do with `depends_on_id`; a `blocks` edge makes it wait for that one. */
const Edge = Schema.Struct({
  issue_id: OptionalText,
  depends_on_id: Schema.String,
  type: Schema.String
})

/** What is read of an issue. */
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
  /** Fields with something in them that a card has no place for. */
  readonly notCarriedOver: ReadonlyArray<string>
}

/** The fields that a card is made of. */
const carriedOver = new Set(Object.keys(BeadsFields.fields))

const decodeIssue = Schema.decodeUnknownResult(BeadsFields)

/** Reads one line of a beads file, or says in words what is wrong with it. */
export const decodeBeadsLine = (line: string): Result.Result<BeadsIssue, string> => {
  const parsed = parseExactJson(line)
  if (Result.isFailure(parsed)) {
    return Result.fail(`it is not JSON that can be kept: ${describeJsonProblem(parsed.failure)}`)
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

/** Edges of this type are dependencies; others are not. */
const dependencyType = "blocks"

/** Deleted issues have this status. */
const deletedStatus = "tombstone"

/** An issue of beads as what a card can be made of. */
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

/** The status that a card starts with. */
const statusOf = (status: string): "ready" | "blocked" | "done" =>
  status === "closed" ? "done" : status === "blocked" ? "blocked" : "ready"

/** The description as it is, then design and notes under headings of their own. */
const bodyOf = (issue: BeadsIssue): string | null =>
  joinSections(issue.description, { Design: issue.design, Notes: issue.notes })

const orNull = (text: string | null | undefined): string | null => (text == null || text === "" ? null : text)

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
