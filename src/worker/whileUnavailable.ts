import { Effect, Random } from "effect"
import { SqlError } from "effect/sql"
import { directoryLostIn } from "../services/files/directoryErrors.ts"
import { databaseErrorKind } from "../sql/databaseErrors.ts"
import type { WorkerEvent } from "./WorkerEvent.ts"

const firstPauseMillis = 200
const longestPauseMillis = 10_000

/**
 * Tries again as long as the database does not answer, less and less often. What it refuses is not tried again, and an
 * embedded directory that was lost never answers again.
 */
export const whileUnavailable = Effect.fnUntraced(function* <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  tell: (event: WorkerEvent) => Effect.Effect<void>
): Effect.fn.Return<A, E, R> {
  for (let pause = firstPauseMillis; ; pause = Math.min(pause * 2, longestPauseMillis)) {
    const tried = yield* Effect.result(effect)
    if (tried._tag === "Success") return tried.success
    const error = tried.failure
    if (
      !SqlError.isSqlError(error) ||
      databaseErrorKind(error) !== "unavailable" ||
      directoryLostIn(error) !== undefined
    ) {
      return yield* Effect.fail(error)
    }
    const retryAfterMillis = Math.ceil(pause * (yield* Random.nextBetween(0.5, 1)))
    yield* tell({ _tag: "Trouble", error, retryAfterMillis })
    yield* Effect.sleep(retryAfterMillis)
  }
})
