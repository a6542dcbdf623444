import { Effect } from "effect"
import { Command } from "effect/cli"
import { InvalidInput, withoutSecrets } from "../../index.ts"
import { Worker, type WorkerReport } from "../../worker/index.ts"
import { decodeWorkerOptions } from "../../worker/WorkerOptions.ts"
import { choiceFlags } from "../choiceFlags.ts"
import { commandHandler, killAfterSeconds } from "../commandHandler.ts"
import { withBusyBacklog } from "../database.ts"
import { describeWorkerEvent } from "../describeWorkerEvent.ts"
import { exitCodes } from "../failure.ts"
import { requiredText, switchFlag, whole } from "../flags.ts"
import { currentActor } from "../globals.ts"
import { Host } from "../Host.ts"
import { layerLogging } from "../logging.ts"
import { reply } from "../Reply.ts"
import { documented, print, rendered } from "../verb.ts"

const defaultGraceSeconds = 10

/** What ending takes beside the grace period: the last tries to tell the database, and closing it. */
const endingSeconds = 10

export const work = documented(
  Command.make(
    "work",
    {
      owner: requiredText("owner", "Who works; each process has a name of its own", "OWNER"),
      exec: requiredText("exec", "The command for each card, given to the shell", "COMMAND"),
      ...choiceFlags,
      concurrency: whole("concurrency", "How many cards are worked on at the same time (default: 1)"),
      prefetch: whole("prefetch", "How many more cards are claimed ahead (default: 0)"),
      ttlSeconds: whole("ttl", "How long a claim lasts that is not renewed (default: 300)", "SECONDS"),
      maxAttempts: whole("max-attempts", "After how many attempts that fail a card is blocked (default: 5)"),
      retryAfterSeconds: whole(
        "retry-after",
        "After how long a card is tried again; twice as long after each failure (default: 10)",
        "SECONDS"
      ),
      grace: whole("grace", "How long commands may go on after an interrupt (default: 10)", "SECONDS"),
      maxCards: whole("max-cards", "End after so many claims"),
      untilEmpty: switchFlag("until-empty", "End when nothing is left that could come to be claimable")
    },
    Effect.fnUntraced(function* ({ exec, grace = defaultGraceSeconds, ...flags }) {
      if (exec.trim() === "") return yield* new InvalidInput({ problem: "--exec is empty: it takes a command" })
      if (exec.includes("\u0000")) return yield* new InvalidInput({ problem: "--exec has a NUL character in it" })
      if (grace < 0 || grace > 86_400) return yield* new InvalidInput({ problem: "--grace takes 0 to 86400 seconds" })
      const host = yield* Host
      const options = {
        ...flags,
        actor: yield* currentActor,
        gracePeriodSeconds: grace,
        handler: commandHandler(exec, host),
        onEvent: (event: Parameters<typeof describeWorkerEvent>[0]) =>
          Effect.sync(() => host.stderr.write(`${describeWorkerEvent(event)}\n`))
      }
      yield* decodeWorkerOptions(options)
      host.endsByInterrupt({
        patienceMillis: (grace + killAfterSeconds + endingSeconds) * 1000,
        exitCode: exitCodes.done
      })
      const report = yield* withBusyBacklog(
        Effect.provide(withoutSecrets(Worker.run(options)), layerLogging(host.stderr))
      )
      yield* print(
        yield* rendered(
          reply(
            () => report,
            () => describeReport(report)
          )
        )
      )
    })
  ),
  {
    about:
      "Works on cards, one after the other or several at a time: claims each, runs a command with it while the claim is renewed, and completes it when the command ends with 0. The card is the command's standard input, as JSON, and is in its environment as BACKLOG_CARD_ID, BACKLOG_CARD_TITLE, BACKLOG_CLAIM_TOKEN and others; what it prints is the card's result. When it ends otherwise the card is tried again later, and blocked after the last attempt. Waits for cards until it is interrupted; what happens is told on standard error.",
    brief: "Work on cards with a command",
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
