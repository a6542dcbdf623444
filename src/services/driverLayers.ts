import { PgClient } from "@effect/sql-pg"
import { Context, Effect, Layer, Option } from "effect"
import { SqlClient } from "effect/sql"
import { commitChannel, CommitListener } from "../events/CommitListener.ts"
import { EventLog } from "../events/EventLog.ts"
import { ReadBarrier, ReadGate } from "../events/ReadGate.ts"
import { BatchTransaction, inSession } from "./commands/BatchTransaction.ts"
import { hasOneSession } from "./hasOneSession.ts"
import { subscribe } from "./postgres/ConnectionMonitor.ts"
import { barrier, type Durability, makeDurability } from "./postgres/Durability.ts"
import { makeSessionTransactions } from "./postgres/sessionTransactions.ts"
import { makePipelinedTransactions } from "./postgres/pipelinedTransactions.ts"
import { listenForCommits } from "./waiting/CommitNotifications.ts"
import { BacklogSchema } from "../sql/SchemaName.ts"

/*
 * What differs between a server and an embedded database. Everything else of the services uses `SqlClient` and knows no
 * driver.
 */

/** The durability of the program's server. `undefined` for an embedded database, whose commits no other process can see early. */
class ServerDurability extends Context.Service<ServerDurability, Durability | undefined>()(
  "mosaic-backlog/services/ServerDurability"
) {
  /** The client's own, which knows the server of each of its connections, or one for a client of the caller. */
  static readonly layer: Layer.Layer<ServerDurability> = Layer.effect(
    ServerDurability,
    Effect.gen(function* () {
      const client = Option.getOrUndefined(yield* Effect.serviceOption(PgClient.PgClient))
      if (client === undefined || hasOneSession(client)) return undefined
      const { durability } = client.config as { readonly durability?: Durability }
      return durability ?? (yield* makeDurability(client.config))
    })
  )
}

/** Batches run in pipelined transactions on a server, and in the only session of an embedded database. */
export const layerBatchTransaction: Layer.Layer<BatchTransaction, never, SqlClient.SqlClient> = Layer.effect(
  BatchTransaction,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const client = Option.getOrUndefined(yield* Effect.serviceOption(PgClient.PgClient))
    const durability = yield* ServerDurability
    if (client === undefined) return BatchTransaction.make(sql, inSession(sql))
    if (durability === undefined) return BatchTransaction.make(sql, makeSessionTransactions(sql))
    const own = yield* makePipelinedTransactions(sql, client.config, durability)
    return BatchTransaction.make(sql, own, () => (durability.isPermitted() ? barrier : undefined))
  })
).pipe(Layer.provide(ServerDurability.layer))

/** Reads of a server show what is durable. A barrier that the context has takes precedence. */
const layerReadBarrier: Layer.Layer<never, never, SqlClient.SqlClient> = Layer.effect(
  ReadBarrier,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const given = yield* ReadBarrier
    const durability = yield* ServerDurability
    if (given !== undefined || durability === undefined) return given
    return {
      reached: durability.reached,
      epoch: durability.epoch,
      await: (position, epoch) =>
        Effect.withFiber((fiber) => {
          // The end of the log in an open transaction is its own. No barrier makes it durable before it commits.
          const isOwn = Context.getOrUndefined(fiber.context, sql.transactionService) !== undefined
          return durability.await(isOwn ? 0 : position, epoch)
        })
    }
  })
).pipe(Layer.provide(ServerDurability.layer))

/** The read gate. On a server it opens for what is durable. */
export const layerReadGate = ReadGate.layer.pipe(Layer.provide(layerReadBarrier))

/** The read gate of services that read no events. The log is their own, because it has no commit notifications. */
export const layerReadGateAlone = Layer.provide(Layer.fresh(layerReadGate), Layer.fresh(EventLog.layer))

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
