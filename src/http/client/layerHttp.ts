import { Context, Effect, Layer } from "effect"
import { AuditService, BacklogService, type InvalidInput } from "../../index.ts"
import { makeAuditClient } from "./auditClient.ts"
import { makeBacklogClient } from "./backlogClient.ts"
import { connect, type HttpOptions } from "./connect.ts"

/**
 * A backlog on a server that `backlog serve` runs, instead of one in a database: a program changes nothing but the layer.
 * A server that cannot be reached, or cannot answer, is a `SqlError` as a database's would be. What can be asked twice
 * without harm is tried again a few times: queries, and commands with a `commandId`; events that are followed go on where
 * they broke off. Commands are never part of a transaction of the caller's, and so `consume` gives a handler each event at
 * least once.
 */
export const layerHttp = (options: HttpOptions): Layer.Layer<BacklogService | AuditService, InvalidInput> =>
  Layer.effectContext(
    Effect.map(connect(options), (endpoints) =>
      Context.make(BacklogService, makeBacklogClient(endpoints)).pipe(
        Context.add(AuditService, makeAuditClient(endpoints))
      )
    )
  )
