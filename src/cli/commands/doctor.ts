import { Effect, Schema } from "effect"
import { Command } from "effect/cli"
import { redactSecrets } from "../../domain/redactSecrets.ts"
import {
  BacklogMissing,
  diagnose,
  Doctor,
  DoctorFacts,
  DoctorFinding,
  Erasures,
  MigrationRefused
} from "../../index.ts"
import { diagnoseServed, ServedFacts } from "../../services/doctor/diagnoseServed.ts"
import { inspectDirectoryAccess } from "../../services/pglite/directoryPermissions.ts"
import { createHint } from "../../services/schema/BacklogOpening.ts"
import { sanitize } from "../../sql/sanitize.ts"
import { makeOutput } from "../CommandOutput.ts"
import { servedTarget, targetDirectory, withDoctor } from "../database.ts"
import { runWithoutBacklog, withHelp } from "../defineCommand.ts"
import { examineAnchorFile, examineServed } from "../examineServed.ts"
import { exitCodes } from "../exitCodes.ts"
import { currentSchema, switchFlag, textFlag } from "../flags.ts"
import { ProcessIO } from "../ProcessIO.ts"
import { clearProgressAfter, showRemovalProgress } from "../progress.ts"
import { escapeLine, escapeLines, type Paint, type TextStyle } from "../terminalText.ts"

export const doctorCommand = withHelp(
  Command.make(
    "doctor",
    {
      anchorFile: textFlag("anchor-file", "Also check the log against the newest anchor in this file", "PATH"),
      fix: switchFlag(
        "fix",
        "First remove the bytes of pending redactions from the data files. Requires the owner's privileges"
      )
    },
    ({ anchorFile, fix }) =>
      runWithoutBacklog(
        Effect.gen(function* () {
          const server = yield* servedTarget
          if (server !== undefined) {
            const facts = yield* examineServed(server, anchorFile, fix)
            return makeFindingsOutput(diagnoseServed(facts), () => encodeServedFacts(facts))
          }
          const facts = yield* examineWithDirectory(anchorFile, fix ? withDoctor(removePending) : Effect.void)
          return makeFindingsOutput(diagnose(facts), () => encodeFacts(facts))
        })
      )
  ),
  {
    description:
      "Checks the backlog and its database, and reports problems with their fixes: versions, migrations, roles, settings, notifications, poolers, clocks, dead rows, lagging consumers, expired claims, pending erasures, and files that other users can access. Without --fix it changes only the modes of an embedded directory that other users can access; --fix first removes erased bytes from the data files. Over HTTP it checks the server, the token, consumers, claims, erasures and the anchor file. Exits with code 0 if there are no problems, and with 1 otherwise.",
    summary: "Check the database and report problems with their fixes",
    examples: [
      { command: "backlog doctor" },
      { command: "backlog doctor --json", description: "With all collected facts" },
      { command: "backlog doctor --fix", description: "Completes pending redactions, as the owner" },
      {
        command: "backlog doctor --anchor-file /var/lib/anchors/work.txt",
        description: "Also checks the log against the newest anchor"
      }
    ]
  }
)

const makeFindingsOutput = (findings: ReadonlyArray<DoctorFinding>, facts: () => unknown) => {
  const isWell = findings.every(({ level }) => level === "ok" || level === "note")
  return {
    ...makeOutput(
      () => sanitize({ isWell, findings: encodeFindings(findings), facts: facts() }),
      (style) => redactSecrets(formatFindings(findings, style))
    ),
    exitCode: isWell ? exitCodes.done : exitCodes.failed
  }
}

/** Removes pending erasures. A failure becomes a finding of the check that follows. */
const removePending = Effect.gen(function* () {
  const { examine } = yield* Doctor
  const { pending = 0 } = (yield* examine).erasures ?? {}
  if (pending === 0) return
  const io = yield* ProcessIO
  const erasures = yield* Erasures
  yield* clearProgressAfter(io)(erasures.remove({ onProgress: showRemovalProgress(io) })).pipe(
    // Reported here too, because a role other than the owner cannot record it for the finding.
    Effect.catchTag("RemovalPending", (error) => Effect.sync(() => io.stderr.write(`${escapeLine(error.message)}\n`)))
  )
})

/** Collects the doctor's facts about a backlog, which must exist, and about an anchor file. */
const examineBacklog = Effect.fnUntraced(function* (file: string | undefined) {
  const { checkAnchor, examine, sessionProblem } = yield* Doctor
  const facts = yield* examine
  if (!facts.migrations.exists) {
    const schema = (yield* currentSchema) ?? "backlog"
    // A hint to create a backlog does not help where the database cannot hold one.
    const problem = yield* sessionProblem
    if (problem !== undefined) return yield* new MigrationRefused({ schema, problem })
    return yield* new BacklogMissing({ place: `schema ${JSON.stringify(schema)}`, schema, toDo: createHint })
  }
  return file === undefined ? facts : { ...facts, anchorFile: yield* examineAnchorFile(file, checkAnchor) }
})

/**
 * Collects the facts after running `first`. For an embedded directory it includes other users' access to the files before
 * and after opening the directory, because opening restricts the modes.
 */
const examineWithDirectory = Effect.fnUntraced(function* <E, R>(
  anchorFile: string | undefined,
  first: Effect.Effect<void, E, R>
) {
  const directory = yield* targetDirectory
  if (directory === undefined) return yield* Effect.andThen(first, withDoctor(examineBacklog(anchorFile)))
  // An unreadable directory fails when it is opened, with a better error.
  const access = Effect.orElseSucceed(
    Effect.tryPromise(() => inspectDirectoryAccess(directory)),
    () => undefined
  )
  const before = yield* access
  yield* first
  const [facts, now] = yield* withDoctor(Effect.all([examineBacklog(anchorFile), access]))
  return now === undefined
    ? facts
    : ({ ...facts, directory: { ...now, openBefore: before?.open ?? 0 } } satisfies DoctorFacts)
})

const encodeFindings = Schema.encodeSync(Schema.Array(DoctorFinding))
const encodeFacts = Schema.encodeSync(DoctorFacts)
const encodeServedFacts = Schema.encodeSync(ServedFacts)

const formatFindings = (findings: ReadonlyArray<DoctorFinding>, style: TextStyle): string =>
  [...findings.map((finding) => formatFinding(finding, style)), summarize(findings)].join("\n")

const formatFinding = ({ check, level, toDo, what }: DoctorFinding, style: TextStyle): string => {
  const paints: Readonly<Record<DoctorFinding["level"], Paint>> = {
    ok: style.green,
    note: style.blue,
    warning: style.yellow,
    problem: style.red
  }
  const line = `${paints[level](level.padEnd(7))}  ${style.bold(check.padEnd(13))}  ${escapeLines(what)}`
  return toDo === null ? line : `${line}\n${" ".repeat(24)}→ ${escapeLines(toDo)}`
}

const summarize = (findings: ReadonlyArray<DoctorFinding>): string => {
  const count = (level: DoctorFinding["level"]) => findings.filter((finding) => finding.level === level).length
  const [problems, warnings] = [count("problem"), count("warning")]
  return problems + warnings === 0
    ? "No problems found."
    : `${problems} ${problems === 1 ? "problem" : "problems"}, ${warnings} ${warnings === 1 ? "warning" : "warnings"}.`
}
