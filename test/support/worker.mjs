/**
 * A process that drains a backlog: several workers claim and complete cards until every card is done. Arguments: the URL of a
 * database, a schema, a name, the number of workers. Prints the ids of the completed cards as a JSON array. Runs the built
 * package, like the process of another program.
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
      let pauseMillis = 5
      for (;;) {
        const claimed = yield* backlog.claim({ owner, actor: owner })
        if (Option.isSome(claimed)) {
          const { claimToken, id } = claimed.value
          yield* backlog.complete({ id, token: claimToken, result: owner, actor: owner })
          completed.push(id)
          pauseMillis = 5
        } else {
          const { counts, total } = yield* backlog.stats
          if (counts.done === total) return
          yield* Effect.sleep(pauseMillis)
          pauseMillis = Math.min(pauseMillis * 2, 80)
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
