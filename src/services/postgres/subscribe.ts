import { PgConnection } from "@effect/sql-pg"
import { Effect } from "effect"
import type { Subscribe } from "../waiting/CommitNotifications.ts"
import { ConnectionMonitor } from "./ConnectionMonitor.ts"

/**
 * How often a listening connection is probed, and the timeout of the probe in milliseconds. Together with the delay before
 * the next subscription, listening continues within 15 seconds after a connection died without a sign.
 */
const heartbeat = "4 seconds"
const heartbeatMillis = 4_000

/**
 * Listens on a connection of its own. It only receives, so a broken one is detected only by statements, which it sends
 * regularly.
 */
export const subscribe = (config: PgConnection.Config, channel: string): Subscribe =>
  Effect.gen(function* () {
    const session = yield* Effect.flatMap(PgConnection.make(config), ({ pin }) => pin)
    const monitor = ConnectionMonitor.of(session)
    const notifications = yield* monitor.withTimeout(session.listen(channel), heartbeatMillis)
    yield* Effect.sleep(heartbeat).pipe(
      // The queue of notifications fails with the connection.
      Effect.andThen(Effect.ignore(monitor.withTimeout(session.query("SELECT 1", [], false), heartbeatMillis))),
      Effect.forever,
      Effect.forkScoped
    )
    return notifications
  })
