import { Effect } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { prepareStatement } from "../sql/prepareStatement.ts"

/** Why an operator or an import begins a generation. */
export type GenerationReason = "restored" | "imported"

/**
 * The generation of a log, in its head row. The token of a claim is the generation plus a version, so a later generation keeps
 * tokens unique where versions repeat: after a restore, and after a failover that lost the end of the log (decision 31).
 */
export interface Generations {
  /**
   * Begins a generation that is greater than the stored one and `atLeast`, in the caller's transaction, and locks the head row
   * until that ends. The number comes from the database's clock, so two restores of the same dump get different generations.
   */
  readonly begin: (reason: GenerationReason, atLeast?: number) => Effect.Effect<number, SqlError.SqlError>
  /**
   * Records this start of this server in the head row, and begins a generation if the log was last written on another server
   * or timeline. Returns the current generation.
   */
  readonly recordServer: Effect.Effect<number, SqlError.SqlError>
}

export const makeGenerations = (
  sql: SqlClient.SqlClient,
  schema: string,
  clockOverride: () => Date | null
): Generations => {
  const call = prepareStatement<CallValues, { readonly generation: number }>(
    sql,
    ({ atLeast, override, reason }) =>
      sql`SELECT ${sql(`${schema}.begin_generation_v1`)}(${reason}, ${atLeast}, ${override}) AS generation`
  )

  const begin = (reason: GenerationReason | null, atLeast: number) =>
    Effect.map(
      Effect.suspend(() => call({ override: clockOverride(), atLeast: String(atLeast), reason })),
      ([row]) => {
        if (row === undefined) throw new Error("the database returned no generation")
        return row.generation
      }
    )

  return { begin: (reason, atLeast = 0) => begin(reason, atLeast), recordServer: begin(null, 0) }
}

interface CallValues {
  readonly override: Date | null
  readonly atLeast: string
  readonly reason: GenerationReason | null
}
