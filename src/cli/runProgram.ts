import { Exit, Runtime } from "effect"
import { setFlagsFromString } from "node:v8"
import { exitCodes } from "./exitCodes.ts"
import { makeProcessIO } from "./ProcessIO.ts"
import { run } from "./run.ts"

// V8 optimizes functions of the embedded engine on all processors after they have run for some milliseconds. A command that
// soon ends only waits for them. A function that keeps running is still optimized, after half a second.
const longCommands = new Set(["serve", "work", "mcp", "watch"])
if (!process.argv.some((argument) => longCommands.has(argument))) setFlagsFromString("--wasm-tiering-budget=1000000000")

/** Signals that end a process by default. */
const terminatingSignals = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGALRM", "SIGUSR2", "SIGXCPU"] as const

/** A terminal that closes sends SIGHUP several times at once: how long further ones are ignored, in milliseconds. */
const hangUpMillis = 1000

let shutdownOptions = { timeoutMillis: 1000, exitCode: exitCodes.interrupted as number }
let interruptedAt: number | undefined

/**
 * Shuts down in order after the first signal: `interrupt` releases a directory, the cards of a worker and a transaction. Work
 * that does not stop, such as waiting for a server, is aborted after the timeout, or by a second signal. Nothing is lost by
 * that.
 */
const shutDownAfterSignals = (interrupt: () => void): void => {
  for (const signal of terminatingSignals) {
    process.on(signal, () => {
      const now = performance.now()
      if (interruptedAt === undefined) {
        interruptedAt = now
        setTimeout(() => process.exit(exitCodes.interrupted), shutdownOptions.timeoutMillis).unref()
        interrupt()
      } else if (signal !== "SIGHUP" || now - interruptedAt > hangUpMillis) {
        process.exit(exitCodes.interrupted)
      }
    })
  }
}

/** Milliseconds to flush output after the database became unavailable. */
const flushMillis = 2_000

const end = (exit: Exit.Exit<unknown, unknown>): void => {
  const code = Exit.isSuccess(exit) ? Number(exit.value) : shutdownOptions.exitCode
  process.exitCode = code
  if (interruptedAt !== undefined) process.exit(code === exitCodes.done ? code : exitCodes.interrupted)
  // Without this, Node waits for what V8 still compiles.
  if (process.stdout.writableLength === 0 && process.stderr.writableLength === 0) process.exit(code)
  // Unwritten output keeps the process alive. An abandoned embedded engine leaves timers, and an agent's standard input
  // stays open.
  if (code === exitCodes.unavailable) setTimeout(() => process.exit(code), flushMillis).unref()
}

const io = makeProcessIO((how) => {
  shutdownOptions = how
})

/** Runs the command line of this process, until it ends. */
export const runProgram = (): void => {
  const runMain = Runtime.makeRunMain(({ fiber }) => {
    fiber.addObserver(end)
    shutDownAfterSignals(() => fiber.interruptUnsafe(fiber.id))
  })
  runMain(run(process.argv.slice(2), io), { disableErrorReporting: true })
}
