import { Context, type Duration, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { AuditService } from "../../src/services/AuditService.ts"
import { BacklogService } from "../../src/services/BacklogService.ts"
import { RemovalSchedule } from "../../src/services/audit/Erasures.ts"
import { layerPostgres } from "../../src/services/layers.ts"
import { PollInterval } from "../../src/services/waiting/CommitNotifications.ts"
import { BacklogSchema } from "../../src/sql/SchemaName.ts"
import { postgresUrl } from "./backlogs.ts"

/** A backlog over its own pool, as in another process. */
export const pool = (options: { readonly size?: number; readonly pollInterval?: Duration.Duration } = {}) =>
  Effect.gen(function* () {
    const schema = yield* BacklogSchema
    const backlog = layerPostgres({ url: postgresUrl(), schema, poolSize: options.size ?? 2 }).pipe(
      Layer.provide(Layer.succeed(RemovalSchedule)("off"))
    )
    const context = yield* Layer.build(
      Layer.fresh(
        options.pollInterval === undefined
          ? backlog
          : Layer.provide(backlog, Layer.succeed(PollInterval)(options.pollInterval))
      )
    )
    return {
      context,
      sql: Context.get(context, SqlClient.SqlClient),
      audit: Context.get(context, AuditService),
      backlog: Context.get(context, BacklogService)
    }
  })
