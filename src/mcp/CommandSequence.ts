import { Context, Effect, Layer } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { inTransaction } from "../sql/inTransaction.ts"
import type { AgentText } from "./AgentText.ts"
import { type AgentError, StoppedPartway } from "./refusal.ts"

/** A command of a tool call. */
export interface Step<A, E> {
  readonly run: Effect.Effect<A, E>
  /** What the command changes, for the refusal of a later one. */
  readonly change: AgentText
}

/** Carries out the commands of a tool call in order. */
export class CommandSequence extends Context.Service<
  CommandSequence,
  {
    readonly run: <A, E extends AgentError>(
      steps: ReadonlyArray<Step<A, E>>
    ) => Effect.Effect<ReadonlyArray<A>, E | StoppedPartway | SqlError.SqlError>
  }
>()("mosaic-backlog/mcp/CommandSequence") {
  /** In one transaction: all or nothing. */
  static readonly layer: Layer.Layer<CommandSequence, never, SqlClient.SqlClient> = Layer.effect(
    CommandSequence,
    Effect.map(SqlClient.SqlClient, (sql) => ({
      run: (steps) => inTransaction(sql)(Effect.all(steps.map(({ run }) => run)))
    }))
  )

  /**
   * Runs the commands one after the other, for a backlog without a database connection. If one is refused, the earlier ones
   * keep their effects, and `StoppedPartway` names them. They are not undone: others may have changed the card meanwhile.
   */
  static readonly layerWithoutTransactions: Layer.Layer<CommandSequence> = Layer.succeed(CommandSequence, {
    run: Effect.fnUntraced(function* <A, E extends AgentError>(steps: ReadonlyArray<Step<A, E>>) {
      const done: Array<AgentText> = []
      return yield* Effect.forEach(steps, ({ change, run }) =>
        run.pipe(
          Effect.tap(() => Effect.sync(() => done.push(change))),
          Effect.mapError((error) => (done.length === 0 ? error : new StoppedPartway({ error, done: [...done] })))
        )
      )
    })
  })
}
