import { Effect, Option, Result, type Scope, Stream } from "effect"
import { SqlClient, type SqlConnection, type SqlError } from "effect/sql"
import { type Source, type SourceRecord, SourceUnreadable } from "./Source.ts"
import type { StatusMap } from "./fields.ts"
import { decodeRow, type TableColumn, tableColumns, type TableRow } from "./decodeRow.ts"

/** A table's name, such as `tasks` or `public.tasks`. A part that contains a dot is in double quotes. */
interface TableName {
  /** The name for a statement. Every part is in double quotes, so it cannot be anything but a name. */
  readonly quoted: string
}

/** Rows that one FETCH returns. */
const pageRows = 500

/**
 * Reads a table or a view of a mutable backlog. The rows come by id, a page at a time, over a reserved connection with one
 * read-only transaction on one snapshot, which ends with the scope. `database` is the name of the database for messages.
 */
export const readTable = Effect.fnUntraced(function* (
  table: TableName,
  database: string,
  statuses: StatusMap
): Effect.fn.Return<
  Source<SqlError.SqlError>,
  SourceUnreadable | SqlError.SqlError,
  SqlClient.SqlClient | Scope.Scope
> {
  const connection = yield* (yield* SqlClient.SqlClient).reserve
  const run = (sql: string, params: ReadonlyArray<unknown> = []) => connection.execute(sql, params, undefined)
  yield* Effect.acquireRelease(run("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"), () =>
    Effect.ignore(run("ROLLBACK"))
  )
  // So that every time has its offset and is written in ISO 8601.
  yield* run("SET LOCAL TimeZone = 'UTC'")
  yield* run("SET LOCAL DateStyle = 'ISO, YMD'")
  const { columns, hasCtid } = yield* columnsOf(connection, table, database)
  const [{ now } = { now: Number.NaN }] = yield* run("SELECT (extract(epoch FROM now()) * 1000)::float8 AS now")

  const known = tableColumns.filter((column) => columns.includes(column))
  const others = columns.filter((column) => !isKnown(column))
  const statement = [
    `DECLARE backlog_import NO SCROLL CURSOR FOR SELECT ${[
      ...known.map((column, index) => `pg_catalog.to_json(t.${quoteIdentifier(column)})::text AS k${index}`),
      ...others.map((column, index) => `(t.${quoteIdentifier(column)} IS NOT NULL) AS o${index}`)
    ].join(", ")}`,
    // Rows with the same id come in the order in which they were written, where the relation has a ctid.
    `FROM ${table.quoted} AS t ORDER BY t."id"::text COLLATE "C", ${hasCtid ? "t.ctid" : `t."title"::text COLLATE "C"`}`
  ].join(" ")

  const rowOf = (values: Readonly<Record<string, unknown>>): TableRow => ({
    columns: Object.fromEntries(known.map((column, index) => [column, values[`k${index}`] as string | null])),
    others: others.filter((_, index) => values[`o${index}`] === true)
  })
  const recordOf = (values: Readonly<Record<string, unknown>>, line: number): SourceRecord =>
    Result.match(decodeRow(rowOf(values), now, statuses), {
      onFailure: (problem): SourceRecord => ({ _tag: "Malformed", line, problem }),
      onSuccess: (issue): SourceRecord => ({ _tag: "Issue", line, issue })
    })

  return {
    format: "table",
    name: `${table.quoted.replace(/"([a-z_][a-z0-9_]*)"/g, "$1")} of ${database}`,
    placeOf: (line) => `row ${line} by id`,
    missingFields: tableColumns.filter((column) => !columns.includes(column)),
    records: Stream.unwrap(
      Effect.as(
        Effect.acquireRelease(run(statement), () => Effect.ignore(run("CLOSE backlog_import"))),
        Stream.paginate(0, (before) =>
          Effect.map(
            run(`FETCH FORWARD ${pageRows} FROM backlog_import`),
            (rows: ReadonlyArray<Readonly<Record<string, unknown>>>) =>
              [
                rows.map((values, index) => recordOf(values, before + index + 1)),
                rows.length < pageRows ? Option.none<number>() : Option.some(before + rows.length)
              ] as const
          )
        )
      )
    )
  }
})

const isKnown = (column: string): column is TableColumn => (tableColumns as ReadonlyArray<string>).includes(column)

const columnsOf = Effect.fnUntraced(function* (
  connection: SqlConnection.Connection,
  { quoted }: TableName,
  database: string
) {
  const rows: ReadonlyArray<{ readonly name: string | null; readonly kind: string | null }> = yield* connection.execute(
    `SELECT a.attname::text AS name, c.relkind::text AS kind
     FROM (SELECT to_regclass($1) AS relation) AS found
     LEFT JOIN pg_class AS c ON c.oid = found.relation AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
     LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     ORDER BY a.attnum`,
    [quoted],
    undefined
  )
  const columns = rows.flatMap(({ name }) => (name === null ? [] : [name]))
  const refuse = (problem: string) =>
    new SourceUnreadable({ problem: `${quoted} of ${database} cannot be imported: ${problem}` })
  if (columns.length === 0) {
    return yield* refuse("the table does not exist. Names are case-sensitive, and may need their schema before them")
  }
  const missing = ["id", "title"].filter((column) => !columns.includes(column))
  return missing.length === 0
    ? { columns, hasCtid: rows.some(({ kind }) => kind === "r" || kind === "m") }
    : yield* refuse(`it has no column ${missing.join(" and no column ")}. It has ${columns.join(", ")}`)
})

const part = /(?:"((?:[^"]|"")*)"|([^".]+))/y

/** Parses a table's name, or returns `undefined`. Names are case-sensitive. */
export const parseTableName = (input: string): TableName | undefined => {
  const parts: Array<string> = []
  let at = 0
  do {
    part.lastIndex = at
    const match = part.exec(input)
    if (match === null) return undefined
    const name = match[1]?.replaceAll('""', '"') ?? match[2] ?? ""
    if (name === "" || name.includes("\u0000")) return undefined
    parts.push(name)
    at = part.lastIndex
  } while (input[at++] === ".")
  return at <= input.length || parts.length > 2 ? undefined : { quoted: parts.map(quoteIdentifier).join(".") }
}

const quoteIdentifier = (name: string): string => `"${name.replaceAll('"', '""')}"`
