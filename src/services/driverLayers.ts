import { PgClient } from "@effect/sql-pg"
import { Effect, Layer, Option } from "effect"
import { SqlClient } from "effect/sql"
import { commitChannel, CommitListener } from "../events/CommitListener.ts"
import { EventLog } from "../events/EventLog.ts"
import { BatchTransaction, inSession } from "./commands/BatchTransaction.ts"
import { hasOneSession } from "./hasOneSession.ts"
import { subscribe } from "./postgres/ConnectionMonitor.ts"
import { barrier } from "./postgres/Durability.ts"
import { makeSessionTransactions } from "./postgres/sessionTransactions.ts"
import { makePipelinedTransactions } from "./postgres/pipelinedTransactions.ts"
import { BacklogDurability } from "./readGates.ts"
import { listenForCommits } from "./waiting/CommitNotifications.ts"
import { BacklogSchema } from "../sql/SchemaName.ts"

/*
 * The differences between a server and an embedded database. All other code of the services uses `SqlClient` and no driver.
 */

/** Batches run in pipelined transactions on a server, and in the only session of an embedded database. */
export const layerBatchTransaction: Layer.Layer<BatchTransaction, never, SqlClient.SqlClient> = Layer.effect(
  BatchTransaction,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const client = Option.getOrUndefined(yield* Effect.serviceOption(PgClient.PgClient))
    const durability = yield* BacklogDurability
    if (client === undefined) return BatchTransaction.make(sql, inSession(sql))
    if (durability === undefined) return BatchTransaction.make(sql, makeSessionTransactions(sql))
    const own = yield* makePipelinedTransactions(sql, client.config, durability)
    return BatchTransaction.make(sql, own, () => (durability.isPermitted() ? barrier : undefined))
  })
).pipe(Layer.provide(BacklogDurability.layer))

/**
 * Commit notifications arrive on a connection of their own, which is open only while something waits for commits. An
 * embedded database in memory has no other process that commits.
 */
const layerCommitListener: Layer.Layer<never> = Layer.effect(
  CommitListener,
  Effect.gen(function* () {
    const client = Option.getOrUndefined(yield* Effect.serviceOption(PgClient.PgClient))
    const schema = yield* BacklogSchema
    if (client === undefined) return { listen: () => Effect.void }
    if (!hasOneSession(client)) return listenForCommits(schema, subscribe(client.config, commitChannel))
    return listensOnOwnConnection(client)
      ? listenForCommits(schema, client.listen(commitChannel))
      : { listen: () => Effect.void }
  })
)

/** Whether the client of an embedded database listens without occupying its only session: a shared directory's does. */
const listensOnOwnConnection = ({ config }: PgClient.PgClient): boolean =>
  (config as { readonly acquireForStream?: boolean }).acquireForStream === true

/** The log with its commit notifications. One layer, so that services that are built together share one log. */
export const layerEventLog = EventLog.layer.pipe(Layer.provide(layerCommitListener))
