import { Effect } from "effect"
import type { SqlClient, SqlError, Statement } from "effect/sql"
import { maxGeneration } from "../domain/Card.ts"
import type { CardTables } from "./CardTables.ts"
import { prepareStatement } from "../sql/prepareStatement.ts"
import { requireDurableCommit } from "../sql/inTransaction.ts"

/** Why an operator or an import begins a generation. */
export type GenerationReason = "restored" | "imported"

/**
 * The generation of a log, in its head row. The token of a claim is the generation plus a version, so a later generation keeps
 * tokens unique where versions repeat: after a restore, and after a failover that lost the end of the log (decision 31).
 */
export interface Generations {
  /** A query for the generation, and whether the log was last written on this start of this server. */
  readonly current: Statement.Fragment
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

/** Generations count microseconds since this time. 2^53 microseconds last until the year 2310. */
const epoch = "2025-01-01T00:00:00Z"

export const makeGenerations = (
  sql: SqlClient.SqlClient,
  schema: string,
  { cards }: CardTables,
  clockOverride: () => Date | null
): Generations => {
  const head = sql(`${schema}.head`)

  // Reading the identity itself would cost a claim a tenth of its time. It changes only at a start of the server and at the
  // promotion of a standby, on which nothing was written before.
  const current = sql`
    SELECT generation::float8 AS generation,
      coalesce(server_started = pg_postmaster_start_time() AND server_table = tableoid, false) AS "isSameServer"
    FROM ${head}`

  // Evaluated only where a generation begins: it reads all cards.
  const lastVersion = sql`(SELECT coalesce(max(version), 0) FROM ${cards})`

  // The values of the locked row come from `head`, because another transaction may have changed the row meanwhile. The sleep
  // maintains an invariant: no token is greater than the clock's count when its claim begins. So a generation from the clock
  // is greater than every token issued before, also those in an end of the log that was lost.
  const update = prepareStatement<UpdateValues, { readonly generation: number }>(
    sql,
    ({ atLeast, override, reason }) => {
      const begins = sql`(${reason}::text IS NOT NULL OR coalesce(server <> server_now, false))`
      const last = sql`greatest(generation, ${atLeast}::int8)`
      return sql`
      UPDATE ${head} AS head SET server = server_now, server_started = pg_postmaster_start_time(),
        server_table = head.tableoid,
        generation_since = CASE WHEN ${begins} THEN now ELSE generation_since END,
        generation_reason = CASE WHEN NOT ${begins} THEN generation_reason WHEN ${reason}::text IS NOT NULL THEN ${reason}
          WHEN substr(server, strpos(server, '/')) = substr(server_now, strpos(server_now, '/')) THEN 'failover'
          ELSE 'moved' END,
        generation = CASE WHEN NOT ${begins} THEN generation
          WHEN ticks > ${last} + ${lastVersion} AND ticks <= ${sql.literal(String(maxGeneration))} THEN ticks
          ELSE ${last} + 2147483648 END
      FROM (
        SELECT server_now, now, (extract(epoch FROM now - ${epoch}::timestamptz) * 1000000)::int8 AS ticks
        FROM (SELECT ${sql(`${schema}.server_identity`)}(tableoid) AS server_now,
            coalesce(${override}::timestamptz, clock_timestamp()) AS now
          FROM ${head} OFFSET 0) AS clock OFFSET 0) AS found
      RETURNING generation::float8 AS generation, ${requireDurableCommit(sql)} AS "synchronousCommit",
        CASE WHEN generation_since = now THEN pg_sleep(${lastVersion} / 1e6)::text END`
    }
  )

  const updated = (reason: GenerationReason | null, atLeast: number) =>
    Effect.map(
      Effect.suspend(() => update({ override: clockOverride(), atLeast: BigInt(atLeast), reason })),
      ([row]) => {
        if (row === undefined) throw new Error(`the head row of the backlog in schema ${schema} is missing`)
        return row.generation
      }
    )

  return {
    current,
    begin: (reason, atLeast = 0) => updated(reason, atLeast),
    recordServer: updated(null, 0)
  }
}

interface UpdateValues {
  readonly override: Date | null
  readonly atLeast: bigint
  readonly reason: GenerationReason | null
}
