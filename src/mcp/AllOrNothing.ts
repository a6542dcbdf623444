import { Context, Effect, Layer } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { inTransaction } from "../sql/inTransaction.ts"

/** A command of a tool call. */
export interface Step<A, E> {
  readonly run: Effect.Effect<A, E>
  /** Takes the command back. Defaults to nothing. */
  readonly undo?: Effect.Effect<unknown, E> | undefined
}

/** Carries out the commands of a tool call in order, all or nothing. */
export class AllOrNothing extends Context.Service<
  AllOrNothing,
  {
    readonly run: <A, E>(steps: ReadonlyArray<Step<A, E>>) => Effect.Effect<ReadonlyArray<A>, E | SqlError.SqlError>
  }
>()("mosaic-backlog/mcp/AllOrNothing") {
  /** In one transaction. */
  static readonly layer: Layer.Layer<AllOrNothing, never, SqlClient.SqlClient> = Layer.effect(
    AllOrNothing,
    Effect.map(SqlClient.SqlClient, (sql) => ({
      run: (steps) => inTransaction(sql)(Effect.all(steps.map(({ run }) => run)))
    }))
  )

  /**
   * One after the other, for a backlog whose database is out of reach. If one is refused, those before it are taken back.
   * Others see the steps in between, and if the server becomes unreachable, they stay.
   */
  static readonly layerWithoutTransactions: Layer.Layer<AllOrNothing> = Layer.succeed(AllOrNothing, {
    run: Effect.fnUntraced(function* <A, E>(steps: ReadonlyArray<Step<A, E>>) {
      const done: Array<Step<A, E>> = []
      const takeBack = Effect.suspend(() =>
        Effect.forEach(done.reverse(), ({ undo = Effect.void }) => undo, { discard: true })
      ).pipe(Effect.catchCause((cause) => Effect.logError("The commands of a tool could not be taken back.", cause)))
      return yield* Effect.forEach(steps, (step) =>
        Effect.tap(step.run, () => Effect.sync(() => done.push(step)))
      ).pipe(Effect.onError(() => takeBack))
    })
  })
}
