import { Deferred, Effect, Exit, Option, type Scope } from "effect"
import type { BatchFailed } from "./BatchTransaction.ts"
import { databaseErrorText } from "../../sql/databaseErrors.ts"
import type { Interpreter } from "./Interpreter.ts"

/** Timeout of the write that a readiness check tries. */
const writeTimeout = "4 seconds"

/**
 * Makes the readiness check: returns why commands do not reach the database, or none. It commits a write that changes
 * nothing. Concurrent checks share one write. A write that takes longer than the timeout continues and is shared by later
 * checks.
 */
export const makeCommandReadiness = Effect.fnUntraced(function* (
  interpreter: Interpreter["Service"]
): Effect.fn.Return<Effect.Effect<Option.Option<string>>, never, Scope.Scope> {
  const scope = yield* Effect.scope
  let running: Deferred.Deferred<Exit.Exit<void, BatchFailed>> | undefined

  const sharedWrite = Effect.suspend(() => {
    if (running !== undefined) return Deferred.await(running)
    const result = Deferred.makeUnsafe<Exit.Exit<void, BatchFailed>>()
    running = result
    const attempt = Effect.flatMap(Effect.exit(Effect.uninterruptible(interpreter.probe)), (exit) =>
      Effect.sync(() => {
        running = undefined
        Deferred.doneUnsafe(result, Exit.succeed(exit))
      })
    )
    return Effect.andThen(Effect.forkIn(attempt, scope), Deferred.await(result))
  })

  return Effect.suspend(() => {
    const stuck = interpreter.stuckMillis()
    if (stuck !== undefined) {
      const seconds = Math.round(stuck / 1000)
      return Effect.succeedSome(`the database has not responded to a batch of commands for ${seconds} seconds`)
    }
    return Effect.map(
      Effect.timeoutOption(sharedWrite, writeTimeout),
      Option.match({
        onNone: () => Option.some(`the database has not committed a write within ${writeTimeout}`),
        onSome: (exit) => {
          if (Exit.isSuccess(exit)) return Option.none()
          const failed = Option.getOrUndefined(Exit.findErrorOption(exit))
          return Option.some(
            `the database refuses a write: ${failed === undefined ? "a defect" : databaseErrorText(failed.error)}`
          )
        }
      })
    )
  })
})
