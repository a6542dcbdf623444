import { Effect, type Scope, Stream } from "effect"
import type { Host } from "./Host.ts"

/** The other screen of a terminal, without a cursor, and with lines that are cut instead of broken. */
const enter = "\u001b[?1049h\u001b[?25l\u001b[?7l"
const leave = "\u001b[?7h\u001b[?25h\u001b[?1049l"

/** Takes the terminal's whole screen until the scope is closed, or the process ends: then it is as it was. */
const wholeScreen = (host: Host["Service"]): Effect.Effect<void, never, Scope.Scope> =>
  Effect.asVoid(
    Effect.acquireRelease(
      Effect.sync(() => {
        const cancel = host.atExit(() => host.stdout.write(leave))
        host.stdout.write(enter)
        return cancel
      }),
      (cancel) =>
        Effect.sync(() => {
          host.stdout.write(leave)
          cancel()
        })
    )
  )

/** Pictures of lines, each in place of the one before; nothing is left of them when the stream ends. */
export const onWholeScreen = <E, R>(
  host: Host["Service"],
  pictures: Stream.Stream<ReadonlyArray<string>, E, R>
): Stream.Stream<string, E, R> =>
  Stream.unwrap(
    Effect.as(
      wholeScreen(host),
      Stream.map(pictures, (lines) => `\u001b[H${lines.map((line) => `${line}\u001b[K`).join("\r\n")}\u001b[J`)
    )
  )
