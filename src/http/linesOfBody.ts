import { Effect, Option, Stream } from "effect"
import type { SqlError } from "effect/sql"
import { stillValid } from "./Authority.ts"
import type { Unauthorized } from "./access/problems.ts"
import { type Line, readLinePages } from "../import/readLines.ts"
import { InvalidInput } from "../index.ts"

/** How often the sender is checked while its next lines are on their way. */
const checkEvery = "1 second"

/**
 * The lines of a body, as they come. Fails when the sender's token is not valid any more: after each page, while the next
 * one is on its way, and when the last line has come. The checks run where the lines are taken, so that they read in the
 * transaction that is open there: an embedded database has no other session for them.
 */
export const linesOfBody = (
  body: Stream.Stream<Uint8Array, unknown>
): Stream.Stream<Line, InvalidInput | Unauthorized | SqlError.SqlError> =>
  Stream.suspend(() => {
    const pages = readLinePages(Stream.toAsyncIterable(body))
    const next = Effect.suspend(() => {
      const promise = pages.next()
      const page = Effect.tryPromise({ try: () => promise, catch: () => brokenOff })
      const checked: Effect.Effect<
        Effect.Success<typeof page>,
        InvalidInput | Unauthorized | SqlError.SqlError
      > = Effect.flatMap(
        Effect.timeoutOption(page, checkEvery),
        Option.match({
          onNone: () => Effect.andThen(stillValid, checked),
          onSome: (result) => Effect.as(stillValid, result)
        })
      )
      return checked
    })
    return Stream.paginate(undefined, () =>
      Effect.map(next, ({ done, value }) =>
        done === true ? [[], Option.none()] : [value as ReadonlyArray<Line>, Option.some(undefined)]
      )
    ).pipe(
      // Not waited for: it would wait for lines that are not read any more.
      Stream.ensuring(
        Effect.sync(() => {
          void pages.return(undefined)
        })
      )
    )
  })

const brokenOff = new InvalidInput({ problem: "the body broke off" })
