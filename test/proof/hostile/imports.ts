import { Data, Effect, Schema, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { importIssues } from "../../../src/import/importIssues.ts"
import { ImportReport } from "../../../src/import/ImportReport.ts"
import { readLines } from "../../../src/import/readLines.ts"
import { planImport } from "../../../src/import/planImport.ts"
import type { Source } from "../../../src/import/Source.ts"
import { readBacklogMd } from "../../../src/import/readBacklogMd.ts"
import { readBeads } from "../../../src/import/readBeads.ts"
import { readTaskMaster } from "../../../src/import/readTaskMaster.ts"
import { LogFileCheck } from "../../../src/projections/LogFileCheck.ts"
import { AuditService } from "../../../src/services/AuditService.ts"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { tables } from "../../support/backlogs.ts"

/** Rolls back what an import wrote, so that the next one starts with an empty backlog. */
class TakenBack extends Data.TaggedError("TakenBack")<{ readonly problem: string | undefined }> {}

/** Runs an import, checks its result and rolls it back. Returns what is wrong, if anything. */
const rollBackImport = <E, R>(body: Effect.Effect<string | undefined, E, R>) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    sql
      .withTransaction(Effect.flatMap(body, (problem) => new TakenBack({ problem })))
      .pipe(Effect.catchTag("TakenBack", (taken) => Effect.succeed((taken as TakenBack).problem)))
  )

/** A file in chunks, which may split lines and characters. */
async function* pieces(file: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < file.length; start += 1_001) yield file.subarray(start, start + 1_001)
}

const sum = (counts: object): number => Object.values(counts).reduce((total: number, count: number) => total + count, 0)

const encode = Schema.encodeSync(ImportReport)

/** Imports a source, and returns what is wrong with the result. */
const importedFrom = <E>(reading: Effect.Effect<Source, E>, strict: boolean) =>
  rollBackImport(
    Effect.gen(function* () {
      const source = yield* reading
      const plan = yield* planImport(source)
      const report = yield* importIssues(source, plan, { actor: "i", strict, onProgress: () => Effect.void })
      const { blank, differing, edges, issues, leftOut, lines, malformed, statuses, taken, unchanged } = encode(report)
      const cards = yield* (yield* BacklogService).list()
      if (cards.length !== taken) return `${taken} were taken, and there are ${cards.length}`
      const known = edges.dependencies + edges.repeated + edges.ofIssuesLeftOut + sum(edges.otherTypes)
      return edges.total === known &&
        issues === sum(statuses) &&
        issues === taken + unchanged + differing + leftOut &&
        lines === blank + malformed + issues
        ? undefined
        : "the report does not add up"
    })
  )

const beads = (file: Uint8Array, strict: boolean) =>
  importedFrom(
    Effect.promise(() => readBeads(pieces(file), "f")),
    strict
  )

/** A `tasks.json` with one task per line. */
const taskMaster = (file: Uint8Array, strict: boolean) =>
  importedFrom(
    Effect.suspend(() => {
      const lines = Buffer.from(file).toString("utf8").trimEnd().split("\n")
      return readTaskMaster(`{"tasks":[${lines.join(",")}]}`, "f", new Map())
    }),
    strict
  )

/** A folder of task files. */
export const backlogMd = (folder: string) => importedFrom(readBacklogMd(folder, "f", new Map()), false)

/** Plans the import without a database too: both results must be the same. */
const checked = Effect.fnUntraced(function* (file: Uint8Array) {
  const check = new LogFileCheck()
  const lines = Stream.fromAsyncIterable(readLines(pieces(file)), (error) => error)
  yield* Stream.runForEach(lines, (line) => Effect.fromResult(check.push(line))).pipe(Effect.ignore)
  check.end()
})

const log = (file: Uint8Array) =>
  rollBackImport(
    Effect.gen(function* () {
      yield* checked(file)
      const lines = Stream.fromAsyncIterable(readLines(pieces(file)), (error) => error)
      const imported = yield* (yield* AuditService).importLog(lines)
      const { events, sql } = yield* tables
      const rows = yield* sql<{ readonly n: number }>`SELECT count(*)::int4 AS n FROM ${events}`
      return rows[0]?.n === imported.events
        ? undefined
        : `${imported.events} were imported, and there are ${rows[0]?.n}`
    })
  )

/** A format, and the errors that a file of it may cause. */
export interface Format {
  readonly run: (
    file: Uint8Array,
    strict: boolean
  ) => Effect.Effect<string | undefined, unknown, BacklogService | AuditService | SqlClient.SqlClient>
  readonly errors: ReadonlySet<string>
}

/** Every import format. */
export const formats: Readonly<Record<"beads" | "log" | "task-master", Format>> = {
  beads: { run: beads, errors: new Set(["ImportRefused"]) },
  log: { run: (file) => log(file), errors: new Set(["LogFileRefused"]) },
  "task-master": { run: taskMaster, errors: new Set(["ImportRefused", "SourceUnreadable"]) }
}
