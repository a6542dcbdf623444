import { PgClient } from "@effect/sql-pg"
import { Effect, Layer, Option, Queue } from "effect"
import { commitChannel, CommitListener } from "../events/CommitListener.ts"
import { BacklogSchema } from "../events/SchemaName.ts"
import { hasOneSession } from "./hasOneSession.ts"

/** How long to wait before listening again when the connection broke. */
const pause = "1 second"

/**
 * Hears of commits by `LISTEN`, on a connection that is held only while somebody follows events. Not where that would
 * be the only one: a database in memory has one session, and nobody else who commits.
 */
export const layerCommitNotifications: Layer.Layer<never> = Layer.effect(
  CommitListener,
  Effect.gen(function* () {
    const client = yield* Effect.serviceOption(PgClient.PgClient)
    const schema = yield* BacklogSchema
    if (Option.isNone(client) || isTheOnlySession(client.value)) return none
    const { listen } = client.value
    return {
      listen: (ring: Effect.Effect<void>) =>
        Effect.gen(function* () {
          const notifications = yield* listen(commitChannel)
          // What was committed before this began to listen.
          yield* ring
          for (;;) {
            const { payload } = yield* Queue.take(notifications)
            if (payload === schema) yield* ring
          }
        }).pipe(
          Effect.scoped,
          Effect.catchCause((cause) => Effect.logDebug("Listening for commits is tried again.", cause)),
          Effect.andThen(Effect.sleep(pause)),
          Effect.forever,
          Effect.forkScoped,
          Effect.asVoid
        )
    }
  })
)

const none = { listen: () => Effect.void }

const isTheOnlySession = (client: PgClient.PgClient): boolean => {
  const { acquireForStream, maxConnections } = client.config as PgClient.PgPoolConfig & {
    /** Whether those who listen do so on connections beside the client's own. */
    readonly acquireForStream?: boolean
  }
  return acquireForStream !== true && (hasOneSession(client) || maxConnections === 1)
}
