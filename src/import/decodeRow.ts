import { DateTime, Option, Result } from "effect"
import { describeJsonProblem, parseExactJson } from "../domain/parseExactJson.ts"
import type { Issue, SourceClaim } from "./Source.ts"
import {
  isInProgress,
  isZeroTime,
  quoteShortened,
  parsePriority,
  parseStatus,
  parseTime,
  type StatusMap
} from "./fields.ts"

/** The columns of a table that an import reads. */
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

/** A column that an import reads. */
export type TableColumn = (typeof tableColumns)[number]

/** A row: the value of each column as JSON text from Postgres, and the other columns that have a value. */
export interface TableRow {
  readonly columns: Readonly<Partial<Record<TableColumn, string | null>>>
  readonly others: ReadonlyArray<string>
}

class ColumnProblem extends Error {}

/**
 * Decodes a row, or returns why it has no id. Problems of other columns are in the issue. `now` is the time of the source's
 * database, in milliseconds since 1970.
 */
export const decodeRow = (row: TableRow, now: number, statuses: StatusMap): Result.Result<Issue, string> => {
  const problems: Array<string> = []
  const attempt = <A>(read: () => A, fallback: A): A => {
    try {
      return read()
    } catch (error) {
      if (!(error instanceof ColumnProblem)) throw error
      problems.push(error.message)
      return fallback
    }
  }
  const text = (column: TableColumn) => attempt(() => readText(row, column), null)
  const time = (column: TableColumn) => attempt(() => readTime(row, column), undefined)

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
  const ttl = attempt(() => readNumber(row, "claim_ttl_seconds"), null)
  const attempts = attempt(() => readNumber(row, "attempts"), null)
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
      acceptance: attempt(() => readAcceptance(row), null),
      idempotencyKey: nonEmpty(text("idempotency_key")),
      ...("problem" in status ? {} : status),
      ...(createdAt === undefined ? {} : { occurredAt: createdAt })
    },
    edges: attempt(() => readDependencies(row), []).map((to) => ({ to })),
    claim: isClaimed && (owner !== null || claimedAt !== undefined) ? readClaim(owner, claimedAt, ttl, now) : undefined,
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
    // Evaluated last: each column above may have added a problem.
    problem: problems[0]
  })
}

/** Reads a column; `undefined` when the column does not exist or is empty. */
const readValue = (row: TableRow, column: TableColumn): unknown => {
  const json = row.columns[column]
  return json === undefined || json === null ? undefined : JSON.parse(json)
}

const readText = (row: TableRow, column: TableColumn): string | null => {
  const value = readValue(row, column)
  if (value === undefined || value === null) return null
  if (typeof value === "string") return value
  // The digits as they are: a large number would lose some in JavaScript.
  if (typeof value === "number") return row.columns[column] ?? null
  throw new ColumnProblem(`its ${column} is neither text nor a number`)
}

const readNumber = (row: TableRow, column: TableColumn): number | null => {
  const text = readText(row, column)
  if (text === null || text === "") return null
  const value = Number(text)
  if (!Number.isFinite(value))
    throw new ColumnProblem(`its ${column} is ${quoteShortened(text)}, which is not a number`)
  return value
}

const readTime = (row: TableRow, column: TableColumn): DateTime.Utc | undefined => {
  const text = readText(row, column)
  if (text === null || text === "" || isZeroTime(text)) return undefined
  return Option.getOrThrowWith(
    parseTime(text),
    () => new ColumnProblem(`its ${column} is ${quoteShortened(text)}, which is not a valid time`)
  )
}

/** JSON stays as it is. Text that is a JSON object or array becomes that; other text stays text. */
const readAcceptance = (row: TableRow): Issue["card"]["acceptance"] => {
  const json = row.columns.acceptance
  if (json === undefined || json === null) return null
  const value = parseColumn(json, "acceptance")
  if (typeof value !== "string") return value
  if (!/^\s*[{[]/.test(value)) return value === "" ? null : value
  return Result.getOrElse(parseExactJson(value), () => value)
}

const readDependencies = (row: TableRow): ReadonlyArray<string> => {
  const json = row.columns.depends_on
  if (json === undefined || json === null) return []
  const value = parseColumn(json, "depends_on")
  if (value === null || value === "") return []
  const list = typeof value === "string" ? parseColumn(value, "depends_on") : value
  if (!Array.isArray(list)) throw new ColumnProblem("its depends_on is not a JSON array")
  return (list as ReadonlyArray<unknown>).map((id) => {
    if (typeof id !== "string" && typeof id !== "number")
      throw new ColumnProblem("its depends_on contains a value that is not an id")
    return String(id)
  })
}

const parseColumn = (json: string, column: TableColumn) =>
  Result.getOrThrowWith(
    parseExactJson(json),
    (problem) => new ColumnProblem(`its ${column} is not JSON that can be stored: ${describeJsonProblem(problem)}`)
  )

const readClaim = (
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
