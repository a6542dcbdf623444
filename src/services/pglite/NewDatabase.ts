import { Context, Effect, Option, Schema } from "effect"
import { createHash } from "node:crypto"
import { readFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { join } from "node:path"
import { BacklogSchema } from "../../sql/SchemaName.ts"
import { templateDirectory } from "../packageFiles.ts"
import { readMigrations } from "../schema/Migrations.ts"
import { type DatabaseFiles, setNewIdentifier } from "./databaseFiles.ts"
import { decodeArchive } from "./templateArchive.ts"

/** What a template is made of, in the file next to its archive. */
export const TemplateManifest = Schema.Struct({
  /** The version of PGlite that created it, and that can open it. */
  pglite: Schema.String,
  /** The checksums of the migrations that its backlog has. */
  migrations: Schema.Array(Schema.String),
  /** The SHA-256 of the archive. */
  sha256: Schema.String
})

/** The files of a template. */
export const templateFiles = { manifest: "manifest.json", archive: "databases.br" }

/**
 * The databases in a template's archive: `empty` has no tables. `backlog` has an empty backlog in the default schema, in
 * which the time of every migration is `-infinity` until the first start.
 */
export type TemplateContents = "empty" | "backlog"

/** The schema of the backlog in the template. */
export const templateSchema: string = BacklogSchema.defaultValue()

/**
 * Returns the files that a new embedded database starts with, for a backlog in a schema. They belong to the caller, which may
 * change their bytes. `undefined` when there are none: `initdb` creates the database, which takes some seconds.
 */
export type NewDatabase = (schema: string) => Promise<DatabaseFiles | undefined>

/** The source of the files of new embedded databases. Defaults to the template of this package. */
export const NewDatabase: Context.Reference<NewDatabase> = Context.Reference<NewDatabase>(
  "mosaic-backlog/NewDatabase",
  {
    defaultValue: () => async (schema) => {
      const template = templateDirectory()
      return template === undefined ? undefined : loadTemplate(template, schema)
    }
  }
)

/** A function that returns the files of a new database for the backlog in the context. */
export const newDatabaseFiles = Effect.gen(function* () {
  const newDatabase = yield* NewDatabase
  const schema = yield* BacklogSchema
  return () => newDatabase(schema)
})

/** The installed version of PGlite. */
export const installedPgliteVersion = async (): Promise<string> => {
  const entry = createRequire(import.meta.url).resolve("@electric-sql/pglite")
  return decodePackage(await readFile(join(entry, "../../package.json"), "utf8")).version
}

const decodePackage = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Struct({ version: Schema.String })))
const decodeManifest = Schema.decodeUnknownOption(Schema.fromJsonString(TemplateManifest))

/** Reads the manifest of a template. `undefined` when there is no valid one. */
export const readTemplateManifest = async (directory: string): Promise<typeof TemplateManifest.Type | undefined> => {
  const text = await readFile(join(directory, templateFiles.manifest), "utf8").catch(() => "")
  return Option.getOrUndefined(decodeManifest(text))
}

/** Whether lists of migrations are equal, by their checksums. */
export const haveSameChecksums = (
  checksums: ReadonlyArray<string>,
  migrations: ReadonlyArray<{ readonly checksum: string }>
): boolean =>
  checksums.length === migrations.length &&
  checksums.every((checksum, index) => checksum === migrations[index]?.checksum)

/**
 * Reads the files of a new database from a template, with a system identifier of their own. Includes the backlog if
 * `schema` is the template's and its migrations are exactly this package's. `undefined` when there is no template, it is
 * damaged, or another version of PGlite created it.
 */
export const loadTemplate = async (directory: string, schema: string): Promise<DatabaseFiles | undefined> => {
  const manifest = await readTemplateManifest(directory)
  if (manifest === undefined || manifest.pglite !== (await installedPgliteVersion())) return undefined
  const archive = await readFile(join(directory, templateFiles.archive)).catch(() => undefined)
  if (archive === undefined || createHash("sha256").update(archive).digest("hex") !== manifest.sha256) return undefined
  const hasBacklog = schema === templateSchema && haveSameChecksums(manifest.migrations, Effect.runSync(readMigrations))
  const files = decodeArchive(archive, (hasBacklog ? "backlog" : "empty") satisfies TemplateContents)
  return setNewIdentifier(files) ? files : undefined
}
