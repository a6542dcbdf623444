import type { PgClient } from "@effect/sql-pg"
import type { Duplex } from "node:stream"

/** Streams that lead to a server, and to no embedded database. */
const toServers = new WeakSet<() => Duplex>()

/** Marks a stream as one that leads to a server. */
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
