import { Effect } from "effect"
import { Command } from "effect/cli"
import { ProcessIO } from "../ProcessIO.ts"
import { makeOutput, print, render } from "../CommandOutput.ts"
import { formatDuration } from "../moments.ts"
import { makeShellHandler, killAfterSeconds } from "../shellHandler.ts"
import { withConcurrentBacklog } from "../database.ts"
import { exitCodes } from "../failure.ts"
import { claimFilterFlags, currentActor, requiredTextFlag, switchFlag, integerFlag } from "../flags.ts"
import { layerLogging } from "../logging.ts"
import { escapeLine } from "../terminalText.ts"
import { withHelp } from "../defineCommand.ts"
import { type Card, InvalidInput, withoutSecrets } from "../../index.ts"
import { databaseErrorText } from "../../sql/databaseErrors.ts"
import { decodeWorkerOptions } from "../../worker/WorkerOptions.ts"
import { Worker, type WorkerEvent, type WorkerReport } from "../../worker/index.ts"

const defaultGracePeriodSeconds = 10

/** What ending takes beside the grace period: the last tries to tell the database, and closing it. */
const shutdownSeconds = 10

export const workCommand = withHelp(
  Command.make(
    "work",
    {
      owner: requiredTextFlag("owner", "Who works; each process has a name of its own", "OWNER"),
      exec: requiredTextFlag("exec", "The command for each card, given to the shell", "COMMAND"),
      ...claimFilterFlags,
      concurrency: integerFlag("concurrency", "How many cards are worked on at the same time (default: 1)"),
      prefetch: integerFlag("prefetch", "How many more cards are claimed ahead (default: 0)"),
      ttlSeconds: integerFlag("ttl", "How long a claim lasts that is not renewed (default: 300)", "SECONDS"),
      maxAttempts: integerFlag("max-attempts", "After how many attempts that fail a card is blocked (default: 5)"),
      retryAfterSeconds: integerFlag(
        "retry-after",
        "After how long a card is tried again; twice as long after each failure (default: 10)",
        "SECONDS"
      ),
      gracePeriodSeconds: integerFlag(
        "grace-period",
        "Seconds that commands may continue after an interrupt. Defaults to 10",
        "SECONDS"
      ),
      maxCards: integerFlag("max-cards", "End after so many claims"),
      untilEmpty: switchFlag("until-empty", "End when nothing is left that could come to be claimable")
    },
    Effect.fnUntraced(function* ({ exec, gracePeriodSeconds = defaultGracePeriodSeconds, ...flags }) {
      if (exec.trim() === "") return yield* new InvalidInput({ problem: "--exec is empty: it takes a command" })
      if (exec.includes("\u0000")) return yield* new InvalidInput({ problem: "--exec has a NUL character in it" })
      if (gracePeriodSeconds < 0 || gracePeriodSeconds > 86_400) {
        return yield* new InvalidInput({ problem: "--grace-period takes 0 to 86400 seconds" })
      }
      const io = yield* ProcessIO
      const options = {
        ...flags,
        actor: yield* currentActor,
        gracePeriodSeconds,
        handler: makeShellHandler(exec, io),
        onEvent: (event: Parameters<typeof describeWorkerEvent>[0]) =>
          Effect.sync(() => io.stderr.write(`${describeWorkerEvent(event)}\n`))
      }
      yield* decodeWorkerOptions(options)
      io.onInterrupt({
        timeoutMillis: (gracePeriodSeconds + killAfterSeconds + shutdownSeconds) * 1000,
        exitCode: exitCodes.done
      })
      const report = yield* withConcurrentBacklog(
        Effect.provide(withoutSecrets(Worker.run(options)), layerLogging(io.stderr))
      )
      yield* print(
        yield* render(
          makeOutput(
            () => report,
            () => describeReport(report)
          )
        )
      )
    })
  ),
  {
    description:
      "Works on cards, one after the other or several at a time: claims each, runs a command with it while the claim is renewed, and completes it when the command ends with 0. The card is the command's standard input, as JSON, and is in its environment as BACKLOG_CARD_ID, BACKLOG_CARD_TITLE, BACKLOG_CLAIM_TOKEN and others; what it prints is the card's result. When it ends otherwise the card is tried again later, and blocked after the last attempt. Waits for cards until it is interrupted; what happens is told on standard error.",
    summary: "Work on cards with a command",
    examples: [
      { command: "backlog work --owner worker-1 --exec './build.sh \"$BACKLOG_CARD_ID\"'" },
      {
        command: "backlog work --owner worker-1 --phase test --concurrency 4 --until-empty --exec 'npm test'",
        description: "Four at a time, of one phase, and no longer than there are any"
      }
    ]
  }
)

const describeReport = ({ blocked, claimed, completed, failed, released, lost }: WorkerReport): string => {
  const became = [
    [completed, "completed"],
    [failed, "to be tried again"],
    [blocked, "blocked"],
    [lost, "lost"],
    [released, "given back"]
  ] as const
  const listed = became.flatMap(([count, what]) => (count > 0 ? `${count} ${what}` : []))
  return `Claimed ${claimed}${listed.length === 0 ? "." : `: ${listed.join(", ")}.`}`
}

/** What happens while a worker works, in a line. */
const describeWorkerEvent = (event: WorkerEvent): string => {
  if (event._tag === "Stopping") return "Ending: no more cards are begun with, and those at work may go on for a while."
  if (event._tag === "Unavailable") {
    return `The database cannot be asked, and is asked again in ${formatDuration(event.retryAfterMillis / 1000)}: ${escapeLine(databaseErrorText(event.error))}`
  }
  return `${escapeLine(event.card.id)}  ${describeOutcome(event)}`
}

const describeOutcome = (event: Extract<WorkerEvent, { readonly card: Card }>): string => {
  switch (event._tag) {
    case "Claimed":
      return `claimed, attempt ${event.card.attempts}`
    case "Completed":
      return event.madeClaimable.length === 0
        ? "completed"
        : `completed, now claimable: ${event.madeClaimable.map(escapeLine).join(", ")}`
    case "Failed":
      return `to be tried again in ${formatDuration(event.retryAfterSeconds)}. ${escapeLine(event.reason)}`
    case "Blocked":
      return `blocked. ${escapeLine(event.reason)}`
    case "Lost":
      return `lost: ${escapeLine(event.reason)}`
    case "Released":
      return `given back. ${escapeLine(event.reason)}`
  }
}
