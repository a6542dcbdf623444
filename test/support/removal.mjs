/**
 * A process that removes erased bytes from the data files, prints each phase with its table, and stays in the one that it
 * is given, to be killed there. Its arguments are a database's URL, a schema and "phase table". It runs the built package.
 */
import { Effect, Layer } from "effect"
import { AuditService, layerPostgres, RemovalSchedule } from "../../dist/index.js"

const [url, schema, stay] = process.argv.slice(2)

const program = Effect.gen(function* () {
  const audit = yield* AuditService
  yield* audit.removeErased({
    onProgress: ({ phase, table }) =>
      Effect.suspend(() => {
        const here = `${phase} ${table}`
        console.log(here)
        return here === stay ? Effect.never : Effect.void
      })
  })
})

// Nothing else keeps the process alive while it stays.
setInterval(() => undefined, 1_000)
const backlog = layerPostgres({ url, schema, poolSize: 2 }).pipe(Layer.provide(Layer.succeed(RemovalSchedule)("off")))
await Effect.runPromise(Effect.scoped(Effect.provide(program, backlog)))
