import type { PGliteOptions } from "@electric-sql/pglite"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { cp, readFile, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { layerPgliteClient } from "../../src/services/pglite/PgliteClient.ts"
import { template } from "./templates.ts"

/*
 * Creating a database takes seconds of a processor, and a copy a fraction of one. What is about creating uses
 * `layerPgliteClient` as it is.
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

/** Makes a directory with an empty database in it, as `layerPgliteClient` would. */
export const copyEmptyDatabase = async (directory: string): Promise<void> =>
  cp(await emptyDatabase(), directory, { recursive: true })

// Loaded when it is needed: most tests of the command line use a server.
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

/** From now on databases in memory start from a copy of an empty one, until that is undone. */
export const createCopies = async (): Promise<() => void> => {
  const PGlite = await engine()
  const create = PGlite.create.bind(PGlite)
  const loadDataDir = await archive()
  const createCopy = (options: PGliteOptions) => create({ ...options, loadDataDir })
  Object.assign(PGlite, { create: createCopy })
  return () => Object.assign(PGlite, { create })
}

/** `layerPgliteClient()`, an embedded Postgres in memory, which starts from a copy of an empty database. */
export const copiedPgliteClient: ReturnType<typeof layerPgliteClient> = Layer.effectContext(
  Effect.acquireUseRelease(
    Effect.promise(createCopies),
    () => Layer.build(Layer.fresh(layerPgliteClient())),
    (undo) => Effect.sync(undo)
  )
)
