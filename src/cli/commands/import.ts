import { Effect, Schema } from "effect"
import { Argument, Flag } from "effect/cli"
import { createReadStream } from "node:fs"
import { basename } from "node:path"
import { importBeads, refuseLosses } from "../../import/importBeads.ts"
import { ImportReport } from "../../import/ImportReport.ts"
import { planImport } from "../../import/planImport.ts"
import { readBeads } from "../../import/readBeads.ts"
import { InvalidInput } from "../../index.ts"
import { describeReport } from "../describeReport.ts"
import { switchFlag } from "../flags.ts"
import { Host } from "../Host.ts"
import { progressBar } from "../progressBar.ts"
import { reply } from "../Reply.ts"
import { checked, verb } from "../verb.ts"

export const importCommand = verb(
  "import",
  {
    about:
      "Imports the issues of another tracker, and reports what became of every line. Cards that exist are left as they are, so the same file again changes nothing.",
    brief: "Import another tracker's issues",
    examples: [
      { command: "backlog import .beads/issues.jsonl --format beads" },
      { command: "backlog import issues.jsonl --strict", description: "Nothing, if anything would be left out" },
      { command: "bd export | backlog import -", description: "From standard input" }
    ]
  },
  {
    file: Argument.String("file").pipe(Argument.withDescription("The file; - reads standard input")),
    format: Flag.Literals("format", ["beads"]).pipe(
      Flag.withDefault("beads"),
      Flag.withDescription("What the file is: beads is JSON Lines (default: beads)"),
      Flag.withMetavar("<beads>")
    ),
    strict: switchFlag("strict", "Write nothing if a line is malformed or would be left out (but for deleted issues)")
  },
  Effect.fnUntraced(function* ({ file, strict }) {
    const host = yield* Host
    const { actor } = yield* checked("CreateMany", { cards: [] })
    const plan = planImport(yield* readFile(file, host))
    const name = file === "-" ? "standard input" : basename(file)
    if (strict) yield* refuseLosses(plan, name)
    return Effect.gen(function* () {
      const report = yield* importBeads(plan, { actor, file: name, strict, onProgress: progressBar(host, "cards") })
      return reply(
        () => encode(report),
        (page) => describeReport(report, page)
      )
    })
  })
)

const encode = Schema.encodeSync(ImportReport)

const readFile = (file: string, host: Host["Service"]) =>
  Effect.tryPromise({
    try: () => readBeads(file === "-" ? host.stdin : createReadStream(file)),
    catch: (error) =>
      new InvalidInput({
        problem: `${JSON.stringify(file)} cannot be read: ${error instanceof Error ? error.message : String(error)}`
      })
  })
