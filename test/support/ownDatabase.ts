import { Effect, Layer, type Scope } from "effect"
import { SqlClient } from "effect/sql"
import { randomBytes } from "node:crypto"
import { layerPostgresClient } from "../../src/services/postgres/PostgresClient.ts"
import { postgresUrl } from "./backlogs.ts"

/** A new database on the server, for tests that a schema does not isolate. Dropped when the scope ends. */
export const ownDatabase: Effect.Effect<
  { readonly name: string; readonly url: string },
  never,
  SqlClient.SqlClient | Scope.Scope
> = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const name = `own_${randomBytes(6).toString("hex")}`
  const url = new URL(postgresUrl())
  url.pathname = name
  yield* Effect.acquireRelease(Effect.orDie(sql.unsafe(`CREATE DATABASE ${name}`)), () =>
    Effect.orDie(sql.unsafe(`DROP DATABASE ${name} WITH (FORCE)`))
  )
  return { name, url: url.href }
})

/** A client of a new database. */
export const inOwnDatabase = Layer.unwrap(
  Effect.map(ownDatabase, ({ url }) => layerPostgresClient({ url, poolSize: 4 }))
)
