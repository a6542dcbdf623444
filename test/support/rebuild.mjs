/**
 * A process that rebuilds a read model and prints each phase. It remains in the given phase until it is killed. Arguments: the
 * URL of a database, a schema, a phase, and at which occurrence of the phase to remain. Runs the built package, like the
 * process of another program.
 */
import { Effect } from "effect"
import { AuditService, layerPostgres } from "../../dist/index.js"

const [url, schema, phase, time] = process.argv.slice(2)
let times = 0

const program = Effect.gen(function* () {
  const audit = yield* AuditService
  yield* audit.rebuild({
    onProgress: (progress) =>
      Effect.suspend(() => {
        console.log(progress.phase)
        if (progress.phase !== phase || ++times < Number(time)) return Effect.void
        console.log("here")
        return Effect.never
      })
  })
})

// Keeps the process alive while it remains in the phase.
setInterval(() => undefined, 1_000)
await Effect.runPromise(Effect.scoped(Effect.provide(program, layerPostgres({ url, schema, poolSize: 2 }))))
