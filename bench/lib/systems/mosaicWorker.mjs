/** Mosaic Backlog through the package's worker, with prefetch. */
import { Effect } from "effect"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { names } from "../systemNames.mjs"
import { createAll, fill, remove, withBacklog } from "./mosaic.mjs"

export { fill, remove }

export const name = names.throughWorker

/** Cards that wait under a lease. */
const prefetch = 100

/** As many concurrent cards as there are workers, with a handler that does nothing. */
export const work = async (context, place, { cards, makeMeter, ready, workers }) => {
  const { Worker } = await import(pathToFileURL(join(context.build, "worker/index.js")).href)
  return withBacklog(context, place, (backlog) =>
    Effect.gen(function* () {
      if (place.database === "pglite") yield* createAll(backlog, cards())
      yield* backlog.stats
      yield* Effect.promise(ready)
      const meter = makeMeter()
      const working = Worker.run({
        owner: "worker",
        concurrency: workers,
        prefetch,
        untilEmpty: true,
        handler: () => Effect.void,
        onEvent: ({ _tag }) => Effect.sync(() => (_tag === "Completed" ? meter.done(1) : undefined))
      })
      yield* Effect.raceFirst(
        working,
        Effect.promise(() => meter.finished)
      )
      meter.end()
      return meter.result()
    })
  )
}
