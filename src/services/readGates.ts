import { PgClient } from "@effect/sql-pg"
import { Context, Effect, Layer, Option } from "effect"
import { SqlClient } from "effect/sql"
import { EventLog } from "../events/EventLog.ts"
import { ReadBarrier, ReadGate } from "../events/ReadGate.ts"
import { BacklogSchema } from "../sql/SchemaName.ts"
import { hasOneSession } from "./hasOneSession.ts"
import { type Durability, makeDurability, type ServerDurability } from "./postgres/Durability.ts"

/** The durability of the backlog on its server. `undefined` for an embedded database, whose commits no other process can see early. */
export class BacklogDurability extends Context.Service<BacklogDurability, Durability | undefined>()(
  "mosaic-backlog/services/BacklogDurability"
) {
  /** The client's own, which knows the server of each of its connections, or one for a client of the caller. */
  static readonly layer: Layer.Layer<BacklogDurability> = Layer.effect(
    BacklogDurability,
    Effect.gen(function* () {
      const client = Option.getOrUndefined(yield* Effect.serviceOption(PgClient.PgClient))
      if (client === undefined || hasOneSession(client)) return undefined
      const { durability } = client.config as { readonly durability?: ServerDurability }
      return (durability ?? (yield* makeDurability(client.config))).forBacklog(yield* BacklogSchema)
    })
  )
}

/** Reads of a server show what is durable. A barrier that the context has takes precedence. */
const layerReadBarrier: Layer.Layer<never, never, SqlClient.SqlClient> = Layer.effect(
  ReadBarrier,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const given = yield* ReadBarrier
    const durability = yield* BacklogDurability
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
).pipe(Layer.provide(BacklogDurability.layer))

/** The read gate. On a server it opens for what is durable. */
export const layerReadGate = ReadGate.layer.pipe(Layer.provide(layerReadBarrier))

/** The read gate of services that read no events. The log is their own, because it has no commit notifications. */
export const layerReadGateAlone = Layer.provide(Layer.fresh(layerReadGate), Layer.fresh(EventLog.layer))
