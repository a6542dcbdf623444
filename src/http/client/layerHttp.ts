import { Context, Effect, Layer } from "effect"
import { AuditService, BacklogService, type InvalidInput } from "../../index.ts"
import { makeAuditClient } from "./auditClient.ts"
import { makeBacklogClient } from "./backlogClient.ts"
import { connect, type HttpOptions } from "./connect.ts"
import { requireOneEffect } from "../../services/requireOneEffect.ts"

/**
 * Provides both services through a server of `serve` or `backlog serve`, in place of a database. Building the layer sends no
 * request.
 *
 * - Queries, and commands with a `commandId`, are retried a few times. A stream of events reconnects after its last event.
 * - Commands are never part of the caller's transaction, so `consume` passes each event to its handler at least once.
 *
 * **Errors**
 *
 * - `InvalidInput`: the URL or the token is invalid. The layer fails.
 * - `Unreachable`: the server cannot be reached or does not respond.
 * - `Unauthorized`, `Forbidden`, `TooManyRequests`: the server refuses the caller.
 * - `SqlError`: the server's database failed.
 */
export const layerHttp = (options: HttpOptions): Layer.Layer<BacklogService | AuditService, InvalidInput> =>
  Layer.effectContext(
    Effect.map(Effect.andThen(requireOneEffect, connect(options)), (endpoints) =>
      Context.make(BacklogService, makeBacklogClient(endpoints)).pipe(
        Context.add(AuditService, makeAuditClient(endpoints))
      )
    )
  )
