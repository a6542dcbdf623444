import { Deferred, Effect, Exit, Option, type Scope } from "effect"
import type { BatchFailed } from "./BatchTransaction.ts"
import { databaseErrorText } from "../../sql/databaseErrors.ts"
import type { Interpreter } from "./Interpreter.ts"

/** How long a write may take before commands count as held up. */
const writeTimeout = "4 seconds"

/**
 * Why commands would not get through now; none when they do. Tries a write that leaves nothing behind, one at a time, and
 * waits for it for some seconds at most: it ends by itself, at the latest with its connection.
 */
export const makeCommandReadiness = Effect.fnUntraced(function* (
  interpreter: Interpreter["Service"]
): Effect.fn.Return<Effect.Effect<Option.Option<string>>, never, Scope.Scope> {
  const scope = yield* Effect.scope
  let trying: Deferred.Deferred<Exit.Exit<void, BatchFailed>> | undefined

  const tried = Effect.suspend(() => {
    if (trying !== undefined) return Deferred.await(trying)
    const result = Deferred.makeUnsafe<Exit.Exit<void, BatchFailed>>()
    trying = result
    const attempt = Effect.flatMap(Effect.exit(Effect.uninterruptible(interpreter.probe)), (exit) =>
      Effect.sync(() => {
        trying = undefined
        Deferred.doneUnsafe(result, Exit.succeed(exit))
      })
    )
    return Effect.andThen(Effect.forkIn(attempt, scope), Deferred.await(result))
  })

  return Effect.suspend(() => {
    const stuck = interpreter.stuckMillis()
    if (stuck !== undefined) {
      const seconds = Math.round(stuck / 1000)
      return Effect.succeedSome(`the database has not answered a batch of commands for ${seconds} seconds`)
    }
    return Effect.map(
      Effect.timeoutOption(tried, writeTimeout),
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
