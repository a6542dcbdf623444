import { Cause, Effect, Exit, Fiber } from "effect"
import { layerPglite } from "../../index.ts"
import { serve } from "../../http/index.ts"
import { temporaryDirectory } from "../temporaryDirectory.ts"
import { createPlan, runTeam } from "./team.ts"

/** Options of `runBoard`. */
interface BoardOptions {
  /** Time that the team works, in minutes. */
  readonly minutes: number
  /** Port to listen on. `undefined` means 4010, or a free port if it is in use. */
  readonly port: number | undefined
}

const say = (line: string) => Effect.sync(() => console.log(line))

/** Pages of this server may send commands: the backlog is temporary, so there is nothing to protect. */
const start = (port: number | undefined) => serve({ port, board: "write" })

const demo = Effect.fnUntraced(function* ({ minutes, port }: BoardOptions) {
  yield* say("Creating a backlog in a temporary directory …")
  return yield* Effect.gen(function* () {
    yield* createPlan
    const { board, url } = yield* port === undefined
      ? Effect.catchTag(start(undefined), "ListenFailed", () => start(0))
      : start(port)
    yield* say(
      board === undefined
        ? `The backlog is served at ${url}. This installation has no board; ${url}/docs describes the API.`
        : `The board is at ${board}`
    )
    yield* say(`A simulated team works for ${minutes} ${minutes === 1 ? "minute" : "minutes"}. Ctrl-C ends the demo.`)
    yield* Effect.timeoutOption(runTeam, minutes * 60_000)
    yield* say("The team has finished for today. The board is served until you press Ctrl-C.")
    return yield* Effect.never
  }).pipe(Effect.provide(layerPglite({ dataDir: yield* temporaryDirectory })))
}, Effect.scoped)

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const

/** Serves the board of a temporary backlog until a signal ends the program, and returns the exit code. */
export const runBoard = async (options: BoardOptions): Promise<number> => {
  const fiber = Effect.runFork(demo(options))
  // A second signal ends the program at once.
  for (const signal of signals) process.once(signal, () => fiber.interruptUnsafe())
  const exit = await Effect.runPromise(Fiber.await(fiber))
  if (Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause)) return 0
  console.error(Cause.pretty(exit.cause))
  return 1
}
