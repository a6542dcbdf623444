import { PgClient } from "@effect/sql-pg"
import { Effect, Option } from "effect"
import type { Duplex } from "node:stream"

/** Streams that connect to a server, not to an embedded database. */
const toServers = new WeakSet<() => Duplex>()

/** Marks a stream as one that connects to a server. */
export const serverStream = (open: () => Duplex): (() => Duplex) => {
  toServers.add(open)
  return open
}

/**
 * Whether a client has a single session for everything: an embedded database, which a client reaches by a stream. On a
 * server a client opens as many connections as it needs.
 */
export const hasOneSession = ({ config: { stream } }: PgClient.PgClient): boolean =>
  stream !== undefined && !toServers.has(stream)

/** Whether the program's client is one of an embedded database. `false` without a Postgres client. */
export const isEmbeddedDatabase: Effect.Effect<boolean> = Effect.map(
  Effect.serviceOption(PgClient.PgClient),
  (client) => Option.exists(client, hasOneSession)
)
