/** Mosaic Backlog through `backlog serve`: the same program over another layer. */
import { Effect } from "effect"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { withServer } from "../server.mjs"
import { names } from "../systemNames.mjs"
import { directoryOf, fill, load, remove, workOver } from "./mosaic.mjs"

export { fill, remove }

export const name = names.overHttp

/** The options of `backlog serve` for a database. */
export const databaseOf = (context, { database, schema }) => [
  "--db",
  database === "postgres" ? context.url : directoryOf(context, schema),
  "--schema",
  schema
]

/** Claims and completes over a server. The reported memory is the server's. */
export const work = async (context, place, options) => {
  const { BacklogService } = await load(context)
  const { layerHttp } = await import(pathToFileURL(join(context.build, "http/index.js")).href)
  return withServer(context, databaseOf(context, place), (url) =>
    Effect.runPromise(
      Effect.provide(
        Effect.flatMap(BacklogService, (backlog) => workOver(backlog, options)),
        layerHttp({ url })
      )
    )
  )
}
