/**
 * A process that consumes the events of a backlog, for as long as it lives, and writes each one's position into the
 * table `seen` in the transaction that moves its checkpoint. Its arguments are a database's URL, a schema and the
 * consumer's name. It runs the built package, as another program's process would.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { AuditService, layerPostgres } from "../../dist/index.js"

const [url, schema, consumer] = process.argv.slice(2)

const program = Effect.gen(function* () {
  const audit = yield* AuditService
  const sql = yield* SqlClient.SqlClient
  yield* audit.consume({
    consumer,
    follow: true,
    batchSize: 20,
    handler: ({ position }) =>
      sql`INSERT INTO ${sql(`${schema}.seen`)} (position, process) VALUES (${BigInt(position)}::int8, ${process.pid})`
  })
})

await Effect.runPromise(Effect.scoped(Effect.provide(program, layerPostgres({ url, schema, poolSize: 2 }))))
