import { DateTime, Option, Result } from "effect"
import { describeJsonProblem, parseExactJson } from "../domain/parseExactJson.ts"
import type { Issue, SourceClaim } from "./Source.ts"
import { isInProgress, parsePriority, parseStatus, parseTime, type StatusMap } from "./fields.ts"

/** The columns of a table that a card can be made of, or that the report tells of. */
export const tableColumns = [
  "id",
  "title",
  "body",
  "phase",
  "priority",
  "status",
  "depends_on",
  "claim_owner",
  "claim_ttl_seconds",
  "claimed_at",
  "attempts",
  "idempotency_key",
  "acceptance",
  "created_at",
  "updated_at"
] as const

/** A column of these. */
export type TableColumn = (typeof tableColumns)[number]

/** A row: of each column the JSON that Postgres makes of its value, as text; and the other columns that have a value. */
export interface TableRow {
  readonly columns: Readonly<Partial<Record<TableColumn, string | null>>>
  readonly others: ReadonlyArray<string>
}

class Unusable extends Error {}

/**
 * What a row says; or why nothing can be made of it, which is so when it has no id. `now` is the time of the database that
 * the row is in, in milliseconds.
 */
export const decodeRow = (row: TableRow, now: number, statuses: StatusMap): Result.Result<Issue, string> => {
  const problems: Array<string> = []
  const attempt = <A>(read: () => A, otherwise: A): A => {
    try {
      return read()
    } catch (error) {
      if (!(error instanceof Unusable)) throw error
      problems.push(error.message)
      return otherwise
    }
  }
  const text = (column: TableColumn) => attempt(() => textOf(row, column), null)
  const time = (column: TableColumn) => attempt(() => timeIn(row, column), undefined)

  const id = text("id")
  if (id === null || id === "") return Result.fail(problems[0] ?? "its id is empty")
  const word = text("status") ?? "ready"
  const status = parseStatus(word, statuses)
  const priority = text("priority")
  const urgency = priority === null ? { priority: 0 } : parsePriority(priority)
  if ("problem" in status) problems.push(status.problem)
  if ("problem" in urgency) problems.push(urgency.problem)
  const createdAt = time("created_at")
  const updatedAt = time("updated_at")
  const claimedAt = time("claimed_at")
  const owner = text("claim_owner")
  const ttl = attempt(() => numberIn(row, "claim_ttl_seconds"), null)
  const attempts = attempt(() => numberIn(row, "attempts"), null)
  const isClaimed = isInProgress(word) && "status" in status && status.status === "ready"

  return Result.succeed({
    id,
    status: word,
    card: {
      id,
      title: text("title") ?? "",
      body: text("body"),
      phase: nonEmpty(text("phase")),
      priority: "priority" in urgency ? urgency.priority : 0,
      acceptance: attempt(() => acceptanceOf(row), null),
      idempotencyKey: nonEmpty(text("idempotency_key")),
      ...("problem" in status ? {} : status),
      ...(createdAt === undefined ? {} : { occurredAt: createdAt })
    },
    edges: attempt(() => dependenciesOf(row), []).map((to) => ({ to })),
    claim: isClaimed && (owner !== null || claimedAt !== undefined) ? heldThere(owner, claimedAt, ttl, now) : undefined,
    notCarriedOver: [
      ...(owner === null ? [] : ["claim_owner"]),
      ...(ttl === null ? [] : ["claim_ttl_seconds"]),
      ...(claimedAt === undefined ? [] : ["claimed_at"]),
      ...(attempts === null || attempts === 0 ? [] : ["attempts"]),
      ...(updatedAt === undefined || (createdAt !== undefined && DateTime.Equivalence(updatedAt, createdAt))
        ? []
        : ["updated_at"]),
      ...row.others
    ],
    // Read last: everything above may have found one.
    problem: problems[0]
  })
}

/** A column's value; `undefined` when there is no such column, or nothing in it. */
const valueOf = (row: TableRow, column: TableColumn): unknown => {
  const json = row.columns[column]
  return json === undefined || json === null ? undefined : JSON.parse(json)
}

const textOf = (row: TableRow, column: TableColumn): string | null => {
  const value = valueOf(row, column)
  if (value === undefined || value === null) return null
  if (typeof value === "string") return value
  // As it stands there: a great number is no number here.
  if (typeof value === "number") return row.columns[column] ?? null
  throw new Unusable(`its ${column} is neither a text nor a number`)
}

const numberIn = (row: TableRow, column: TableColumn): number | null => {
  const text = textOf(row, column)
  if (text === null || text === "") return null
  const value = Number(text)
  if (!Number.isFinite(value)) throw new Unusable(`its ${column} is ${shown(text)}, which is no number`)
  return value
}

const timeIn = (row: TableRow, column: TableColumn): DateTime.Utc | undefined => {
  const text = textOf(row, column)
  if (text === null || text === "") return undefined
  return Option.getOrThrowWith(
    parseTime(text),
    () => new Unusable(`its ${column} is ${shown(text)}, which is no time of the calendar`)
  )
}

/** A column of JSON as it is; a text that is a JSON object or array as that, any other text as a text. */
const acceptanceOf = (row: TableRow): Issue["card"]["acceptance"] => {
  const json = row.columns.acceptance
  if (json === undefined || json === null) return null
  const value = exact(json, "acceptance")
  if (typeof value !== "string") return value
  if (!/^\s*[{[]/.test(value)) return value === "" ? null : value
  return Result.getOrElse(parseExactJson(value), () => value)
}

const dependenciesOf = (row: TableRow): ReadonlyArray<string> => {
  const json = row.columns.depends_on
  if (json === undefined || json === null) return []
  const value = exact(json, "depends_on")
  if (value === null || value === "") return []
  const list = typeof value === "string" ? exact(value, "depends_on") : value
  if (!Array.isArray(list)) throw new Unusable("its depends_on is no JSON array")
  return (list as ReadonlyArray<unknown>).map((id) => {
    if (typeof id !== "string" && typeof id !== "number")
      throw new Unusable("its depends_on has something in it that is no id")
    return String(id)
  })
}

const exact = (json: string, column: TableColumn) =>
  Result.getOrThrowWith(
    parseExactJson(json),
    (problem) => new Unusable(`its ${column} is not JSON that can be kept: ${describeJsonProblem(problem)}`)
  )

const heldThere = (
  owner: string | null,
  claimedAt: DateTime.Utc | undefined,
  ttlSeconds: number | null,
  now: number
): SourceClaim => {
  const until =
    claimedAt === undefined || ttlSeconds === null ? undefined : DateTime.toEpochMillis(claimedAt) + ttlSeconds * 1000
  const date = until === undefined ? undefined : new Date(until)
  return {
    owner,
    until: date === undefined || Number.isNaN(date.getTime()) ? null : date.toISOString(),
    live: until === undefined || until > now
  }
}

const nonEmpty = (text: string | null): string | null => (text === "" ? null : text)

const shown = (text: string): string =>
  JSON.stringify(text.length > 100 ? `${text.slice(0, 100).toWellFormed()}…` : text)
