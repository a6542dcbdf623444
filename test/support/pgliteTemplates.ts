import type { PGliteOptions } from "@electric-sql/pglite"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { cp, readFile, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { layerPgliteClient } from "../../src/services/pglite/PgliteClient.ts"
import { template } from "./templates.ts"

/*
 * Creating a database takes seconds, copying one a fraction of a second. Tests of the creation use `layerPgliteClient`
 * directly.
 */

const emptyDatabase = (): Promise<string> =>
  template("database", (directory) =>
    Effect.runPromise(
      Effect.provide(
        Effect.flatMap(SqlClient.SqlClient, (sql) => sql`SELECT 1`),
        layerPgliteClient({ dataDir: directory })
      )
    )
  )

/** Creates a directory with an empty database, as `layerPgliteClient` would. */
export const copyEmptyDatabase = async (directory: string): Promise<void> =>
  cp(await emptyDatabase(), directory, { recursive: true })

// Loaded on demand, because most tests of the command line use a server.
const engine = async () => (await import("@electric-sql/pglite")).PGlite

const archive = async (): Promise<Blob> => {
  const path = await template("database.tar", async (file) => {
    const directory = `${file}.directory`
    await copyEmptyDatabase(directory)
    const pglite = await (await engine()).create({ dataDir: join(directory, "pgdata") })
    const tar = await pglite.dumpDataDir("none")
    await pglite.close()
    await rm(directory, { recursive: true })
    await writeFile(file, Buffer.from(await tar.arrayBuffer()))
  })
  return new Blob([await readFile(path)])
}

/** Makes databases in memory start from a copy of an empty one. Returns a function that undoes it. */
export const createCopies = async (): Promise<() => void> => {
  const PGlite = await engine()
  const create = PGlite.create.bind(PGlite)
  const loadDataDir = await archive()
  const createCopy = (options: PGliteOptions) => create({ ...options, loadDataDir })
  Object.assign(PGlite, { create: createCopy })
  return () => Object.assign(PGlite, { create })
}

/** Like `layerPgliteClient()`, an embedded Postgres in memory, but starts from a copy of an empty database. */
export const copiedPgliteClient: ReturnType<typeof layerPgliteClient> = Layer.effectContext(
  Effect.acquireUseRelease(
    Effect.promise(createCopies),
    () => Layer.build(Layer.fresh(layerPgliteClient())),
    (undo) => Effect.sync(undo)
  )
)
