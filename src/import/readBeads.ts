import { DateTime, Option, Result, Schema, Stream } from "effect"
import { describeJsonProblem, parseExactJson } from "../domain/parseExactJson.ts"
import { type Comment, toNotes } from "./comments.ts"
import type { Edge, Issue, Source, SourceRecord } from "./Source.ts"
import { describeSchemaError, describeStatus, isEmpty, isZeroTime, joinSections } from "./fields.ts"
import { readLines } from "./readLines.ts"

/**
 * Reads a beads file. A line that is not an issue becomes a malformed record. The later of two lines with the same id is the
 * issue, as in beads. `now` is the time with which times are compared, in milliseconds since 1970.
 */
export const readBeads = async (chunks: AsyncIterable<Uint8Array>, name: string, now = Date.now()): Promise<Source> => {
  const records: Array<SourceRecord> = []
  const lastLines = new Map<string, number>()
  for await (const line of readLines(chunks)) {
    const record: SourceRecord =
      "problem" in line
        ? { _tag: "Malformed", line: line.number, problem: line.problem }
        : recordOf(line.number, line.text, now)
    if (record._tag === "Issue") lastLines.set(record.issue.id, record.line)
    records.push(record)
  }
  return {
    format: "beads",
    name,
    placeOf: (line) => `line ${line}`,
    missingFields: [],
    records: Stream.fromIterable(records.map((record) => markReplaced(record, lastLines)))
  }
}

const markReplaced = (record: SourceRecord, lastLines: ReadonlyMap<string, number>): SourceRecord => {
  if (record._tag !== "Issue") return record
  const last = lastLines.get(record.issue.id)
  return last === undefined || last === record.line
    ? record
    : { ...record, issue: { ...record.issue, replacedBy: last } }
}

const recordOf = (line: number, text: string, now: number): SourceRecord => {
  if (text.trim() === "") return { _tag: "Blank", line }
  const parsed = parseLine(text)
  const kind = Result.isSuccess(parsed) ? otherKindOf(parsed.success) : undefined
  if (kind !== undefined) return { _tag: "OtherKind", line, kind }
  return Result.match(Result.flatMap(parsed, decodeIssue), {
    onFailure: (problem): SourceRecord => ({ _tag: "Malformed", line, problem }),
    onSuccess: (issue): SourceRecord => ({ _tag: "Issue", line, issue: toIssue(issue, now) })
  })
}

/** RFC 3339, to the nanosecond, with an offset: without one it would be a different time on each machine. */
const Timestamp = Schema.String.check(
  Schema.isPattern(/^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/, {
    expected: "a time such as 2026-01-22T12:04:05-08:00"
  })
).pipe(Schema.decodeTo(Schema.DateTimeUtcFromString))

const OptionalText = Schema.optional(Schema.NullOr(Schema.String))
const OptionalTime = Schema.optional(Schema.NullOr(Timestamp))

/** A relation of `issue_id` to `depends_on_id`. */
const BeadsEdge = Schema.Struct({
  issue_id: OptionalText,
  depends_on_id: Schema.String,
  type: Schema.String,
  metadata: Schema.optional(Schema.Unknown)
})

/** The fields of an issue that the import reads. */
const BeadsFields = Schema.Struct({
  id: Schema.String,
  title: Schema.String,
  status: Schema.String,
  priority: Schema.Int,
  created_at: OptionalTime,
  description: OptionalText,
  design: OptionalText,
  notes: OptionalText,
  acceptance_criteria: OptionalText,
  labels: Schema.optional(Schema.NullOr(Schema.Array(Schema.String))),
  dependencies: Schema.optional(Schema.NullOr(Schema.Array(BeadsEdge))),
  assignee: OptionalText,
  comments: Schema.optional(Schema.Unknown),
  defer_until: OptionalTime,
  pinned: Schema.optional(Schema.NullOr(Schema.Boolean))
})

/** An issue of a beads file. */
interface BeadsIssue extends Schema.Schema.Type<typeof BeadsFields> {
  /** Non-empty fields that a card has no place for. */
  readonly notCarriedOver: ReadonlyArray<string>
}

/** Fields that determine a card's status, but are not kept. */
const onlyRead: ReadonlySet<string> = new Set(["assignee", "pinned"])

const carriedOver = new Set(["_type", ...Object.keys(BeadsFields.fields).filter((name) => !onlyRead.has(name))])

const decodeFields = Schema.decodeUnknownResult(BeadsFields)

/** Decodes one line of a beads file, or returns what is wrong with it. */
export const decodeBeadsLine = (line: string): Result.Result<BeadsIssue, string> =>
  Result.flatMap(parseLine(line), decodeIssue)

const parseLine = (line: string): Result.Result<JsonObject, string> =>
  Result.match(parseExactJson(line), {
    onFailure: (problem) => Result.fail(`it is not JSON that can be stored: ${describeJsonProblem(problem)}`),
    onSuccess: (json) => (isObject(json) ? Result.succeed(json) : Result.fail("it is not a JSON object"))
  })

type JsonObject = Readonly<Record<string, unknown>>

const isObject = (json: unknown): json is JsonObject =>
  typeof json === "object" && json !== null && !Array.isArray(json)

/** The kind of a line that is known and not an issue: the memories and the header of an export, which have no id. */
const otherKindOf = (json: JsonObject): string | undefined => {
  if ("id" in json) return undefined
  if (json["_type"] === "memory") return "memory"
  return typeof json["_schema"] === "string" ? "header" : undefined
}

const decodeIssue = (json: JsonObject): Result.Result<BeadsIssue, string> => {
  const fields = Object.fromEntries(Object.entries(json).filter(([name, value]) => !isNoTime(name, value)))
  return Result.mapBoth(decodeFields(fields), {
    onFailure: (error) => describeSchemaError(error.message),
    onSuccess: (issue) => ({
      ...issue,
      notCarriedOver: [
        ...Object.entries(fields)
          .filter(([name, value]) => !carriedOver.has(name) && !isEmpty(value))
          .map(([name]) => name),
        ...(isEmpty(issue.comments) || areComments(issue.comments) ? [] : ["comments"])
      ]
    })
  })
}

const isNoTime = (name: string, value: unknown): boolean =>
  /_(?:at|until)$/.test(name) && typeof value === "string" && isZeroTime(value)

/** The status of deleted issues. */
const deletedStatus = "tombstone"

/** The types of edges that are dependencies. */
const dependencyTypes: ReadonlySet<string> = new Set(["blocks", "conditional-blocks"])

/**
 * Converts a beads issue to the form from which a card can be created. `now` is the time with which times are compared, in
 * milliseconds since 1970.
 */
export const toIssue = (issue: BeadsIssue, now = Date.now()): Issue => {
  const { status } = issue
  const deferredUntil =
    issue.defer_until == null || DateTime.toEpochMillis(issue.defer_until) <= now ? undefined : issue.defer_until
  const holder = orNull(issue.assignee)
  return {
    id: issue.id,
    status,
    card: cardOf(issue, deferredUntil),
    edges: (issue.dependencies ?? []).map(edgeOf),
    deferredUntil: status === "closed" ? undefined : deferredUntil,
    notes: commentsOf(issue.comments).flatMap(toNotes),
    isDeleted: status === deletedStatus,
    claim: status === "in_progress" ? { owner: holder, until: null, live: true } : undefined,
    notCarriedOver: issue.notCarriedOver
  }
}

const edgeOf = ({ depends_on_id, issue_id, metadata, type }: typeof BeadsEdge.Type): Edge => ({
  owner: issue_id ?? undefined,
  to: depends_on_id,
  otherType: dependencyTypes.has(type) ? undefined : type,
  implies:
    type === "parent-child" ? "whole" : type !== "waits-for" ? undefined : waitsForAny(metadata) ? "anyPart" : "parts"
})
/** Whether a `waits-for` edge waits for the first part, and not for all parts. Beads keeps this as JSON in a string. */
const waitsForAny = (metadata: unknown): boolean =>
  /"gate"\s*:\s*"any-children"/.test(typeof metadata === "string" ? metadata : (JSON.stringify(metadata) ?? ""))

const decodeComment = Schema.decodeUnknownOption(
  Schema.Struct({ author: OptionalText, text: Schema.String, created_at: OptionalTime })
)

/** Whether every element of a list is a comment, so that a note has a place for it. */
const areComments = (comments: unknown): boolean =>
  Array.isArray(comments) && comments.every((each) => Option.isSome(decodeComment(each)))

/** The comments that have a text. */
const commentsOf = (comments: unknown): ReadonlyArray<Comment> =>
  (Array.isArray(comments) ? comments : []).flatMap((each: unknown) =>
    Option.match(decodeComment(each), {
      onNone: () => [],
      onSome: ({ author = null, created_at = null, text }) => [{ author, at: created_at, text }]
    })
  )

/** The label that carries a phase, which beads does not have. */
export const phaseLabel = (phase: string): string => `phase:${phase}`

const phasePattern = /^phase:(.+)$/s

const cardOf = (issue: BeadsIssue, deferredUntil: DateTime.Utc | undefined): Issue["card"] => {
  const labels = issue.labels ?? []
  const phase = labels.find((label) => phasePattern.test(label))
  const status = statusOf(issue, deferredUntil)
  return {
    id: issue.id,
    title: issue.title,
    body: bodyOf(issue),
    phase: phase === undefined ? null : (phasePattern.exec(phase)?.[1] ?? null),
    labels: labels.filter((label) => label !== phase),
    priority: 4 - issue.priority,
    ...status,
    ...(status.status === "ready" && deferredUntil !== undefined ? { notBefore: deferredUntil } : {}),
    acceptance: orNull(issue.acceptance_criteria),
    ...(issue.created_at == null ? {} : { occurredAt: issue.created_at })
  }
}

/** Statuses of open issues that beads does not offer. */
const heldStatuses: ReadonlySet<string> = new Set(["deferred", "pinned", "hooked"])

const statusOf = (
  { assignee, pinned, status }: BeadsIssue,
  deferredUntil: DateTime.Utc | undefined
): Pick<Issue["card"], "status" | "blockedReason"> => {
  if (status === "closed") return { status: "done" }
  if (status === "blocked") return { status }
  if (status === "deferred" && deferredUntil !== undefined && pinned !== true) return { status: "ready" }
  if (heldStatuses.has(status)) {
    return { status: "blocked", blockedReason: describeStatus(status, orNull(assignee) ?? undefined) }
  }
  if (pinned === true) return { status: "blocked", blockedReason: "It is pinned in the source." }
  return { status: "ready" }
}

const bodyOf = (issue: BeadsIssue): string | null =>
  joinSections(issue.description, { Design: issue.design, Notes: issue.notes })

const orNull = (text: string | null | undefined): string | null => (text == null || text === "" ? null : text)
