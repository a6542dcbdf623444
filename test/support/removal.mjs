/**
 * A process that removes erased bytes from the data files and prints each phase with its table. It remains in the given phase
 * until it is killed. Arguments: the URL of a database, a schema, "phase table". Runs the built package.
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

// Keeps the process alive while it remains in the phase.
setInterval(() => undefined, 1_000)
const backlog = layerPostgres({ url, schema, poolSize: 2 }).pipe(Layer.provide(Layer.succeed(RemovalSchedule)("off")))
await Effect.runPromise(Effect.scoped(Effect.provide(program, backlog)))
