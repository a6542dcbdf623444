/** A program that uses a backlog for one query: node coldStart.mjs BUILD DATABASE SCHEMA. */
import { Effect } from "effect"
import { join } from "node:path"
import { pathToFileURL } from "node:url"

const [build, database, schema] = process.argv.slice(2)
const { BacklogService, layerPglite, layerPostgres } = await import(pathToFileURL(join(build, "index.js")).href)
const layer = URL.canParse(database)
  ? layerPostgres({ url: database, schema })
  : layerPglite({ dataDir: database, schema })
const { total } = await Effect.runPromise(
  Effect.provide(
    Effect.flatMap(BacklogService, (backlog) => backlog.stats),
    layer
  )
)
process.stdout.write(`${total}\n`)
