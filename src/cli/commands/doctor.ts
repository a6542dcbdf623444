import { Effect, Schema } from "effect"
import { Command } from "effect/cli"
import { BacklogMissing, diagnose, Doctor, DoctorFacts, DoctorFinding } from "../../index.ts"
import { createHint } from "../../services/BacklogOpening.ts"
import { withDoctor } from "../database.ts"
import { exitCodes } from "../failure.ts"
import { SchemaFlag } from "../globals.ts"
import type { Page, Paint } from "../Page.ts"
import { reply } from "../Reply.ts"
import { manyLines } from "../terminalText.ts"
import { answerAlone, documented } from "../verb.ts"

export const doctor = documented(
  Command.make("doctor", {}, () =>
    answerAlone(
      Effect.map(withDoctor(examined), (facts) => {
        const findings = diagnose(facts)
        const isWell = findings.every(({ level }) => level === "ok" || level === "note")
        return {
          ...reply(
            () => ({ isWell, findings: encodeFindings(findings), facts: encodeFacts(facts) }),
            (page) => [...findings.map((finding) => told(finding, page)), summary(findings)].join("\n")
          ),
          exitCode: isWell ? exitCodes.done : exitCodes.failed
        }
      })
    )
  ),
  {
    about:
      "Looks at the backlog and its database, and says what is not as it should be and what to do about it: versions, migrations, roles, settings, notifications, poolers, clocks, dead rows, consumers that are behind, claims that nobody takes over. Changes nothing. Ends with 0 when there is nothing to do, with 1 when there is.",
    brief: "See what is not as it should be, and what to do",
    examples: [
      { command: "backlog doctor" },
      { command: "backlog doctor --json", description: "With all that was found" }
    ]
  }
)

/** What was found of a backlog, which must exist. */
const examined = Effect.gen(function* () {
  const facts = yield* (yield* Doctor).examine
  if (facts.migrations.exists) return facts
  const schema = (yield* SchemaFlag) ?? "backlog"
  return yield* new BacklogMissing({ place: `schema ${JSON.stringify(schema)}`, schema, toDo: createHint })
})

const encodeFindings = Schema.encodeSync(Schema.Array(DoctorFinding))
const encodeFacts = Schema.encodeSync(DoctorFacts)

const told = ({ check, level, toDo, what }: DoctorFinding, page: Page): string => {
  const paints: Readonly<Record<DoctorFinding["level"], Paint>> = {
    ok: page.green,
    note: page.blue,
    warning: page.yellow,
    problem: page.red
  }
  const line = `${paints[level](level.padEnd(7))}  ${page.bold(check.padEnd(13))}  ${manyLines(what)}`
  return toDo === null ? line : `${line}\n${" ".repeat(24)}→ ${manyLines(toDo)}`
}

const summary = (findings: ReadonlyArray<DoctorFinding>): string => {
  const count = (level: DoctorFinding["level"]) => findings.filter((finding) => finding.level === level).length
  const [problems, warnings] = [count("problem"), count("warning")]
  return problems + warnings === 0
    ? "Nothing is to be done."
    : `${problems} ${problems === 1 ? "problem" : "problems"}, ${warnings} ${warnings === 1 ? "warning" : "warnings"}.`
}
