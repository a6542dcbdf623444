import { Effect } from "effect"
import type { SqlClient, SqlError, Statement } from "effect/sql"
import { maximumGeneration } from "../domain/Card.ts"
import { compileOnce } from "../events/compileOnce.ts"
import type { CurrentGeneration } from "../events/CurrentGeneration.ts"
import type { CardTables } from "./CardTables.ts"

/** Why a generation began, where an operator or an import says so. */
export type GenerationReason = "restored" | "imported"

/**
 * The generation of a log, in its head row. A claim's token is the generation plus a version, so a later generation keeps
 * tokens unique where versions repeat: after a restore, and after a failover that lost the end of the log.
 */
export interface Generations {
  /** A query for the generation, the server, and whether the log was last written on another server or timeline. */
  readonly current: Statement.Fragment
  /**
   * Begins a generation that is greater than the stored one and than `atLeast`, in the caller's transaction, and locks the
   * head row until that ends. It takes the number from the database's clock, so that the same dump restored twice gets two.
   */
  readonly raise: (reason: GenerationReason, atLeast?: number) => Effect.Effect<CurrentGeneration, SqlError.SqlError>
  /** The same where the log has moved and no other transaction has raised the generation yet. Returns the current one. */
  readonly raiseIfMoved: Effect.Effect<CurrentGeneration, SqlError.SqlError>
}

/** Generations count microseconds since then: 2^53 of them last until the year 2310. */
const epoch = "2025-01-01T00:00:00Z"

export const makeGenerations = (
  sql: SqlClient.SqlClient,
  schema: string,
  { cards }: CardTables,
  clockOverride: () => Date | null
): Generations => {
  const head = sql(`${schema}.head`)
  const serverNow = sql`${sql(`${schema}.server_identity`)}(tableoid)`

  const current = sql`
    SELECT generation::float8 AS generation, server_now AS server, server <> server_now AS "hasMoved"
    FROM (SELECT generation, server, ${serverNow} AS server_now FROM ${head} OFFSET 0) AS head`

  // The values of the row that is locked come from `head`: another transaction may have changed it meanwhile. The sleep
  // keeps a rule: no token is greater than the clock's count when its claim begins. So a generation from the clock is
  // greater than every token handed out before, also than those that only a lost end of the log had.
  const raised = (override: Statement.Segment, atLeast: Statement.Segment, reason: Statement.Fragment) => sql<Raised>`
    UPDATE ${head} AS head SET server = server_now, generation_since = now, generation_reason = ${reason},
      generation = CASE WHEN ticks > greatest(generation, ${atLeast}::int8) + versions
          AND ticks <= ${sql.literal(String(maximumGeneration))}
        THEN ticks ELSE greatest(generation, ${atLeast}::int8) + 2147483648 END
    FROM (SELECT server_now, now, (extract(epoch FROM now - ${epoch}::timestamptz) * 1000000)::int8 AS ticks,
        (SELECT coalesce(max(version), 0) FROM ${cards}) AS versions
      FROM (SELECT ${serverNow} AS server_now, coalesce(${override}::timestamptz, clock_timestamp()) AS now
        FROM ${head} OFFSET 0) AS clock OFFSET 0) AS next`

  const answer = sql`RETURNING generation::float8 AS generation, server, pg_sleep(versions / 1e6)::text`

  const raise = compileOnce<RaiseValues, Raised>(
    sql,
    ({ atLeast, override, reason }) => sql`${raised(override, atLeast, sql`${reason}::text`)} ${answer}`
  )

  const raiseMoved = compileOnce<RaiseValues, Raised>(
    sql,
    ({ atLeast, override }) =>
      sql`${raised(
        override,
        atLeast,
        sql`CASE WHEN substr(server, strpos(server, '/')) = substr(server_now, strpos(server_now, '/')) THEN 'failover' ELSE 'moved' END`
      )} WHERE server <> server_now ${answer}`
  )

  const one = (rows: ReadonlyArray<CurrentGeneration>): CurrentGeneration => {
    const row = rows[0]
    if (row === undefined) throw new Error(`the head row of the backlog in schema ${schema} is missing`)
    return { generation: row.generation, server: row.server }
  }

  return {
    current,
    raise: (reason, atLeast = 0) =>
      Effect.map(
        Effect.suspend(() => raise({ override: clockOverride(), atLeast: BigInt(atLeast), reason })),
        one
      ),
    raiseIfMoved: Effect.suspend(() => raiseMoved({ override: clockOverride(), atLeast: 0n, reason: null })).pipe(
      Effect.filterOrElse(
        (rows) => rows.length > 0,
        () => sql<Raised>`${current}`
      ),
      Effect.map(one)
    )
  }
}

interface Raised extends CurrentGeneration {}

interface RaiseValues {
  readonly override: Date | null
  readonly atLeast: bigint
  readonly reason: GenerationReason | null
}
