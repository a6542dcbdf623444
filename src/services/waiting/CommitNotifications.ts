import { PgClient, PgConnection } from "@effect/sql-pg"
import { Cause, Duration, Effect, Layer, Option, Queue } from "effect"
import type { SqlError } from "effect/sql"
import { commitChannel, CommitListener } from "../../events/CommitListener.ts"
import { sanitizeCause } from "../../sql/sanitize.ts"
import { hasOneSession } from "../hasOneSession.ts"
import { ConnectionMonitor } from "../postgres/ConnectionMonitor.ts"
import { BacklogSchema } from "../../sql/SchemaName.ts"
import { readOnlySqlState } from "../../sql/databaseErrors.ts"

/** How long to wait before listening again when the connection broke. */
const pause = Duration.seconds(1)

/** The same on a hot standby, which has no notifications until it becomes a primary. */
const standbyPause = Duration.seconds(15)

/**
 * How often a listening connection is asked for a sign of life, and for how many milliseconds that may take. With the
 * pause and a new connection, listening continues within 15 seconds of a connection's silent death.
 */
const heartbeat = "4 seconds"
const heartbeatMillis = 4_000

/**
 * Hears of commits by `LISTEN`, on a connection of its own that is open only while something waits for commits. An
 * embedded database in memory has one session, and no other process that commits.
 */
export const layerCommitNotifications: Layer.Layer<never> = Layer.effect(
  CommitListener,
  Effect.gen(function* () {
    const client = Option.getOrUndefined(yield* Effect.serviceOption(PgClient.PgClient))
    const schema = yield* BacklogSchema
    if (client === undefined) return none
    const isServer = !hasOneSession(client)
    if (!isServer && !listensBeside(client)) return none
    const listening = isServer ? listenWithHeartbeat(client.config) : client.listen(commitChannel)
    return {
      listen: (ring: Effect.Effect<void>) =>
        Effect.gen(function* () {
          const notifications = yield* listening
          // What was committed before this began to listen.
          yield* ring
          for (;;) {
            const { payload } = yield* Queue.take(notifications)
            if (payload === schema) yield* ring
          }
        }).pipe(
          Effect.scoped,
          Effect.as(pause),
          Effect.catchCause((cause) =>
            Effect.as(
              Effect.logDebug("Listening for commits is tried again.", sanitizeCause(cause)),
              isOfStandby(cause) ? standbyPause : pause
            )
          ),
          Effect.flatMap((duration) => Effect.sleep(duration)),
          Effect.forever,
          Effect.forkScoped,
          Effect.asVoid
        )
    }
  })
)

const none = { listen: () => Effect.void }

/** `LISTEN` counts as a write. */
const isOfStandby = (cause: Cause.Cause<SqlError.SqlError>): boolean =>
  Option.exists(Cause.findErrorOption(cause), ({ reason }) => {
    const { cause: of } = reason
    return typeof of === "object" && of !== null && "code" in of && of.code === readOnlySqlState
  })

/** The connection of a listener sends nothing, so only a statement shows whether the server is still there. */
const listenWithHeartbeat = Effect.fnUntraced(function* (config: PgConnection.Config) {
  const session = yield* Effect.flatMap(PgConnection.make(config), ({ pin }) => pin)
  const watch = ConnectionMonitor.of(session)
  const notifications = yield* watch.withTimeout(session.listen(commitChannel), heartbeatMillis)
  yield* Effect.sleep(heartbeat).pipe(
    // The queue of notifications fails with the connection.
    Effect.andThen(Effect.ignore(watch.withTimeout(session.query("SELECT 1", [], false), heartbeatMillis))),
    Effect.forever,
    Effect.forkScoped
  )
  return notifications
})

/** Whether those who listen do so on connections beside the client's own. */
const listensBeside = ({ config }: PgClient.PgClient): boolean =>
  (config as { readonly acquireForStream?: boolean }).acquireForStream === true
