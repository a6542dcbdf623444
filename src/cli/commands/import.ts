import { Effect, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { ProcessIO } from "../ProcessIO.ts"
import { makeOutput } from "../CommandOutput.ts"
import { describeEndedClaims } from "./maintenance.ts"
import { currentActor, switchFlag, textFlag, optionalArgument } from "../flags.ts"
import { type ImportFlags, openSource } from "../importSource.ts"
import { showProgress, clearProgressAfter } from "../progress.ts"
import { escapeLine, type TextStyle } from "../terminalText.ts"
import { readLines } from "../readInput.ts"
import { runInNewBacklog, withHelp } from "../defineCommand.ts"
import { Name } from "../../domain/Text.ts"
import { importIssues, checkStrict } from "../../import/importIssues.ts"
import { ImportReport } from "../../import/ImportReport.ts"
import { ImportFormat } from "../../import/Source.ts"
import { planImport } from "../../import/planImport.ts"
import { AuditService, type ImportedLog, InvalidInput } from "../../index.ts"
import { decodeInput } from "../../services/decodeInput.ts"

const formats = [...ImportFormat.literals, "log"] as const

export const importCommand = withHelp(
  Command.make(
    "import",
    {
      file: optionalArgument(
        "file",
        "The file, or the folder of Backlog.md. - reads standard input. Omit it for a table"
      ),
      format: Flag.Literals("format", formats).pipe(
        Flag.withDefault("beads"),
        Flag.withDescription("What is imported: another tracker's issues, or a log that export wrote (default: beads)"),
        Flag.withMetavar(`<${formats.join("|")}>`)
      ),
      from: textFlag("from", "For a table: the postgres:// URL of the database that it is in", "URL"),
      table: textFlag("table", "For a table: its name, with its schema where that is needed", "NAME"),
      mapStatus: Flag.String("map-status").pipe(
        Flag.withDescription("What a word for a status means that is not known; may be given several times"),
        Flag.withMetavar("<WORD=ready|blocked|done>"),
        Flag.atLeast(0)
      ),
      strict: switchFlag(
        "strict",
        "Write nothing if anything would be left out (but for deleted issues), or a live claim would be ended"
      )
    },
    Effect.fnUntraced(function* ({ format, strict, ...flags }) {
      return yield* format === "log"
        ? runInNewBacklog(yield* importLog(flags, strict))
        : Effect.scoped(Effect.flatMap(importIssuesFrom(format, flags, strict), runInNewBacklog))
    })
  ),
  {
    description:
      "Imports the issues of another tracker, and reports what became of every one: cards that exist are left as they are, so the same import again changes nothing. With --format log, imports what export wrote into an empty backlog, all or nothing, with the same positions and hashes, and ends the claims that are live in it.",
    summary: "Import another tracker's issues, or an exported log",
    examples: [
      { command: "backlog import .beads/issues.jsonl --format beads" },
      { command: "backlog import .taskmaster/tasks/tasks.json --format task-master" },
      { command: "backlog import backlog/ --format backlog-md --map-status Idea=blocked" },
      { command: "backlog import --format table --from postgres://me@old.example.com/app --table public.tasks" },
      { command: "backlog import issues.jsonl --strict", description: "Nothing, if anything would be left out" },
      { command: "bd export | backlog import -", description: "From standard input" },
      { command: "backlog import backlog.jsonl --format log --db postgres://me@localhost/work" }
    ]
  }
)

const decodeActor = decodeInput(Schema.Struct({ actor: Name }))

const importIssuesFrom = Effect.fnUntraced(function* (format: ImportFormat, flags: ImportFlags, strict: boolean) {
  const io = yield* ProcessIO
  const { actor } = yield* decodeActor({ actor: yield* currentActor })
  const source = yield* openSource(format, flags)
  const plan = yield* planImport(source)
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

const importLog = Effect.fnUntraced(function* ({ file, from, mapStatus, table }: ImportFlags, strict: boolean) {
  if (file === undefined) return yield* new InvalidInput({ problem: "the FILE with the log is missing" })
  if (from !== undefined || table !== undefined || mapStatus.length > 0) {
    return yield* new InvalidInput({
      problem: "--from, --table and --map-status have no meaning with --format log"
    })
  }
  if (strict) {
    return yield* new InvalidInput({
      problem: "--strict has no meaning with --format log: a log is imported as a whole"
    })
  }
  const io = yield* ProcessIO
  const { actor } = yield* decodeActor({ actor: yield* currentActor })
  const lines = yield* readLines(file)
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
    `Tokens are of generation ${generation} from now on. ${describeEndedClaims({ reclaimed })}`
  ].join("\n")

const encode = Schema.encodeSync(ImportReport)

/** How many entries of a list are shown; `--json` has them all. */
const maxShownEntries = 20

/** What an import did, for people. */
const describeReport = (report: ImportReport, style: TextStyle): string => {
  const { edges, leftOutFor, takenAs } = report
  const lines: Array<string> = [
    style.bold(`Imported ${escapeLine(report.file)}`),
    formatRow(
      report.lines,
      `${itemNames[report.format]}: ${report.issues} issues, ${report.blank} blank, ${report.malformed} malformed`
    ),
    formatRow(report.taken, `taken: ${takenAs.ready} ready, ${takenAs.blocked} blocked, ${takenAs.done} done`),
    formatRow(report.unchanged, "unchanged"),
    formatRow(report.differing, "exist and differ, left as they are"),
    formatRow(
      report.leftOut,
      `left out: ${leftOutFor.tombstone} deleted, ${leftOutFor.duplicate} with the id of an earlier one, ${leftOutFor.refused} that no card can be, ${leftOutFor.cycle} on a cycle`
    ),
    formatRow(
      edges.total,
      `edges: ${edges.dependencies} dependencies, ${edges.repeated} repeated, ${sum(edges.otherTypes)} of other types, ${edges.ofIssuesLeftOut} of issues left out`
    ),
    formatRow(edges.dangling, "dangling: kept as dependencies, so the card waits until the other exists and is done"),
    ...(edges.implied === 0 ? [] : [formatRow(edges.implied, "of the dependencies follow from what is part of what")]),
    "",
    ...formatCounts("Status in the source", report.statuses),
    ...formatCounts("Types of edges that are no dependencies", edges.otherTypes),
    ...formatCounts("Not carried over, by field", report.notCarriedOver),
    ...(report.missingFields.length === 0 ? [] : [`Columns that are not there: ${report.missingFields.join(", ")}`]),
    ...formatList(
      "Malformed",
      report.malformedLines.map(({ place, problem }) => `${place}: ${problem}`)
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
      "Claims that are not carried over: these cards are ready",
      report.endedClaims.map(
        ({ id, live, owner, until }) =>
          `${id} of ${owner ?? "nobody named"}, ${until === null ? "which never runs out" : `${live ? "until" : "which ran out"} ${until}`}`
      )
    ),
    ...formatList(
      "Dangling edges",
      report.danglingEdges.map(({ dependsOn, id, why }) => `${id} waits for ${dependsOn} (${why})`)
    )
  ]
  return lines.join("\n").trimEnd()
}

/** What the source has in one place. */
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
