/**
 * A process that works a backlog off: several claimers at a time claim, complete, and stop when every card is done.
 * Its arguments are a database's URL, a schema, a name and how many claimers; it prints the ids that it completed as a
 * JSON array. It runs the built package, as another program's process would.
 */
import { Effect, Option } from "effect"
import { BacklogService, layerPostgres } from "../../dist/index.js"

const [url, schema, name, claimers] = process.argv.slice(2)

const program = Effect.gen(function* () {
  const backlog = yield* BacklogService
  const completed = []

  const claimer = (index) =>
    Effect.gen(function* () {
      const owner = `${name}-${index}`
      let patience = 5
      for (;;) {
        const claimed = yield* backlog.claim({ owner, actor: owner })
        if (Option.isSome(claimed)) {
          const { claimToken, id } = claimed.value
          yield* backlog.complete({ id, token: claimToken, result: owner, actor: owner })
          completed.push(id)
          patience = 5
        } else {
          const { counts, total } = yield* backlog.stats
          if (counts.done === total) return
          yield* Effect.sleep(patience)
          patience = Math.min(patience * 2, 80)
        }
      }
    })

  yield* Effect.all(
    Array.from({ length: Number(claimers) }, (_, index) => claimer(index)),
    { concurrency: "unbounded", discard: true }
  )
  return completed
})

const completed = await Effect.runPromise(
  Effect.scoped(Effect.provide(program, layerPostgres({ url, schema, poolSize: 2 })))
)
process.stdout.write(JSON.stringify(completed))
