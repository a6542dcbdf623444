import type { PgClient } from "@effect/sql-pg"
import type { Duplex } from "node:stream"

/** Ways to a server that are no embedded database's. */
const toServers = new WeakSet<() => Duplex>()

/** Marks a stream as one that leads to a server. */
export const serverStream = (open: () => Duplex): (() => Duplex) => {
  toServers.add(open)
  return open
}

/** Whether a client's database is embedded, in this process or in another that holds its directory. */
export const isEmbedded = ({ stream }: Pick<PgClient.PgPoolConfig, "stream">): boolean =>
  stream !== undefined && !toServers.has(stream)
