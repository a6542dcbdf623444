import { type DateTime, Effect, Layer } from "effect"
import type { SqlError } from "effect/sql"
import { resolve } from "node:path"
import type { DirectoryLocked, DirectoryUnusable } from "../services/files/directoryErrors.ts"
import { type BacklogServices, BacklogTestClock, layerTestAt } from "../services/layers.ts"
import { createDirectoryDatabase } from "../services/pglite/createDirectoryDatabase.ts"
import { copyDatabaseFiles, type DatabaseFiles, setNewIdentifier } from "../services/pglite/databaseFiles.ts"
import { NewDatabase, newDatabaseFiles } from "../services/pglite/NewDatabase.ts"
import { layerPgliteClient } from "../services/pglite/PgliteClient.ts"
import { snapshotDatabase } from "../services/pglite/snapshotDatabase.ts"
import type { BacklogMissing } from "../services/schema/BacklogOpening.ts"
import type { MigrationRefused } from "../services/schema/Migrations.ts"
import { BacklogSchema } from "../sql/SchemaName.ts"

export type { DatabaseFiles }

/** An embedded database with a backlog. Tests start as copies of it. */
export interface BacklogTemplate {
  /** The Postgres schema of the backlog. */
  readonly schema: string
  /** The time of the test clock when the template was made. Copies start with it. */
  readonly time: DateTime.Utc
  /** The size of a copy in bytes. */
  readonly size: number
  /** The files of the database. They must not be changed. */
  readonly database: DatabaseFiles
}

/**
 * Runs an effect on a new backlog in memory, with a `BacklogTestClock`, and returns the backlog as a template. The effect may
 * create cards, and tables of your own through `SqlClient`. A template stays in memory as long as the program refers to it:
 * about 40 MB.
 *
 * **Example** (One card, and a table of the program's own)
 *
 * ```ts
 * const template = makeTemplate(
 *   Effect.gen(function* () {
 *     const sql = yield* SqlClient.SqlClient
 *     yield* sql`CREATE TABLE notes (card_id text PRIMARY KEY, note text NOT NULL)`
 *     yield* (yield* BacklogService).create({ id: "design", title: "Design it", actor: "test" })
 *   })
 * )
 * ```
 */
export const makeTemplate = <E = never, R = never>(
  prepare: Effect.Effect<unknown, E, R | BacklogServices | BacklogTestClock> = Effect.void,
  options: {
    /** The Postgres schema. Defaults to `backlog`. */
    readonly schema?: string | undefined
  } = {}
): Effect.Effect<
  BacklogTemplate,
  E | BacklogMissing | MigrationRefused | SqlError.SqlError,
  Exclude<R, BacklogServices | BacklogTestClock>
> =>
  Effect.gen(function* () {
    const schema = options.schema ?? (yield* BacklogSchema)
    const newFiles = yield* Effect.provideService(newDatabaseFiles, BacklogSchema, schema)
    let time: DateTime.Utc | undefined
    const prepared = Effect.gen(function* () {
      yield* prepare
      time = yield* (yield* BacklogTestClock).now
    })
    const database = yield* snapshotDatabase(newFiles, (client) =>
      Effect.provide(prepared, layerTestAt(client, { schema, start: undefined }), { local: true })
    )
    if (time === undefined) return yield* Effect.die(new Error("the template's clock was not read"))
    let size = 0
    for (const bytes of database.files.values()) size += bytes.length
    return { schema, time, size, database }
  })

/**
 * A backlog in memory, for tests, that starts as a copy of a template. Its `BacklogTestClock` starts at the template's time. Each
 * call returns a separate layer.
 */
export const layerTestFrom = (
  template: BacklogTemplate
): Layer.Layer<
  BacklogServices | BacklogTestClock,
  BacklogMissing | DirectoryLocked | DirectoryUnusable | MigrationRefused | SqlError.SqlError
> =>
  layerTestAt(layerPgliteClient(), { schema: template.schema, start: template.time }).pipe(
    Layer.provide(Layer.succeed(NewDatabase)(() => copyOf(template)))
  )

/**
 * Creates a directory with a copy of a template's database, for `layerPglite` and the command line. Creates missing parents. Does
 * not change a directory that already contains a database.
 *
 * **Errors**
 *
 * - `DirectoryLocked`: another process has the directory open.
 * - `DirectoryUnusable`: the directory cannot contain a backlog.
 */
export const copyTemplate = (
  template: BacklogTemplate,
  directory: string
): Effect.Effect<void, DirectoryLocked | DirectoryUnusable> =>
  Effect.scoped(createDirectoryDatabase(resolve(directory), () => copyOf(template)))

const copyOf = async ({ database }: BacklogTemplate): Promise<DatabaseFiles | undefined> => {
  const files = copyDatabaseFiles(database)
  return setNewIdentifier(files) ? files : undefined
}
