import { Effect, Schema } from "effect"
import { Command } from "effect/cli"
import { ProcessIO } from "../ProcessIO.ts"
import { makeOutput, print, render } from "../CommandOutput.ts"
import { describeVerification, exitCodeOf } from "./verify.ts"
import { withMigrations } from "../database.ts"
import { currentActor, requiredDecimalFlag, textFlag } from "../flags.ts"
import { showProgress, clearProgressAfter } from "../progress.ts"
import { escapeLine, type TextStyle } from "../terminalText.ts"
import { withHelp, defineCommand } from "../defineCommand.ts"
import {
  AuditService,
  PruneReceipts,
  type RebuildReport,
  Restored,
  type RestoredBacklog,
  VerifyReport
} from "../../index.ts"
import { decodeInput } from "../../services/decodeInput.ts"
import type { RoleNames } from "../../services/schema/BacklogRoles.ts"
import { type AppliedMigration, Migrations } from "../../services/schema/Migrations.ts"

export const migrateCommand = withHelp(
  Command.make(
    "migrate",
    {
      owner: textFlag("owner-role", "Make this role the owner of the backlog", "ROLE"),
      writer: textFlag("writer-role", "Let this role append and project, and nothing else", "ROLE"),
      auditor: textFlag("auditor-role", "Let this role read, and nothing else", "ROLE")
    },
    (roles) =>
      Effect.flatMap(
        withMigrations(
          roles,
          Effect.flatMap(Migrations, ({ applied }) =>
            render(
              makeOutput(
                () => applied,
                (style) => [describeMigrations(applied, style), ...describeRoles(roles)].join("\n")
              )
            )
          )
        ),
        print
      )
  ),
  {
    description:
      "Creates the backlog where there is none, and applies the migrations that it lacks. create, import, serve and mcp do so too; all other commands refuse a backlog that is missing or not migrated. Use migrate to do it ahead of time, as a user with the rights, and to share a backlog on a server between database roles with the least privileges that each needs. The roles must exist.",
    summary: "Prepare the database ahead of time",
    examples: [
      { command: "backlog migrate --db postgres://admin@db.example.com/work" },
      {
        command:
          "backlog migrate --owner-role backlog_owner --writer-role backlog_writer --auditor-role backlog_auditor",
        description: "Least privilege, as a user that may make roles owners"
      }
    ]
  }
)

const describeMigrations = (applied: ReadonlyArray<AppliedMigration>, style: TextStyle): string => {
  const fresh = applied.filter((migration) => migration.isNew).length
  return [
    ...applied.map(({ id, isNew, name }) => `${id}  ${name}  ${isNew ? style.green("applied now") : "already there"}`),
    fresh === 0 ? "Nothing was to be done." : `${fresh} applied.`
  ].join("\n")
}

const describeRoles = (roles: RoleNames): ReadonlyArray<string> =>
  (["owner", "writer", "auditor"] as const).flatMap((kind) => {
    const name = roles[kind]
    return name === undefined ? [] : [`The ${kind} is ${escapeLine(name)}.`]
  })

export const rebuildCommand = defineCommand(
  "rebuild",
  {
    description:
      "Makes what claims and lists read anew from the log, beside the live tables and while commands go on, swaps the two in a moment, and verifies everything. Ended at any point it leaves the backlog as it was. Ends with 5 when the verification finds something, with 6 when other transactions kept the tables for too long.",
    summary: "Make the read model anew from the log",
    examples: [{ command: "backlog rebuild" }, { command: "backlog rebuild --json" }]
  },
  {},
  Effect.fnUntraced(function* () {
    const io = yield* ProcessIO
    return Effect.gen(function* () {
      const audit = yield* AuditService
      const report = yield* clearProgressAfter(io)(
        audit.rebuild({
          onProgress: ({ done, phase, total }) =>
            showProgress(io, phase === "verifying" ? "steps, verifying" : `events, ${phase}`)(done, total)
        })
      )
      return {
        ...makeOutput(
          () => ({ ...report, verification: encodeReport(report.verification) }),
          (style) => describeRebuild(report, style)
        ),
        exitCode: exitCodeOf(report.verification)
      }
    })
  })
)

const encodeReport = Schema.encodeSync(VerifyReport)

const describeRebuild = (
  { cards, position, rounds, swapMillis, verification }: RebuildReport,
  style: TextStyle
): string =>
  [
    `Rebuilt ${cards === 1 ? "1 card" : `${cards} cards`} from the log, up to position ${position}.`,
    rounds === 0 ? "" : `It caught up with what was written meanwhile ${rounds === 1 ? "once" : `${rounds} times`}.`,
    `The swap kept commands waiting for ${Math.round(swapMillis)} ms.`,
    "",
    describeVerification(verification, style)
  ]
    .filter((line, index) => line !== "" || index === 3)
    .join("\n")

export const restoredCommand = defineCommand(
  "restored",
  {
    description:
      "Run this once after you restored the backlog from a backup, before workers continue. Begins a new generation of tokens and ends every live claim, so that a worker from before the restore gets ClaimLost instead of completing a card that another worker holds. Running it again ends the live claims again.",
    summary: "After a restore: end old claims and tokens",
    examples: [{ command: "backlog restored" }, { command: "backlog restored --json --actor ops" }]
  },
  {},
  Effect.fnUntraced(function* () {
    const input = yield* decodeRestored({ actor: yield* currentActor })
    return Effect.gen(function* () {
      const answer = yield* (yield* AuditService).restored(input)
      return makeOutput(
        () => answer,
        () => `Tokens are of generation ${answer.generation} from now on. ${describeEndedClaims(answer)}`
      )
    })
  })
)

const decodeRestored = decodeInput(Restored)

/** Which claims were ended. */
export const describeEndedClaims = ({ reclaimed }: Pick<RestoredBacklog, "reclaimed">): string =>
  reclaimed.length === 0
    ? "There was no live claim."
    : `Ended ${reclaimed.length === 1 ? "1 live claim" : `${reclaimed.length} live claims`}: ${reclaimed.map(escapeLine).join(", ")}.`

const prune = defineCommand(
  "prune",
  {
    description:
      "Removes the receipts of commands that are older than --older-than-days, and answers how many. A command that comes again after that is a new one: keep receipts for longer than anybody may try again.",
    summary: "Remove old receipts",
    examples: [
      { command: "backlog receipts prune --older-than-days 30" },
      { command: "backlog receipts prune --older-than-days 0.5", description: "Half a day" }
    ]
  },
  { olderThanDays: requiredDecimalFlag("older-than-days", "How old a receipt must be to go: days, 0 or more", "DAYS") },
  Effect.fnUntraced(function* (input) {
    yield* decodePruneReceipts(input)
    return Effect.gen(function* () {
      const pruned = yield* (yield* AuditService).pruneReceipts(input)
      return makeOutput(
        () => ({ pruned }),
        () => (pruned === 1 ? "1 receipt was removed." : `${pruned} receipts were removed.`)
      )
    })
  })
)

const decodePruneReceipts = decodeInput(PruneReceipts)

export const receiptsCommand = withHelp(Command.make("receipts").pipe(Command.withSubcommands([prune])), {
  description:
    "Receipts of the commands that had a --command-id. They say what was answered, and hold no content of cards.",
  summary: "Receipts of commands with an id",
  examples: [{ command: "backlog receipts prune --older-than-days 30" }]
})
