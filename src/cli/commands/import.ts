import { Effect, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { createReadStream } from "node:fs"
import { basename } from "node:path"
import { Name } from "../../domain/Text.ts"
import { importIssues, refuseLosses } from "../../import/importIssues.ts"
import { ImportReport } from "../../import/ImportReport.ts"
import { planImport } from "../../import/planImport.ts"
import { readBeads } from "../../import/readBeads.ts"
import { AuditService, type ImportedLog, InvalidInput } from "../../index.ts"
import { decodeInput } from "../../services/decodeInput.ts"
import { describeReport } from "../describeReport.ts"
import { linesOfFile } from "../fileLines.ts"
import { switchFlag } from "../flags.ts"
import { currentActor } from "../globals.ts"
import { Host } from "../Host.ts"
import { progressBar, withoutProgress } from "../progressBar.ts"
import { reply } from "../Reply.ts"
import { answerInBacklog, documented } from "../verb.ts"

export const importCommand = documented(
  Command.make(
    "import",
    {
      file: Argument.String("file").pipe(Argument.withDescription("The file; - reads standard input")),
      format: Flag.Literals("format", ["beads", "log"]).pipe(
        Flag.withDefault("beads"),
        Flag.withDescription("What the file is: JSON Lines of beads, or a log that export wrote (default: beads)"),
        Flag.withMetavar("<beads|log>")
      ),
      strict: switchFlag("strict", "Write nothing if a line is malformed or would be left out (but for deleted issues)")
    },
    Effect.fnUntraced(function* ({ file, format, strict }) {
      return yield* format === "log"
        ? answerInBacklog(yield* importLog(file, strict))
        : answerInBacklog(yield* importFile(file, strict))
    })
  ),
  {
    about:
      "Imports the issues of another tracker, and reports what became of every line: cards that exist are left as they are, so the same file again changes nothing. With --format log, imports what export wrote into an empty backlog, all or nothing, with the same positions and hashes.",
    brief: "Import another tracker's issues, or an exported log",
    examples: [
      { command: "backlog import .beads/issues.jsonl --format beads" },
      { command: "backlog import issues.jsonl --strict", description: "Nothing, if anything would be left out" },
      { command: "bd export | backlog import -", description: "From standard input" },
      { command: "backlog import backlog.jsonl --format log --db postgres://me@localhost/work" }
    ]
  }
)

const decodeAsking = decodeInput(Schema.Struct({ actor: Name }))

const importFile = Effect.fnUntraced(function* (file: string, strict: boolean) {
  const host = yield* Host
  const { actor } = yield* decodeAsking({ actor: yield* currentActor })
  const source = yield* readFile(file, file === "-" ? "standard input" : basename(file), host)
  const plan = yield* planImport(source)
  if (strict) yield* refuseLosses(plan, source)
  return Effect.gen(function* () {
    const report = yield* importIssues(source, plan, { actor, strict, onProgress: progressBar(host, "cards") })
    return reply(
      () => encode(report),
      (page) => describeReport(report, page)
    )
  })
})

const importLog = Effect.fnUntraced(function* (file: string, strict: boolean) {
  if (strict) {
    return yield* new InvalidInput({
      problem: "--strict has no meaning with --format log: a log is imported as a whole"
    })
  }
  const host = yield* Host
  const lines = yield* linesOfFile(file)
  return Effect.gen(function* () {
    const audit = yield* AuditService
    const imported = yield* withoutProgress(host)(audit.importLog(lines, { onProgress: progressBar(host, "events") }))
    return reply(
      () => imported,
      () => describeLog(imported)
    )
  })
})

const describeLog = ({ cards, chainHash, events, position }: ImportedLog): string =>
  `Imported ${events} events of ${cards} cards, up to position ${position}, chain hash ${chainHash}.`

const encode = Schema.encodeSync(ImportReport)

const readFile = (file: string, name: string, host: Host["Service"]) =>
  Effect.tryPromise({
    try: () => readBeads(file === "-" ? host.stdin : createReadStream(file), name),
    catch: (error) =>
      new InvalidInput({
        problem: `${JSON.stringify(file)} cannot be read: ${error instanceof Error ? error.message : String(error)}`
      })
  })
