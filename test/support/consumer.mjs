/**
 * A process that consumes the events of a backlog until it is killed. Writes the position of each event into the table `seen`
 * in the transaction that moves its checkpoint. Arguments: the URL of a database, a schema, the name of the consumer. Runs the
 * built package, like the process of another program.
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
