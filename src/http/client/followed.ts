import { Effect, Result, Schedule, Stream } from "effect"
import type { EventOptions } from "../../index.ts"
import { typeName } from "../../services/audit/EventTypeFilter.ts"
import { longestElement } from "../api/streams.ts"
import { asked, isPassing, told } from "./asked.ts"
import type { Endpoints } from "./connect.ts"
import { brokenOff } from "./items.ts"
import { withoutUndefined } from "./withoutUndefined.ts"

/** How often in a row a stream that breaks off is begun again, without an event in between: for half a minute or so. */
const again = Schedule.upTo(Schedule.jittered(Schedule.exponential("100 millis")), { times: 8 })

/**
 * The events of a server. A stream that breaks off, or a server that ends and comes back, is asked again for what comes
 * after the last event: each comes once.
 */
export const followed = (endpoint: Endpoints["audit"]["events"], options: typeof EventOptions.Type) =>
  Stream.suspend(() => {
    const { follow = false } = options
    let after = options.after ?? 0
    const connection = Effect.suspend(() =>
      asked(
        endpoint({
          headers: {},
          query: withoutUndefined({
            ...options,
            type: options.type === undefined ? undefined : typeName(options.type),
            after,
            follow
          }),
          sseOptions: { maxEventSize: Number(longestElement) }
        }),
        false
      )
    )
    const events = Stream.unwrap(Effect.map(connection, Stream.mapError(told))).pipe(
      Stream.mapEffect((frame) => {
        if (frame.event === "problem") return Effect.fail(told(frame.data))
        after = frame.data.position
        return Effect.succeed(frame.data)
      })
    )
    return (follow ? Stream.concat(events, Stream.fail(brokenOff())) : events).pipe(
      Stream.map((event) => Result.succeed(event)),
      // What will not be otherwise in a moment is no reason to ask again.
      Stream.catch((error) => (isPassing(error) ? Stream.fail(error) : Stream.succeed(Result.fail(error)))),
      Stream.retry(again),
      Stream.mapEffect(Effect.fromResult)
    )
  })
