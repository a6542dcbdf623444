import { Duration, Effect, type Scope, Stream } from "effect"
import { Command } from "effect/cli"
import { InvalidInput, PollInterval } from "../../index.ts"
import { describeBoard, encodeBoard, isSameBoard, readBoard, watchBoard } from "../board.ts"
import { makeOutput, type StreamOutput } from "../CommandOutput.ts"
import { runInBacklog, withHelp } from "../defineCommand.ts"
import { integerFlag, Json } from "../flags.ts"
import { ProcessIO } from "../ProcessIO.ts"
import { textStyleOf } from "../terminalText.ts"

const maxIntervalSeconds = 3600

export const watchCommand = withHelp(
  Command.make(
    "watch",
    { interval: integerFlag("interval", "Maximum seconds between two updates. Defaults to 2", "SECONDS") },
    Effect.fnUntraced(function* ({ interval = 2 }) {
      if (interval < 1 || interval > maxIntervalSeconds) {
        return yield* new InvalidInput({ problem: `--interval takes 1 to ${maxIntervalSeconds} seconds` })
      }
      const every = Duration.seconds(interval)
      const io = yield* ProcessIO
      const isLive = (yield* Json) || io.stdout.isTerminal
      yield* Effect.provideService(
        runInBacklog(isLive ? Effect.succeed(showLive(io, every)) : showOnce),
        PollInterval,
        every
      )
    })
  ),
  {
    description:
      "Shows the backlog and its changes: the counts, the claimed cards with their holders, the cards that would be claimed next, and the latest events. On a terminal it runs until it is interrupted; otherwise it prints once. With --json it prints a document for each change, on its own line, beginning with the current state.",
    summary: "Watch the backlog",
    examples: [
      { command: "backlog watch" },
      { command: "backlog watch --interval 10 --json", description: "Prints a document for each change" },
      { command: "backlog watch | cat", description: "Prints the current board" }
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
        // Reads the size for each frame, because the terminal may be resized.
        Stream.map(all, (board) => describeBoard(board, textStyleOf(io.stdout, io.env), io.stdout.size().rows))
      )
  } satisfies StreamOutput<Stream.Error<typeof all>, Stream.Services<typeof all>>
}

/** Switches to the terminal's alternate screen, hides the cursor, and turns line wrapping off. */
const enterScreen = "\u001b[?1049h\u001b[?25l\u001b[?7l"

const leaveScreen = "\u001b[?7h\u001b[?25h\u001b[?1049l"

/** Uses the terminal's alternate screen until the scope closes or the process ends. */
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

/** Draws each frame in place of the previous one. Restores the screen when the stream ends. */
const showFullScreen = <E, R>(
  io: ProcessIO["Service"],
  frames: Stream.Stream<ReadonlyArray<string>, E, R>
): Stream.Stream<string, E, R> =>
  Stream.unwrap(
    Effect.as(
      useFullScreen(io),
      Stream.map(frames, (lines) => `\u001b[H${lines.map((line) => `${line}\u001b[K`).join("\r\n")}\u001b[J`)
    )
  )
