import { Effect } from "effect"
import { Command } from "effect/cli"
import { type Card, InvalidInput, withoutSecrets } from "../../index.ts"
import { databaseErrorText } from "../../sql/databaseErrors.ts"
import { Worker, type WorkerEvent, type WorkerReport } from "../../worker/index.ts"
import { decodeWorkerOptions } from "../../worker/WorkerOptions.ts"
import { ExecUnusable } from "../commandErrors.ts"
import { makeOutput, print, render } from "../CommandOutput.ts"
import { currentActor, requireServer } from "../currentActor.ts"
import { selectedBacklogVariables, withConcurrentBacklog } from "../database.ts"
import { withHelp } from "../defineCommand.ts"
import { exitCodes } from "../exitCodes.ts"
import { claimFilterFlags, integerFlag, requiredTextFlag, switchFlag } from "../flags.ts"
import { layerLogging } from "../logging.ts"
import { formatDuration } from "../moments.ts"
import { ProcessIO } from "../ProcessIO.ts"
import { killAfterSeconds } from "../runShellCommand.ts"
import { makeShellHandler } from "../shellHandler.ts"
import { escapeLine } from "../terminalText.ts"

const defaultGracePeriodSeconds = 10

/** Maximum seconds to record outcomes and close the database, in addition to the grace period. */
const shutdownSeconds = 10

export const workCommand = withHelp(
  Command.make(
    "work",
    {
      owner: requiredTextFlag("owner", "Owner of the claims, unique to each process", "OWNER"),
      exec: requiredTextFlag("exec", "Shell command to run for each card", "COMMAND"),
      ...claimFilterFlags,
      concurrency: integerFlag("concurrency", "Number of cards processed concurrently. Defaults to 1"),
      prefetch: integerFlag("prefetch", "Number of additional cards to claim ahead. Defaults to 0"),
      ttlSeconds: integerFlag("ttl", "Duration of each claim between renewals in seconds. Defaults to 300", "SECONDS"),
      maxAttempts: integerFlag(
        "max-attempts",
        "How many attempts at a card may fail before it is blocked. Defaults to 5"
      ),
      maxFailures: integerFlag(
        "max-failures",
        "End with an error when each of the first N cards failed within a second, or when the shell cannot run the first command. 0 disables both. Defaults to 5"
      ),
      retryAfterSeconds: integerFlag(
        "retry-after",
        "Seconds before the first retry. Doubles after each failure, up to 3600 or this value if it is more; the actual delay is random between half of it and all of it. Defaults to 10",
        "SECONDS"
      ),
      gracePeriodSeconds: integerFlag(
        "grace-period",
        "Seconds that running commands may continue after an interrupt. Defaults to 10",
        "SECONDS"
      ),
      maxCards: integerFlag("max-cards", "End after this number of claims. Defaults to no limit"),
      untilEmpty: switchFlag(
        "until-empty",
        "End when each card that matches the filter is done, is blocked, or waits for a card that is blocked, does not exist, or does not match"
      )
    },
    Effect.fnUntraced(function* ({ exec, gracePeriodSeconds = defaultGracePeriodSeconds, ...flags }) {
      if (exec.trim() === "") return yield* new InvalidInput({ problem: "--exec is empty: it takes a command" })
      if (exec.includes("\u0000")) return yield* new InvalidInput({ problem: "--exec contains a NUL character" })
      if (gracePeriodSeconds < 0 || gracePeriodSeconds > 86_400) {
        return yield* new InvalidInput({ problem: "--grace-period takes 0 to 86400 seconds" })
      }
      const io = yield* ProcessIO
      const actor = yield* currentActor
      const env = { ...(yield* selectedBacklogVariables), BACKLOG_ACTOR: actor }
      const options = {
        ...flags,
        actor,
        gracePeriodSeconds,
        handler: makeShellHandler(exec, { env, io, stopsWorker: flags.maxFailures !== 0 }),
        onEvent: (event: Parameters<typeof describeWorkerEvent>[0]) =>
          Effect.sync(() => io.stderr.write(`${describeWorkerEvent(event)}\n`))
      }
      yield* decodeWorkerOptions(options)
      yield* requireServer
      io.onInterrupt({
        timeoutMillis: (gracePeriodSeconds + killAfterSeconds + shutdownSeconds) * 1000,
        exitCode: exitCodes.done
      })
      const report = yield* withConcurrentBacklog(
        Effect.provide(withoutSecrets(Worker.run(options)), layerLogging(io.stderr)).pipe(
          Effect.catchTag("HandlerUnusable", ({ reason }) => new ExecUnusable({ reason }))
        )
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
      "Processes cards, one at a time or concurrently. For each card it claims the card, runs a shell command while renewing the claim, and completes the card if the command exits with code 0. The command gets the card as JSON on standard input and in environment variables (BACKLOG_CARD_ID, BACKLOG_CARD_TITLE, BACKLOG_CLAIM_TOKEN and others), a `backlog` in it finds the same backlog and actor, and its standard output becomes the card's result. If the command fails, the card is retried later, and blocked after the last attempt. If the command cannot be run at all, the worker ends with an error. Waits for cards until it is interrupted. Logs to standard error.",
    summary: "Run a command for each card",
    examples: [
      { command: "backlog work --owner worker-1 --exec './build.sh \"$BACKLOG_CARD_ID\"'" },
      {
        command: "backlog work --owner worker-1 --phase test --concurrency 4 --until-empty --exec 'npm test'",
        description: "Four at a time, in one phase, until none is left"
      }
    ]
  }
)

const describeReport = ({ blocked, claimed, completed, failed, released, lost }: WorkerReport): string => {
  const became = [
    [completed, "completed"],
    [failed, "to be retried"],
    [blocked, "blocked"],
    [lost, "lost"],
    [released, "released"]
  ] as const
  const listed = became.flatMap(([count, what]) => (count > 0 ? `${count} ${what}` : []))
  return `Claimed ${claimed}${listed.length === 0 ? "." : `: ${listed.join(", ")}.`}`
}

/** Describes a worker's event in one line. */
const describeWorkerEvent = (event: WorkerEvent): string => {
  if (event._tag === "Stopping")
    return "Ending: no more cards are started, and running ones may finish within the grace period."
  if (event._tag === "Unavailable") {
    const { error } = event
    const [what, problem] =
      error._tag === "SqlError" ? ["database", databaseErrorText(error)] : ["server", error.message]
    return `The ${what} is unavailable, retrying in ${formatDuration(event.retryAfterMillis / 1000)}: ${escapeLine(problem)}`
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
      return `failed, to be retried in ${formatDuration(event.retryAfterSeconds)}. ${escapeLine(event.reason)}`
    case "Blocked":
      return `blocked. ${escapeLine(event.reason)}`
    case "Lost":
      return `lost: ${escapeLine(event.reason)}`
    case "Released":
      return `released. ${escapeLine(event.reason)}`
  }
}
