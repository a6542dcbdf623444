/** Creates a backlog's tables as another build of the program does: `node migrate.mjs DIRECTORY URL SCHEMA`. */
import { Effect, Layer } from "effect"
import { join } from "node:path"
import { pathToFileURL } from "node:url"

const [directory, url, schema] = process.argv.slice(2)
const part = (name) => import(pathToFileURL(join(directory, "dist", name)).href)
const { Migrations } = await part("services/schema/Migrations.js")
const { layerPostgresClient } = await part("services/postgres/PostgresClient.js")
const { BacklogSchema } = await part("sql/SchemaName.js")
await Migrations.layer.pipe(
  Layer.provide([layerPostgresClient({ url }), Layer.succeed(BacklogSchema)(schema)]),
  Layer.build,
  Effect.scoped,
  Effect.runPromise
)
