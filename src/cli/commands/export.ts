import { Effect, Schema, Stream } from "effect"
import { encodeBeads } from "../../import/encodeBeads.ts"
import { AuditService, BacklogService, type Card, type CardNote, InvalidInput, LogFileHeader } from "../../index.ts"
import { makeOutput, type StreamOutput } from "../CommandOutput.ts"
import { defineCommand } from "../defineCommand.ts"
import { choiceFlag, Json, optionalArgument, switchFlag } from "../flags.ts"
import { ProcessIO } from "../ProcessIO.ts"
import { clearProgressAfter, showProgress } from "../progress.ts"
import { escapeLine } from "../terminalText.ts"
import { checkWritable, writeLines } from "../writeLines.ts"

export const exportCommand = defineCommand(
  "export",
  {
    description:
      "Writes the whole log with its hashes as JSON Lines, to standard output or to FILE, which appears only when it is complete. `verify FILE` verifies it without a database, and `import --format log` restores the backlog from it. With --format beads, writes the current cards as beads issues, and lists on standard error what beads cannot represent.",
    summary: "Export the log, or the cards for beads",
    examples: [
      { command: "backlog export backlog.jsonl" },
      { command: "backlog export | gzip > backlog.jsonl.gz" },
      { command: "backlog export backlog.jsonl --force --json", description: "Replaces an existing file" },
      { command: "backlog export issues.jsonl --format beads" }
    ]
  },
  {
    file: optionalArgument("file", "The output file. Defaults to -, standard output"),
    format: choiceFlag("format", ["log", "beads"], "Output format. Defaults to log"),
    force: switchFlag("force", "Replace an existing file")
  },
  Effect.fnUntraced(function* ({ file, force, format = "log" }) {
    const io = yield* ProcessIO
    if (file !== undefined && file !== "-") {
      yield* checkWritable(file, force)
      return format === "beads" ? writeBeads(file, force, io, yield* Json) : writeLog(file, force, io)
    }
    if (yield* Json) {
      return yield* new InvalidInput({
        problem: `${format === "log" ? "an exported log is" : "exported issues are"} not one JSON document: with --json, give a FILE`
      })
    }
    return format === "beads" ? streamBeads(io) : streamLog
  })
)

const streamLog = Effect.map(AuditService, (audit) => {
  const lines = audit.exportLog
  return {
    items: Stream.empty,
    documents: "one",
    text: () => Stream.map(lines, (line) => `${line}\n`)
  } satisfies StreamOutput<Stream.Error<typeof lines>>
})

const decodeHeader = Schema.decodeUnknownSync(Schema.fromJsonString(LogFileHeader))

const writeLog = Effect.fnUntraced(function* (file: string, force: boolean, io: ProcessIO["Service"]) {
  const audit = yield* AuditService
  const onProgress = showProgress(io, "events")
  let header: LogFileHeader | undefined
  let lines = 0
  yield* clearProgressAfter(io)(
    writeLines(
      file,
      force,
      Stream.mapArrayEffect(audit.exportLog, (chunk) => {
        header ??= decodeHeader(chunk[0])
        lines += chunk.length
        return Effect.as(onProgress(lines - 1, header.position), chunk)
      })
    )
  )
  const written = { file, position: header?.position ?? 0, chainHash: header?.chainHash ?? "", events: lines - 1 }
  return makeOutput(
    () => written,
    () =>
      `Wrote ${written.events} events to ${escapeLine(file)}, up to position ${written.position}, chain hash ${written.chainHash}.`
  )
})

/** Encodes the current cards as lines of a beads file, and counts them while they are read. */
const readIssues = Effect.gen(function* () {
  const audit = yield* AuditService
  const { position } = yield* audit.anchor({ record: false })
  const backlog = yield* BacklogService
  const past = yield* audit.backlogAt({ position })
  const lost = new Map<string, number>()
  let written = 0
  return {
    position,
    total: past.stats.total,
    counts: () => ({
      issues: written,
      notCarriedOver: Object.fromEntries([...lost].sort(([left], [right]) => (left < right ? -1 : 1)))
    }),
    lines: Stream.mapEffect(past.cards(), (card) =>
      Effect.map(readNotes(backlog, card), (notes) => {
        const issue = encodeBeads(card, notes)
        for (const what of issue.lost) lost.set(what, (lost.get(what) ?? 0) + 1)
        written++
        return issue.line
      })
    )
  }
})

const notesPerPage = 1000

/** All notes that a card had, the last one first. */
const readNotes = Effect.fnUntraced(function* (backlog: BacklogService["Service"], card: Card) {
  const notes: Array<CardNote> = []
  for (let before = card.version + 1; notes.length < card.noteCount;) {
    const page: ReadonlyArray<CardNote> = yield* backlog.notes({ id: card.id, limit: notesPerPage, before })
    notes.push(...page)
    before = page.at(-1)?.version ?? 1
    if (page.length < notesPerPage) break
  }
  return notes
})

/** Writes the cards to standard output as beads issues, and to standard error what beads cannot represent. */
const streamBeads = (io: ProcessIO["Service"]) =>
  Effect.map(readIssues, ({ counts, lines }) => {
    const report = Effect.sync(() => reportLosses(io, counts().notCarriedOver))
    return {
      items: Stream.empty,
      documents: "one",
      text: () =>
        Stream.concat(
          Stream.map(lines, (line) => `${line}\n`),
          Stream.fromEffectDrain(report)
        )
    } satisfies StreamOutput<Stream.Error<typeof lines>>
  })

/** Writes beads issues to a file, which appears only when it is complete. With `json`, the document lists the losses. */
const writeBeads = Effect.fnUntraced(function* (file: string, force: boolean, io: ProcessIO["Service"], json: boolean) {
  const { counts, lines, position, total } = yield* readIssues
  const onProgress = showProgress(io, "issues")
  yield* clearProgressAfter(io)(
    writeLines(
      file,
      force,
      Stream.mapArrayEffect(lines, (chunk) => Effect.as(onProgress(counts().issues, total), chunk))
    )
  )
  const written = { file, position, ...counts() }
  if (!json) reportLosses(io, written.notCarriedOver)
  return makeOutput(
    () => written,
    () => `Wrote ${written.issues} issues to ${escapeLine(file)}, as of position ${position}.`
  )
})

const reportLosses = ({ stderr }: ProcessIO["Service"], lost: Readonly<Record<string, number>>): void => {
  const entries = Object.entries(lost)
  if (entries.length === 0) return
  stderr.write(
    `Not exported to beads, with the number of cards:\n${entries.map(([what, count]) => `  ${count}  ${what}\n`).join("")}`
  )
}
