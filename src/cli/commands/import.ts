import { Effect, Option, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { Name } from "../../domain/Text.ts"
import { importIssues, checkStrict } from "../../import/importIssues.ts"
import { ImportFormat, ImportReport } from "../../import/ImportReport.ts"
import { planImport } from "../../import/planImport.ts"
import { AuditService, type ImportedLog, InvalidInput } from "../../index.ts"
import { decodeInput } from "../../services/decodeInput.ts"
import { describeReport } from "../describeReport.ts"
import { linesOfFile } from "../fileLines.ts"
import { switchFlag, text } from "../flags.ts"
import { currentActor } from "../globals.ts"
import { Host } from "../Host.ts"
import { type ImportFlags, importSource } from "../importSource.ts"
import { progressBar, withoutProgress } from "../progressBar.ts"
import { reply } from "../Reply.ts"
import { answerInNewBacklog, documented } from "../verb.ts"
import { describeEnded } from "./restored.ts"

const formats = [...ImportFormat.literals, "log"] as const

export const importCommand = documented(
  Command.make(
    "import",
    {
      file: Argument.String("file").pipe(
        Argument.withDescription("The file, or the folder of Backlog.md; - reads standard input; none for a table"),
        Argument.optional,
        Argument.map(Option.getOrUndefined)
      ),
      format: Flag.Literals("format", formats).pipe(
        Flag.withDefault("beads"),
        Flag.withDescription("What is imported: another tracker's issues, or a log that export wrote (default: beads)"),
        Flag.withMetavar(`<${formats.join("|")}>`)
      ),
      from: text("from", "For a table: the postgres:// URL of the database that it is in", "URL"),
      table: text("table", "For a table: its name, with its schema where that is needed", "NAME"),
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
        ? answerInNewBacklog(yield* importLog(flags, strict))
        : Effect.scoped(Effect.flatMap(importFrom(format, flags, strict), answerInNewBacklog))
    })
  ),
  {
    about:
      "Imports the issues of another tracker, and reports what became of every one: cards that exist are left as they are, so the same import again changes nothing. With --format log, imports what export wrote into an empty backlog, all or nothing, with the same positions and hashes, and ends the claims that are live in it.",
    brief: "Import another tracker's issues, or an exported log",
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

const decodeAsking = decodeInput(Schema.Struct({ actor: Name }))

const importFrom = Effect.fnUntraced(function* (format: ImportFormat, flags: ImportFlags, strict: boolean) {
  const host = yield* Host
  const { actor } = yield* decodeAsking({ actor: yield* currentActor })
  const source = yield* importSource(format, flags)
  const plan = yield* planImport(source)
  if (strict) yield* checkStrict(plan, source)
  return Effect.gen(function* () {
    const report = yield* withoutProgress(host)(
      importIssues(source, plan, { actor, strict, onProgress: progressBar(host, "cards") })
    )
    return reply(
      () => encode(report),
      (page) => describeReport(report, page)
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
  const host = yield* Host
  const { actor } = yield* decodeAsking({ actor: yield* currentActor })
  const lines = yield* linesOfFile(file)
  return Effect.gen(function* () {
    const audit = yield* AuditService
    const imported = yield* withoutProgress(host)(
      audit.importLog(lines, { actor, onProgress: progressBar(host, "events") })
    )
    return reply(
      () => imported,
      () => describeLog(imported)
    )
  })
})

const describeLog = ({ cards, chainHash, events, generation, position, reclaimed }: ImportedLog): string =>
  [
    `Imported ${events} events of ${cards} cards, up to position ${position}, chain hash ${chainHash}.`,
    `Tokens are of generation ${generation} from now on. ${describeEnded({ reclaimed })}`
  ].join("\n")

const encode = Schema.encodeSync(ImportReport)
