import { Context, Effect, Exit, Layer, Scope } from "effect"
import { SqlClient } from "effect/sql"
import { setTimeout } from "node:timers/promises"
import { layerPostgresClient } from "../../../src/services/postgres/PostgresClient.ts"

/** Another client's connection with an open transaction. */
export interface Holder {
  readonly sql: SqlClient.SqlClient
  /** Runs statements in the transaction. */
  readonly run: <A, E>(effect: Effect.Effect<A, E>) => Promise<A>
  /** Ends the transaction and the connection. */
  readonly release: () => Promise<void>
}

/** Connects as another client and begins a transaction. Fails when the server accepts no more connections. */
export const hold = async (url: string, begin = "BEGIN"): Promise<Holder> => {
  const scope = Scope.makeUnsafe()
  const release = () => Effect.runPromise(Scope.close(scope, Exit.void))
  try {
    const layer = Layer.fresh(layerPostgresClient({ url, poolSize: 1 }))
    const sql = Context.get(await Effect.runPromise(Layer.buildWithScope(layer, scope)), SqlClient.SqlClient)
    const connection = await Effect.runPromise(Scope.provide(sql.reserve, scope))
    const run = <A, E>(effect: Effect.Effect<A, E>): Promise<A> =>
      Effect.runPromise(Effect.provideService(effect, sql.transactionService, [connection, 0]))
    await run(sql.unsafe(begin))
    return { sql, run, release }
  } catch (error) {
    await release()
    throw error
  }
}

/** How long to wait for a condition that must become true by itself. Nothing takes nearly as long. */
const timeoutMillis = 60_000

/** Polls until the condition is true. */
export const eventually = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  const deadline = AbortSignal.timeout(timeoutMillis)
  while (!(await condition())) {
    deadline.throwIfAborted()
    await setTimeout(10)
  }
}
