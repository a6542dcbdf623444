import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { createHash } from "node:crypto"
import { chmod, mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises"
import { dirname, join, resolve } from "node:path"
import { BacklogSchema } from "../../sql/SchemaName.ts"
import { Migrations, readMigrations } from "../schema/Migrations.ts"
import { copyDatabaseFiles } from "./databaseFiles.ts"
import {
  haveSameChecksums,
  installedPgliteVersion,
  readTemplateManifest,
  type TemplateContents,
  templateFiles,
  type TemplateManifest,
  templateSchema
} from "./NewDatabase.ts"
import { snapshotDatabase } from "./snapshotDatabase.ts"
import { encodeArchive } from "./templateArchive.ts"

/** Whether a directory has a template of the installed PGlite and of the migrations of this package. */
const isCurrent = Effect.fnUntraced(function* (directory: string, pglite: string) {
  const manifest = yield* Effect.promise(() => readTemplateManifest(directory))
  return manifest?.pglite === pglite && haveSameChecksums(manifest.migrations, yield* readMigrations)
})

/**
 * Creates the template that new embedded databases start as a copy of, unless the directory has a current one. Returns
 * whether it created one. Takes some seconds.
 */
export const buildTemplate = Effect.fnUntraced(function* (directory: string, options: { readonly always: boolean }) {
  const pglite = yield* Effect.promise(installedPgliteVersion)
  if (!options.always && (yield* isCurrent(directory, pglite))) return false
  const empty = yield* snapshotDatabase(
    () => Promise.resolve(undefined),
    () => Effect.void
  )
  const backlog = yield* snapshotDatabase(
    // A copy, because the database changes the bytes of its files.
    () => Promise.resolve(copyDatabaseFiles(empty)),
    (client) => Effect.provide(migrateTemplate, client)
  )
  const archive = encodeArchive({ empty, backlog } satisfies Record<TemplateContents, unknown>)
  const manifest: typeof TemplateManifest.Type = {
    pglite,
    migrations: (yield* readMigrations).map(({ checksum }) => checksum),
    sha256: createHash("sha256").update(archive).digest("hex")
  }
  yield* Effect.promise(() => writeTemplate(directory, manifest, archive))
  return true
})

const migrateTemplate = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* Effect.provide(
    Effect.asVoid(Migrations),
    Layer.provide(Layer.fresh(Migrations.layer), Layer.succeed(BacklogSchema)(templateSchema))
  )
  yield* sql`UPDATE ${sql(`${templateSchema}.migrations`)} SET applied_at = '-infinity'`
})

/** Replaces the directory as a whole: a program that reads it meanwhile finds one manifest and its archive, or none. */
const writeTemplate = async (
  place: string,
  manifest: typeof TemplateManifest.Type,
  archive: Uint8Array
): Promise<void> => {
  // Without a slash at the end: the next directory is created next to this one, not in it.
  const directory = resolve(place)
  await mkdir(dirname(directory), { recursive: true })
  const next = await mkdtemp(`${directory}-`)
  try {
    await writeFile(join(next, templateFiles.archive), archive)
    await writeFile(join(next, templateFiles.manifest), `${JSON.stringify(manifest, null, 2)}\n`)
    // As readable as the rest of the package.
    await chmod(next, 0o755)
    await rm(directory, { recursive: true, force: true })
    await rename(next, directory)
  } catch (error) {
    await rm(next, { recursive: true, force: true })
    throw error
  }
}
