import { Context, Effect, Layer } from "effect"
import { AuditService, BacklogService, type InvalidInput } from "../../index.ts"
import { makeAuditClient } from "./auditClient.ts"
import { makeBacklogClient } from "./backlogClient.ts"
import { connect, type HttpOptions } from "./connect.ts"
import { requireOneEffect } from "../../services/requireOneEffect.ts"

/**
 * Provides both services through a server that `backlog serve` runs, in place of a database.
 *
 * A server that cannot be reached or does not respond is `Unreachable`; a caller that it refuses is `Unauthorized`, `Forbidden`
 * or `TooManyRequests`. A failure of the server's database is a `SqlError`. Queries and commands with a `commandId` are retried
 * a few times; a stream of events reconnects after its last event. Commands are never part of the
 * caller's transaction, so `consume` passes each event to its handler at least once.
 */
export const layerHttp = (options: HttpOptions): Layer.Layer<BacklogService | AuditService, InvalidInput> =>
  Layer.effectContext(
    Effect.map(Effect.andThen(requireOneEffect, connect(options)), (endpoints) =>
      Context.make(BacklogService, makeBacklogClient(endpoints)).pipe(
        Context.add(AuditService, makeAuditClient(endpoints))
      )
    )
  )
