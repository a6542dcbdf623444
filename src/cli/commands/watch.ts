import { Duration, Effect, type Scope, Stream } from "effect"
import { Command } from "effect/cli"
import { ProcessIO } from "../ProcessIO.ts"
import { makeOutput, type StreamOutput } from "../CommandOutput.ts"
import { readBoard, watchBoard, describeBoard, encodeBoard, isSameBoard } from "../board.ts"
import { Json, integerFlag } from "../flags.ts"
import { textStyleOf } from "../terminalText.ts"
import { runInBacklog, withHelp } from "../defineCommand.ts"
import { InvalidInput, PollInterval } from "../../index.ts"

const maxIntervalSeconds = 3600

export const watchCommand = withHelp(
  Command.make(
    "watch",
    { interval: integerFlag("interval", "How often to look without news, in seconds (default: 2)", "SECONDS") },
    Effect.fnUntraced(function* ({ interval = 2 }) {
      if (interval < 1 || interval > maxIntervalSeconds) {
        return yield* new InvalidInput({ problem: `--interval takes 1 to ${maxIntervalSeconds} seconds` })
      }
      const every = Duration.seconds(interval)
      const io = yield* ProcessIO
      const goesOn = (yield* Json) || io.stdout.isTerminal
      yield* Effect.provideService(
        runInBacklog(goesOn ? Effect.succeed(showLive(io, every)) : showOnce),
        PollInterval,
        every
      )
    })
  ),
  {
    description:
      "Shows the backlog as it is and as it changes: the counts, who holds what for how long, what would be claimed next, and what happened last. On a terminal until it is interrupted; where standard output is none, once. With --json each change is a document on a line of its own, the first at once.",
    summary: "Watch the backlog change",
    examples: [
      { command: "backlog watch" },
      { command: "backlog watch --interval 10 --json", description: "A document for each change" },
      { command: "backlog watch | cat", description: "The board as it is now" }
    ]
  }
)

const showOnce = Effect.map(readBoard, (board) =>
  makeOutput(
    () => encodeBoard(board),
    (style) => describeBoard(board, style).join("\n")
  )
)

const showLive = (io: ProcessIO["Service"], interval: Duration.Duration) => {
  const all = watchBoard(interval)
  return {
    items: Stream.map(Stream.changesWith(all, isSameBoard), encodeBoard),
    documents: "each",
    text: () =>
      showFullScreen(
        io,
        // As large as the terminal is now, whatever it was when this began.
        Stream.map(all, (board) => describeBoard(board, textStyleOf(io.stdout, io.env), io.stdout.size().rows))
      )
  } satisfies StreamOutput<Stream.Error<typeof all>, Stream.Services<typeof all>>
}

/** The other screen of a terminal, without a cursor, and with lines that are cut instead of broken. */
const enterScreen = "\u001b[?1049h\u001b[?25l\u001b[?7l"

const leaveScreen = "\u001b[?7h\u001b[?25h\u001b[?1049l"

/** Takes the terminal's whole screen until the scope is closed, or the process ends: then it is as it was. */
const useFullScreen = (io: ProcessIO["Service"]): Effect.Effect<void, never, Scope.Scope> =>
  Effect.asVoid(
    Effect.acquireRelease(
      Effect.sync(() => {
        const cancel = io.onExit(() => io.stdout.write(leaveScreen))
        io.stdout.write(enterScreen)
        return cancel
      }),
      (cancel) =>
        Effect.sync(() => {
          io.stdout.write(leaveScreen)
          cancel()
        })
    )
  )

/** Pictures of lines, each in place of the one before; nothing is left of them when the stream ends. */
const showFullScreen = <E, R>(
  io: ProcessIO["Service"],
  pictures: Stream.Stream<ReadonlyArray<string>, E, R>
): Stream.Stream<string, E, R> =>
  Stream.unwrap(
    Effect.as(
      useFullScreen(io),
      Stream.map(pictures, (lines) => `\u001b[H${lines.map((line) => `${line}\u001b[K`).join("\r\n")}\u001b[J`)
    )
  )
