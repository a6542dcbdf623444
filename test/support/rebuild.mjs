/**
 * A process that rebuilds a read model, prints each phase as it comes to it, and stays for good in the phase that it is
 * told, to be killed there. Its arguments are a database's URL, a schema, a phase, and which time it is to stay in it.
 * It runs the built package, as another program's process would.
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

// Nothing else keeps the process alive while it stays.
setInterval(() => undefined, 1_000)
await Effect.runPromise(Effect.scoped(Effect.provide(program, layerPostgres({ url, schema, poolSize: 2 }))))
