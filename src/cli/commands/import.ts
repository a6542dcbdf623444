import { Effect, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { Name } from "../../domain/Text.ts"
import { checkStrict, importIssues, nothingTaken } from "../../import/importIssues.ts"
import { ImportReport } from "../../import/ImportReport.ts"
import { planImport } from "../../import/planImport.ts"
import { ImportFormat } from "../../import/Source.ts"
import { AuditService, type ImportedLog, InvalidInput } from "../../index.ts"
import { decodeInput } from "../../services/decodeInput.ts"
import { makeOutput } from "../CommandOutput.ts"
import { currentActor } from "../currentActor.ts"
import { runInNewBacklog, withHelp } from "../defineCommand.ts"
import { choiceFlag, optionalArgument, switchFlag, textFlag } from "../flags.ts"
import type { ImportInput } from "../importInput.ts"
import { type ImportFlags, openSource, selectSource } from "../importSource.ts"
import { ProcessIO } from "../ProcessIO.ts"
import { clearProgressAfter, showProgress } from "../progress.ts"
import { readLines } from "../readInput.ts"
import { escapeLine, type TextStyle } from "../terminalText.ts"
import { describeEndedClaims } from "./maintenance.ts"

const formats = [...ImportFormat.literals, "log"] as const

export const importCommand = withHelp(
  Command.make(
    "import",
    {
      file: optionalArgument(
        "file",
        "The file, or the folder of Backlog.md. - reads standard input. Omit it for a table"
      ),
      format: choiceFlag(
        "format",
        formats,
        "Format of the input: another tracker's issues, or an exported log. Defaults to the one that the content shows"
      ),
      from: textFlag("from", "For a table: the postgres:// URL of its database", "URL"),
      table: textFlag("table", "For a table: its name, optionally with a schema", "NAME"),
      mapStatus: Flag.String("map-status").pipe(
        Flag.withDescription("Meaning of an unknown status word. Repeatable"),
        Flag.withMetavar("<WORD=ready|blocked|done>"),
        Flag.atLeast(0)
      ),
      strict: switchFlag(
        "strict",
        "Write nothing if anything but a deleted issue would be skipped, or if an active claim would end"
      )
    },
    Effect.fnUntraced(function* ({ format, strict, ...flags }) {
      if (format === "log") yield* checkLogFlags(flags, strict)
      const input = yield* selectSource(format, flags)
      if (input !== "table" && input.format === "log") {
        yield* checkLogFlags(flags, strict)
        return yield* runInNewBacklog(yield* importLog(input))
      }
      return yield* Effect.scoped(Effect.flatMap(importIssuesFrom(input, flags, strict), runInNewBacklog))
    })
  ),
  {
    description:
      "Imports the issues of another tracker, and reports the outcome of each. Existing cards are not changed, so repeating an import has no effect. Fails if it takes nothing. With --format log, imports an exported log into an empty backlog, atomically, with the same positions and hashes, and ends its active claims.",
    summary: "Import another tracker's issues, or an exported log",
    examples: [
      { command: "backlog import .beads/issues.jsonl" },
      { command: "backlog import .taskmaster/tasks/tasks.json" },
      { command: "backlog import backlog/ --map-status Idea=blocked" },
      { command: "backlog import --from postgres://me@old.example.com/app --table public.tasks" },
      { command: "backlog import issues.jsonl --strict", description: "Imports nothing if anything would be skipped" },
      { command: "bd export | backlog import -", description: "From standard input" },
      { command: "backlog import backlog.jsonl --db postgres://me@localhost/work" }
    ]
  }
)

const decodeActor = decodeInput(Schema.Struct({ actor: Name }))

const importIssuesFrom = Effect.fnUntraced(function* (
  input: ImportInput | "table",
  flags: ImportFlags,
  strict: boolean
) {
  const io = yield* ProcessIO
  const { actor } = yield* decodeActor({ actor: yield* currentActor })
  const source = yield* openSource(input, flags)
  const plan = yield* planImport(source)
  if (plan.cards.size === 0) return yield* nothingTaken(plan, source)
  if (strict) yield* checkStrict(plan, source)
  return Effect.gen(function* () {
    const report = yield* clearProgressAfter(io)(
      importIssues(source, plan, { actor, strict, onProgress: showProgress(io, "cards") })
    )
    return makeOutput(
      () => encode(report),
      (style) => describeReport(report, style)
    )
  })
})

const checkLogFlags = Effect.fnUntraced(function* ({ file, from, mapStatus, table }: ImportFlags, strict: boolean) {
  if (file === undefined) return yield* new InvalidInput({ problem: "the log's FILE is missing" })
  if (from !== undefined || table !== undefined || mapStatus.length > 0) {
    return yield* new InvalidInput({
      problem: "--from, --table and --map-status do not apply to --format log"
    })
  }
  if (strict) {
    return yield* new InvalidInput({
      problem: "--strict does not apply to --format log: a log is always imported as a whole"
    })
  }
})

const importLog = Effect.fnUntraced(function* ({ file, open }: ImportInput) {
  const io = yield* ProcessIO
  const { actor } = yield* decodeActor({ actor: yield* currentActor })
  const lines = yield* readLines(file, open)
  return Effect.gen(function* () {
    const audit = yield* AuditService
    const imported = yield* clearProgressAfter(io)(
      audit.importLog(lines, { actor, onProgress: showProgress(io, "events") })
    )
    return makeOutput(
      () => imported,
      () => describeLog(imported)
    )
  })
})

const describeLog = ({ cards, chainHash, events, generation, position, reclaimed }: ImportedLog): string =>
  [
    `Imported ${events} events of ${cards} cards, up to position ${position}, chain hash ${chainHash}.`,
    `New tokens have generation ${generation}. ${describeEndedClaims({ reclaimed })}`
  ].join("\n")

const encode = Schema.encodeSync(ImportReport)

/** Maximum number of listed entries. `--json` prints all of them. */
const maxShownEntries = 20

/** Describes the outcome of an import. */
const describeReport = (report: ImportReport, style: TextStyle): string => {
  const { edges, leftOutFor, takenAs } = report
  const lines: Array<string> = [
    style.bold(`Imported ${escapeLine(report.file)}`),
    formatRow(
      report.lines,
      `${itemNames[report.format]}: ${report.issues} issues, ${report.blank} blank, ${report.malformed} malformed` +
        (sum(report.otherKinds) === 0 ? "" : `, ${sum(report.otherKinds)} of other kinds`)
    ),
    formatRow(report.taken, `taken: ${takenAs.ready} ready, ${takenAs.blocked} blocked, ${takenAs.done} done`),
    ...(report.notes === 0 ? [] : [formatRow(report.notes, "notes written on cards")]),
    formatRow(report.unchanged, "unchanged"),
    formatRow(report.differing, "exist and differ, not changed"),
    formatRow(
      report.leftOut,
      `left out: ${leftOutFor.tombstone} deleted, ${leftOutFor.duplicate} with a duplicate id, ${leftOutFor.refused} not valid as cards, ${leftOutFor.cycle} on a cycle`
    ),
    formatRow(
      edges.total,
      `edges: ${edges.dependencies} dependencies, ${edges.repeated} repeated, ${sum(edges.otherTypes)} of other types, ${edges.ofIssuesLeftOut} of issues left out`
    ),
    formatRow(
      edges.dangling,
      "dangling: kept as dependencies, so the card waits until the other card exists and is done"
    ),
    ...(edges.implied === 0 ? [] : [formatRow(edges.implied, "of the dependencies follow from parent issues")]),
    "",
    ...formatCounts("Status in the source", report.statuses),
    ...formatCounts("Types of edges that are not dependencies", edges.otherTypes),
    ...formatCounts("Not imported, by field", report.notCarriedOver),
    ...(report.missingFields.length === 0 ? [] : [`Missing columns: ${report.missingFields.join(", ")}`]),
    ...formatList(
      "Malformed",
      report.malformedLines.map(({ place, problem }) => `${place}: ${problem}`)
    ),
    ...formatList(
      "Other kinds",
      report.otherRecords.map(({ kind, place }) => `${place}: ${kind}`)
    ),
    ...formatList(
      "Left out",
      report.leftOutIssues.map(({ detail, id, place, reason }) => `${place}: ${id} (${reason}): ${detail}`)
    ),
    ...formatList(
      "Different in the backlog",
      report.differingCards.map(({ fields, id, place }) => `${place}: ${id}: ${fields.join(", ")}`)
    ),
    ...formatList(
      "Blocked until they are unblocked",
      report.blockedIssues.map(({ id, place, why }) => `${place}: ${id}: ${why}`)
    ),
    ...formatList(
      "Claims that were not imported: these cards are ready",
      report.endedClaims.map(
        ({ id, live, owner, until }) =>
          `${id} of ${owner ?? "an unnamed owner"}, ${until === null ? "which never expires" : `${live ? "until" : "which expired"} ${until}`}`
      )
    ),
    ...formatList(
      "Dangling edges",
      report.danglingEdges.map(({ dependsOn, id, why }) => `${id} waits for ${dependsOn} (${why})`)
    )
  ]
  return lines.join("\n").trimEnd()
}

/** What the source consists of. */
const itemNames: Readonly<Record<ImportReport["format"], string>> = {
  beads: "lines",
  table: "rows",
  "task-master": "tasks and subtasks",
  "backlog-md": "files"
}

const formatRow = (count: number, what: string): string => `${String(count).padStart(8)}  ${what}`

const sum = (all: Readonly<Record<string, number>>): number =>
  Object.values(all).reduce((total, count) => total + count, 0)

const formatCounts = (title: string, all: Readonly<Record<string, number>>): ReadonlyArray<string> => {
  const entries = Object.entries(all)
  return entries.length === 0
    ? []
    : [`${title}: ${entries.map(([name, count]) => `${escapeLine(name)} ${count}`).join(", ")}`]
}

const formatList = (title: string, entries: ReadonlyArray<string>): ReadonlyArray<string> =>
  entries.length === 0
    ? []
    : [
        `${title}:`,
        ...entries.slice(0, maxShownEntries).map((entry) => `  ${escapeLine(entry)}`),
        ...(entries.length > maxShownEntries ? [`  and ${entries.length - maxShownEntries} more`] : [])
      ]
