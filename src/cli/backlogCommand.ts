import { Command } from "effect/cli"
import { anchor } from "./commands/anchor.ts"
import { claim } from "./commands/claim.ts"
import { complete } from "./commands/complete.ts"
import { consumers } from "./commands/consumers.ts"
import { create } from "./commands/create.ts"
import { doctor } from "./commands/doctor.ts"
import { erasures } from "./commands/erasures.ts"
import { events } from "./commands/events.ts"
import { explain } from "./commands/explain.ts"
import { exportCommand } from "./commands/export.ts"
import { history } from "./commands/history.ts"
import { importCommand } from "./commands/import.ts"
import { link, unlink } from "./commands/link.ts"
import { list } from "./commands/list.ts"
import { mcp } from "./commands/mcp.ts"
import { migrate } from "./commands/migrate.ts"
import { rebuild } from "./commands/rebuild.ts"
import { receipts } from "./commands/receipts.ts"
import { reclaim } from "./commands/reclaim.ts"
import { redact } from "./commands/redact.ts"
import { release } from "./commands/release.ts"
import { renew } from "./commands/renew.ts"
import { restored } from "./commands/restored.ts"
import { revise } from "./commands/revise.ts"
import { serve } from "./commands/serve.ts"
import { show } from "./commands/show.ts"
import { stats } from "./commands/stats.ts"
import { block, reopen, unblock } from "./commands/status.ts"
import { token } from "./commands/token.ts"
import { verify } from "./commands/verify.ts"
import { watch } from "./commands/watch.ts"
import { work } from "./commands/work.ts"
import { Actor, Db, Json, SchemaFlag } from "./globals.ts"

/** The command `backlog` with all that it can do. */
export const backlogCommand = Command.make("backlog").pipe(
  Command.withDescription(
    "The backlog of record for many workers: cards with priorities and dependencies, claimed under a lease."
  ),
  Command.withSubcommands([
    { group: "Cards", commands: [create, revise, show, list, explain, stats, history, watch] },
    { group: "Work", commands: [work, claim, renew, release, complete, reclaim] },
    { group: "Order", commands: [link, unlink, block, unblock, reopen] },
    { group: "Audit", commands: [events, verify, anchor, rebuild, redact, erasures, consumers] },
    {
      group: "Backlog",
      commands: [serve, mcp, importCommand, exportCommand, restored, receipts, migrate, token, doctor]
    }
  ]),
  Command.withGlobalFlags([Db, SchemaFlag, Actor, Json]),
  Command.withExamples([
    { command: 'backlog create --id design --title "Design it"' },
    { command: "backlog list --ready" },
    { command: "backlog claim --owner worker-1", description: "The answer has the claim's token" },
    { command: "backlog complete design --token 2" },
    { command: "backlog stats --json --db postgres://me@localhost/work", description: "On a server, for a program" }
  ])
)
