import { Effect, Schema } from "effect"
import { Command } from "effect/cli"
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
import { makeOutput, print, render } from "../CommandOutput.ts"
import { currentActor } from "../currentActor.ts"
import { withMigrations } from "../database.ts"
import { defineCommand, withHelp } from "../defineCommand.ts"
import { requiredDecimalFlag, textFlag } from "../flags.ts"
import { ProcessIO } from "../ProcessIO.ts"
import { clearProgressAfter, showProgress } from "../progress.ts"
import { escapeLine, type TextStyle } from "../terminalText.ts"
import { describeVerification, exitCodeOf } from "./verify.ts"

export const migrateCommand = withHelp(
  Command.make(
    "migrate",
    {
      owner: textFlag("owner-role", "Make this role the owner of the backlog", "ROLE"),
      writer: textFlag("writer-role", "Grant this role only what writers need", "ROLE"),
      auditor: textFlag("auditor-role", "Grant this role only read access", "ROLE")
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
      "Creates the backlog if it is missing, and applies missing migrations. create, import, serve and mcp do the same; all other commands refuse a backlog that is missing or not migrated. Use migrate to prepare the database ahead of time with a privileged user, and to share a backlog on a server between database roles with least privileges. The roles must exist.",
    summary: "Create or migrate the backlog",
    examples: [
      { command: "backlog migrate --db postgres://admin@db.example.com/work" },
      {
        command:
          "backlog migrate --owner-role backlog_owner --writer-role backlog_writer --auditor-role backlog_auditor",
        description: "Least privilege, run by a user that can change owners"
      }
    ]
  }
)

const describeMigrations = (applied: ReadonlyArray<AppliedMigration>, style: TextStyle): string => {
  const fresh = applied.filter((migration) => migration.isNew).length
  return [
    ...applied.map(
      ({ id, isNew, name }) => `${id}  ${name}  ${isNew ? style.green("applied now") : "already applied"}`
    ),
    fresh === 0 ? "No migrations were missing." : `Applied ${fresh} ${fresh === 1 ? "migration" : "migrations"}.`
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
      "Rebuilds the read model from the log, next to the live tables and while commands continue, then swaps the tables and verifies the backlog. Interrupting it at any point leaves the backlog unchanged. Exits with code 5 if the verification finds divergences, and with 6 if other transactions held the tables for too long.",
    summary: "Rebuild the read model from the log",
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
  }),
  { needsDatabase: true }
)

const encodeReport = Schema.encodeSync(VerifyReport)

const describeRebuild = (
  { cards, position, rounds, swapMillis, verification }: RebuildReport,
  style: TextStyle
): string =>
  [
    `Rebuilt ${cards === 1 ? "1 card" : `${cards} cards`} from the log, up to position ${position}.`,
    rounds === 0 ? "" : `It caught up with concurrent writes ${rounds === 1 ? "once" : `${rounds} times`}.`,
    `The swap delayed commands by ${Math.round(swapMillis)} ms.`,
    "",
    describeVerification(verification, style)
  ]
    .filter((line, index) => line !== "" || index === 3)
    .join("\n")

export const restoredCommand = defineCommand(
  "restored",
  {
    description:
      "Run this once after restoring the backlog from a backup, before workers continue. It begins a new generation of tokens and ends every active claim, so that a worker from before the restore gets ClaimLost instead of completing a card that another worker holds. Running it again ends the active claims again.",
    summary: "Invalidate claims and tokens after a restore",
    examples: [{ command: "backlog restored" }, { command: "backlog restored --json --actor ops" }]
  },
  {},
  Effect.fnUntraced(function* () {
    const input = yield* decodeRestored({ actor: yield* currentActor })
    return Effect.gen(function* () {
      const result = yield* (yield* AuditService).restored(input)
      return makeOutput(
        () => result,
        () => `New tokens have generation ${result.generation}. ${describeEndedClaims(result)}`
      )
    })
  }),
  { needsDatabase: true }
)

const decodeRestored = decodeInput(Restored)

/** Describes the claims that were ended. */
export const describeEndedClaims = ({ reclaimed }: Pick<RestoredBacklog, "reclaimed">): string =>
  reclaimed.length === 0
    ? "There were no active claims."
    : `Ended ${reclaimed.length === 1 ? "1 active claim" : `${reclaimed.length} active claims`}: ${reclaimed.map(escapeLine).join(", ")}.`

const prune = defineCommand(
  "prune",
  {
    description:
      "Removes receipts that are older than --older-than-days, and prints their number. A later retry runs as a new command: keep receipts for longer than any client retries.",
    summary: "Remove old receipts",
    examples: [
      { command: "backlog receipts prune --older-than-days 30" },
      { command: "backlog receipts prune --older-than-days 0.5", description: "Half a day" }
    ]
  },
  {
    olderThanDays: requiredDecimalFlag("older-than-days", "Minimum age of removed receipts in days, 0 or more", "DAYS")
  },
  Effect.fnUntraced(function* (input) {
    yield* decodePruneReceipts(input)
    return Effect.gen(function* () {
      const pruned = yield* (yield* AuditService).pruneReceipts(input)
      return makeOutput(
        () => ({ pruned }),
        () => (pruned === 1 ? "Removed 1 receipt." : `Removed ${pruned} receipts.`)
      )
    })
  })
)

const decodePruneReceipts = decodeInput(PruneReceipts)

export const receiptsCommand = withHelp(Command.make("receipts").pipe(Command.withSubcommands([prune])), {
  description:
    "Manages the receipts of commands with a --command-id. A receipt records what the command returned, without the contents of cards.",
  summary: "Manage receipts of commands with an id",
  examples: [{ command: "backlog receipts prune --older-than-days 30" }]
})
