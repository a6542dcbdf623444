import { Command } from "effect/cli"
import { blockCommand, reopenCommand, unblockCommand } from "./commands/block.ts"
import { claimCommand, reclaimCommand, releaseCommand, renewCommand } from "./commands/claim.ts"
import { completeCommand } from "./commands/complete.ts"
import { consumersCommand } from "./commands/consumers.ts"
import { createCommand, reviseCommand } from "./commands/create.ts"
import { diffCommand } from "./commands/diff.ts"
import { doctorCommand } from "./commands/doctor.ts"
import { eventsCommand, historyCommand } from "./commands/events.ts"
import { exportCommand } from "./commands/export.ts"
import { flowCommand } from "./commands/flow.ts"
import { importCommand } from "./commands/import.ts"
import { linkCommand, unlinkCommand } from "./commands/link.ts"
import { claimsCommand } from "./commands/claims.ts"
import { criticalPathCommand, depsCommand } from "./commands/deps.ts"
import { listCommand, searchCommand } from "./commands/list.ts"
import { migrateCommand, rebuildCommand, receiptsCommand, restoredCommand } from "./commands/maintenance.ts"
import { noteCommand, notesCommand } from "./commands/note.ts"
import { mcpCommand } from "./commands/mcp.ts"
import { anchorsCommand, verificationsCommand } from "./commands/observations.ts"
import { erasuresCommand, redactCommand } from "./commands/redact.ts"
import { serveCommand } from "./commands/serve.ts"
import { explainCommand, showCommand } from "./commands/show.ts"
import { statsCommand } from "./commands/stats.ts"
import { tokenCommand } from "./commands/token.ts"
import { anchorCommand, verifyCommand } from "./commands/verify.ts"
import { watchCommand } from "./commands/watch.ts"
import { workCommand } from "./commands/work.ts"
import { Actor, Db, Json, SchemaFlag } from "./flags.ts"

/** The command `backlog` with its subcommands and global flags. */
export const backlogCommand = Command.make("backlog").pipe(
  Command.withDescription(
    "A backlog of record for concurrent workers: cards with priorities and dependencies, claimed under a lease."
  ),
  Command.withSubcommands([
    {
      group: "Cards",
      commands: [
        createCommand,
        reviseCommand,
        showCommand,
        listCommand,
        searchCommand,
        noteCommand,
        notesCommand,
        explainCommand,
        statsCommand,
        flowCommand,
        historyCommand,
        watchCommand
      ]
    },
    {
      group: "Work",
      commands: [
        workCommand,
        claimCommand,
        claimsCommand,
        renewCommand,
        releaseCommand,
        completeCommand,
        reclaimCommand
      ]
    },
    {
      group: "Order",
      commands: [
        linkCommand,
        unlinkCommand,
        depsCommand,
        criticalPathCommand,
        blockCommand,
        unblockCommand,
        reopenCommand
      ]
    },
    {
      group: "Audit",
      commands: [
        eventsCommand,
        diffCommand,
        verifyCommand,
        verificationsCommand,
        anchorCommand,
        anchorsCommand,
        rebuildCommand,
        redactCommand,
        erasuresCommand,
        consumersCommand
      ]
    },
    {
      group: "Backlog",
      commands: [
        serveCommand,
        mcpCommand,
        importCommand,
        exportCommand,
        restoredCommand,
        receiptsCommand,
        migrateCommand,
        tokenCommand,
        doctorCommand
      ]
    }
  ]),
  Command.withGlobalFlags([Db, SchemaFlag, Actor, Json]),
  Command.withExamples([
    { command: 'backlog create --id design --title "Design it"' },
    { command: "backlog list --ready" },
    { command: 'backlog search "login error" --status ready' },
    { command: "backlog claim --owner worker-1", description: "Prints the claim's token" },
    { command: "backlog complete design --token 2" },
    { command: "backlog stats --json --db postgres://me@localhost/work", description: "On a server, as JSON" },
    {
      command: "backlog list --db https://backlog.example.com",
      description: "Over a served backlog, with the token in BACKLOG_TOKEN"
    }
  ])
)
