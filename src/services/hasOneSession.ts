import type { PgClient } from "@effect/sql-pg"

/**
 * Whether a client has a single session for everything: an embedded database, which a client reaches by a stream. On a
 * server a client opens as many connections as it needs.
 */
export const hasOneSession = ({ config }: PgClient.PgClient): boolean => config.stream !== undefined
