import { Effect, Option, Schema, Stream } from "effect"
import { Argument } from "effect/cli"
import { AuditService, InvalidInput, LogFileHeader } from "../../index.ts"
import { beadsToFile, beadsToOutput } from "../exportBeads.ts"
import { oneOf, switchFlag } from "../flags.ts"
import { Json } from "../globals.ts"
import { Host } from "../Host.ts"
import { progressBar, withoutProgress } from "../progressBar.ts"
import { reply, type StreamedReply } from "../Reply.ts"
import { oneLine } from "../terminalText.ts"
import { verb } from "../verb.ts"
import { writable, writeLines } from "../writeLines.ts"

export const exportCommand = verb(
  "export",
  {
    about:
      "Writes the whole log with its hashes as JSON Lines: to a FILE, which is there when it is complete and not before, or to standard output. verify FILE proves it without a database, and import --format log makes the same backlog of it. With --format beads, writes the cards as they are now as issues of beads, and says on standard error what beads has no place for.",
    brief: "Write the whole log to a file, or the cards for beads",
    examples: [
      { command: "backlog export backlog.jsonl" },
      { command: "backlog export | gzip > backlog.jsonl.gz" },
      { command: "backlog export backlog.jsonl --force --json", description: "Replaces a file that exists" },
      { command: "backlog export issues.jsonl --format beads" }
    ]
  },
  {
    file: Argument.String("file").pipe(
      Argument.withDescription("Where to write it; standard output when it is not given, or -"),
      Argument.optional,
      Argument.map(Option.getOrUndefined)
    ),
    format: oneOf("format", ["log", "beads"], "What to write (default: log)"),
    force: switchFlag("force", "Replace a file that exists")
  },
  Effect.fnUntraced(function* ({ file, force, format = "log" }) {
    const host = yield* Host
    if (file !== undefined && file !== "-") {
      yield* writable(file, force)
      return format === "beads" ? beadsToFile(file, force, host, yield* Json) : logToFile(file, force, host)
    }
    if (yield* Json) {
      return yield* new InvalidInput({
        problem: `${format === "log" ? "an exported log is" : "exported issues are"} not one JSON document: with --json give a FILE`
      })
    }
    return format === "beads" ? beadsToOutput(host) : logToOutput
  })
)

const logToOutput = Effect.map(AuditService, (audit) => {
  const lines = audit.exportLog
  return {
    items: Stream.empty,
    documents: "one",
    text: () => Stream.map(lines, (line) => `${line}\n`)
  } satisfies StreamedReply<Stream.Error<typeof lines>>
})

const decodeHeader = Schema.decodeUnknownSync(Schema.fromJsonString(LogFileHeader))

const logToFile = Effect.fnUntraced(function* (file: string, force: boolean, host: Host["Service"]) {
  const audit = yield* AuditService
  const onProgress = progressBar(host, "events")
  let header: LogFileHeader | undefined
  let lines = 0
  yield* withoutProgress(host)(
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
  return reply(
    () => written,
    () =>
      `Wrote ${written.events} events to ${oneLine(file)}, up to position ${written.position}, chain hash ${written.chainHash}.`
  )
})
