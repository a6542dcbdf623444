import { Effect, Layer } from "effect"
import { BacklogService, type InvalidInput } from "../../index.ts"
import { backlogOver } from "./backlogOver.ts"
import { connect, type HttpOptions } from "./connect.ts"

/**
 * A backlog on a server that `backlog serve` runs, instead of one in a database: a program changes nothing but the layer.
 * A server that cannot be reached, or cannot answer, is a `SqlError` as a database's would be. What can be asked twice
 * without harm is tried again a few times: queries, and commands with a `commandId`. Not part of a transaction of the
 * caller's.
 */
export const layerHttp = (options: HttpOptions): Layer.Layer<BacklogService, InvalidInput> =>
  Layer.effect(BacklogService, Effect.map(connect(options), backlogOver))
