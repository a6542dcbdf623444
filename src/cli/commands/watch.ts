import { Duration, Effect, Stream } from "effect"
import { InvalidInput, PollInterval } from "../../index.ts"
import { boardNow, boards, encodeBoard, saysTheSame } from "../board.ts"
import { describeBoard } from "../describeBoard.ts"
import { whole } from "../flags.ts"
import { onWholeScreen } from "../fullScreen.ts"
import { Json } from "../globals.ts"
import { Host } from "../Host.ts"
import { pageOf } from "../Page.ts"
import { reply, type StreamedReply } from "../Reply.ts"
import { answerInBacklog, documented } from "../verb.ts"
import { Command } from "effect/cli"

const longestInterval = 3600

export const watch = documented(
  Command.make(
    "watch",
    { interval: whole("interval", "How often to look without news, in seconds (default: 2)", "SECONDS") },
    Effect.fnUntraced(function* ({ interval = 2 }) {
      if (interval < 1 || interval > longestInterval) {
        return yield* new InvalidInput({ problem: `--interval takes 1 to ${longestInterval} seconds` })
      }
      const every = Duration.seconds(interval)
      const host = yield* Host
      const goesOn = (yield* Json) || host.stdout.isTerminal
      yield* Effect.provideService(
        answerInBacklog(goesOn ? Effect.succeed(live(host, every)) : once),
        PollInterval,
        every
      )
    })
  ),
  {
    about:
      "Shows the backlog as it is and as it changes: the counts, who holds what for how long, what would be claimed next, and what happened last. On a terminal until it is interrupted; where standard output is none, once. With --json each change is a document on a line of its own, the first at once.",
    brief: "Watch the backlog change",
    examples: [
      { command: "backlog watch" },
      { command: "backlog watch --interval 10 --json", description: "A document for each change" },
      { command: "backlog watch | cat", description: "The board as it is now" }
    ]
  }
)

const once = Effect.map(boardNow, (board) =>
  reply(
    () => encodeBoard(board),
    (page) => describeBoard(board, page).join("\n")
  )
)

const live = (host: Host["Service"], interval: Duration.Duration) => {
  const all = boards(interval)
  return {
    items: Stream.map(Stream.changesWith(all, saysTheSame), encodeBoard),
    documents: "each",
    text: () =>
      onWholeScreen(
        host,
        // As large as the terminal is now, whatever it was when this began.
        Stream.map(all, (board) => describeBoard(board, pageOf(host.stdout, host.env), host.stdout.size().rows))
      )
  } satisfies StreamedReply<Stream.Error<typeof all>, Stream.Services<typeof all>>
}
