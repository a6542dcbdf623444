import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { serve } from "../../../src/http/index.ts"
import { layerMcpRoutes } from "../../../src/mcp/index.ts"

/** Serves a backlog to programs, and to agents at /mcp, until the scope ends. */
export const serveBacklog = Effect.gen(function* () {
  const routes = Layer.provide(layerMcpRoutes, Layer.succeed(SqlClient.SqlClient)(yield* SqlClient.SqlClient))
  return yield* serve({ port: 0, routes })
})
