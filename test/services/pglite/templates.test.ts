import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterEach } from "vitest"
import { DirectoryLost } from "../../../src/services/files/directoryErrors.ts"
import { layerPglite } from "../../../src/services/layers.ts"
import { templateDirectory } from "../../../src/services/packageFiles.ts"
import { buildTemplate } from "../../../src/services/pglite/buildTemplate.ts"
import { createDatabase } from "../../../src/services/pglite/databaseDirectory.ts"
import {
  copyDatabaseFiles,
  type DatabaseFiles,
  setNewIdentifier,
  writeDatabaseFiles
} from "../../../src/services/pglite/databaseFiles.ts"
import type { DirectoryOwnership } from "../../../src/services/pglite/DirectoryOwnership.ts"
import { loadTemplate, NewDatabase, templateFiles, templateSchema } from "../../../src/services/pglite/NewDatabase.ts"
import { layerPgliteClient } from "../../../src/services/pglite/PgliteClient.ts"
import { decodeArchive, encodeArchive } from "../../../src/services/pglite/templateArchive.ts"
import { BacklogOpening, type Opening } from "../../../src/services/schema/BacklogOpening.ts"
import { Migrations } from "../../../src/services/schema/Migrations.ts"
import { BacklogSchema } from "../../../src/sql/SchemaName.ts"
import { catalogOf } from "../../support/catalog.ts"
import { child, temporaryDirectory } from "../../support/childProcess.ts"

const packaged = templateDirectory() ?? "template"

/** The template of this package, which `npm run build` and the tests' setup create. */
const template = async (schema = templateSchema): Promise<DatabaseFiles> => {
  const files = await loadTemplate(packaged, schema)
  assert.isDefined(files)
  return files
}

/** The ownership of a directory that is never lost. */
const owner = { check: () => undefined, checkIfStale: () => undefined } as unknown as DirectoryOwnership

const from = (newDatabase: NewDatabase) => Layer.succeed(NewDatabase)(newDatabase)

/** Runs an effect in a database of its own. */
const run = <A, E>(
  effect: Effect.Effect<A, E, SqlClient.SqlClient>,
  options: { readonly dataDir?: string; readonly newDatabase?: NewDatabase } = {}
) =>
  Effect.provide(
    effect,
    Layer.fresh(layerPgliteClient({ dataDir: options.dataDir })).pipe(
      Layer.provide(options.newDatabase === undefined ? Layer.empty : from(options.newDatabase))
    )
  )

/** The names of the schemas in the database, and the migrations in the default schema, without the schemas of Postgres. */
const schemas = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly name: string }>`
    SELECT nspname AS name FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY nspname`
  return rows.map(({ name }) => name)
})

/** The system identifier, and what identifies the server of a backlog in the default schema. */
const identity = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ readonly system: string; readonly server: string }>`
    SELECT system_identifier::text AS system, backlog.server_identity('backlog.head'::regclass) AS server
    FROM pg_control_system()`
  assert.isDefined(row)
  return row
})

/** Copies the packaged template, and changes its manifest. */
const changedTemplate = Effect.fnUntraced(function* (change: Readonly<Record<string, unknown>>) {
  const directory = join(yield* temporaryDirectory, "template")
  cpSync(packaged, directory, { recursive: true })
  const path = join(directory, templateFiles.manifest)
  const manifest = JSON.parse(readFileSync(path, "utf8")) as Readonly<Record<string, unknown>>
  writeFileSync(path, JSON.stringify({ ...manifest, ...change }))
  return directory
})

describe("an archive of databases", () => {
  it("decodes to the files that were encoded", () => {
    const databases = {
      one: {
        folders: ["a", "a/b"],
        files: new Map([
          ["a/x", Buffer.from([1, 2, 0, 0])],
          ["a/b/y", Buffer.alloc(0)]
        ])
      },
      two: {
        folders: [],
        files: new Map([
          ["z", Buffer.from([1, 2])],
          ["zeros", Buffer.alloc(9)]
        ])
      }
    }
    const archive = encodeArchive(databases)
    for (const [name, { files, folders }] of Object.entries(databases)) {
      const decoded = decodeArchive(archive, name)
      assert.deepStrictEqual(decoded.folders, folders)
      assert.deepStrictEqual(
        Array.from(decoded.files, ([path, bytes]) => [path, [...bytes]]),
        Array.from(files, ([path, bytes]) => [path, [...bytes]])
      )
    }
    assert.throws(() => decodeArchive(archive, "three"), /no database "three"/)
  })
})

describe("a template", () => {
  it.live("has a backlog for the default schema, and no tables for another one", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* run(schemas), ["backlog", "public"])
      const other = Layer.succeed(BacklogSchema)("other")
      assert.deepStrictEqual(yield* Effect.provide(schemas, Layer.provide(Layer.fresh(layerPgliteClient()), other)), [
        "public"
      ])
    })
  )

  it.live("is built with two databases that start", () =>
    Effect.gen(function* () {
      const directory = join(yield* temporaryDirectory, "template")
      assert.isTrue(yield* buildTemplate(directory, { always: false }))
      const newDatabase: NewDatabase = (schema) => loadTemplate(directory, schema)
      assert.isDefined(yield* Effect.promise(() => newDatabase(templateSchema)))
      const other = Layer.mergeAll(Layer.succeed(BacklogSchema)("other"), from(newDatabase))
      assert.deepStrictEqual(yield* run(schemas, { newDatabase }), ["backlog", "public"])
      assert.deepStrictEqual(yield* Effect.provide(schemas, Layer.provide(Layer.fresh(layerPgliteClient()), other)), [
        "public"
      ])
      assert.isFalse(yield* buildTemplate(directory, { always: false }))
    })
  )

  it.live("is not used when another version of PGlite created it, when it is damaged, and when there is none", () =>
    Effect.gen(function* () {
      const load = (directory: string) => Effect.promise(() => loadTemplate(directory, templateSchema))
      assert.isDefined(yield* load(yield* changedTemplate({})))
      assert.isUndefined(yield* load(yield* changedTemplate({ pglite: "0.5.15" })))
      assert.isUndefined(yield* load(yield* changedTemplate({ pglite: undefined })))
      const damaged = yield* changedTemplate({})
      const archive = join(damaged, templateFiles.archive)
      const bytes = readFileSync(archive)
      bytes[1000] = (bytes[1000] ?? 0) ^ 1
      writeFileSync(archive, bytes)
      assert.isUndefined(yield* load(damaged))
      writeFileSync(archive, bytes.subarray(0, 1000))
      assert.isUndefined(yield* load(damaged))
      assert.isUndefined(yield* load(yield* temporaryDirectory))
    })
  )

  it.live("is used without its backlog when its migrations are not those of this package", () =>
    Effect.gen(function* () {
      const edited = yield* changedTemplate({ migrations: ["other"] })
      assert.deepStrictEqual(yield* run(schemas, { newDatabase: (schema) => loadTemplate(edited, schema) }), ["public"])
    })
  )

  it.live("is replaced by initdb, with private files too, when another version of PGlite created it", () =>
    Effect.gen(function* () {
      yield* Effect.acquireRelease(
        Effect.sync(() => process.umask(0)),
        (umask) => Effect.sync(() => process.umask(umask))
      )
      const foreign = yield* changedTemplate({ pglite: "0.5.15" })
      const directory = join(yield* temporaryDirectory, "data")
      const layer = layerPglite({ dataDir: directory }).pipe(
        Layer.provide(from((schema) => loadTemplate(foreign, schema)))
      )
      const found = yield* Effect.provide(identity, layer)
      assert.notStrictEqual(found.system, (yield* run(identity)).system)
      const created = readdirSync(directory, { recursive: true, encoding: "utf8" })
      assert.isAbove(created.length, 900)
      assert.deepStrictEqual(
        created.filter((path) => (statSync(join(directory, path)).mode & 0o077) !== 0),
        []
      )
    })
  )

  it.live("has the same tables, functions and rights as a backlog that is migrated here", () =>
    Effect.gen(function* () {
      const catalog = Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const tables = yield* sql<{ readonly name: string }>`
          SELECT relname AS name FROM pg_class WHERE relnamespace = 'backlog'::regnamespace AND relkind = 'r' ORDER BY 1`
        const functions = yield* sql`
          SELECT pg_get_functiondef(oid) AS definition, proacl::text AS acl, pg_get_userbyid(proowner) AS owner
          FROM pg_proc WHERE pronamespace = 'backlog'::regnamespace ORDER BY oid::regprocedure::text`
        const rows = yield* sql`SELECT id, name, checksum FROM backlog.migrations ORDER BY id`
        const [head] = yield* sql`SELECT to_jsonb(head) AS head, to_jsonb(counts) AS counts
          FROM backlog.head CROSS JOIN backlog.counts`
        assert.isAbove(tables.length, 5)
        assert.isAbove(functions.length, 2)
        return { tables: yield* catalogOf(tables.map(({ name }) => name)), functions, rows, head }
      })
      const copied = yield* run(Effect.andThen(migrate(), catalog))
      const migrated = yield* run(Effect.andThen(migrate(), catalog), { newDatabase: () => template("other") })
      assert.deepStrictEqual(copied, migrated)
    })
  )
})

/** Opens the backlog of a database, and returns what was reported as created or migrated, and the new migrations. */
const migrate = (opening: Opening = "create") =>
  Effect.gen(function* () {
    const reports: Array<string> = []
    const report = (text: string) => Effect.sync(() => void reports.push(text))
    const { applied } = yield* Effect.provide(
      Migrations,
      Layer.fresh(Migrations.layer).pipe(
        Layer.provide(
          Layer.succeed(BacklogOpening)({
            opening,
            onCreated: (schema) => report(`created ${schema}`),
            onMigrated: (schema) => report(`migrated ${schema}`)
          })
        )
      )
    )
    return { reports, fresh: applied.filter(({ isNew }) => isNew).length, total: applied.length }
  })

describe("a backlog that was copied from a template", () => {
  it.live("is reported as created once, by its first start that may create one, with the time of that start", () =>
    // @effect-diagnostics-next-line unnecessaryEffectGen:off
    Effect.gen(function* () {
      yield* run(
        Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          const times = sql<{ readonly old: number; readonly all: number }>`
            SELECT count(*) FILTER (WHERE applied_at < now() - interval '1 minute')::int AS old, count(*)::int AS all
            FROM backlog.migrations`
          const [before] = yield* times
          assert.strictEqual(before?.old, before?.all)
          assert.deepStrictEqual(yield* migrate("existing"), { reports: [], fresh: 0, total: before?.all ?? 0 })
          assert.strictEqual((yield* times)[0]?.old, before?.all)
          const created = yield* migrate()
          assert.deepStrictEqual(created, {
            reports: ["created backlog"],
            fresh: created.total,
            total: before?.all ?? 0
          })
          assert.strictEqual((yield* times)[0]?.old, 0)
          assert.deepStrictEqual(yield* migrate(), { reports: [], fresh: 0, total: created.total })
        })
      )
    })
  )

  it.live("has an identity of its own, in memory and in a directory", () =>
    Effect.gen(function* () {
      const parent = yield* temporaryDirectory
      const found = [
        yield* run(identity),
        yield* run(identity),
        yield* run(identity, { dataDir: join(parent, "one") }),
        yield* run(identity, { dataDir: join(parent, "two") })
      ]
      assert.strictEqual(new Set(found.map(({ system }) => system)).size, found.length)
      assert.strictEqual(new Set(found.map(({ server }) => server)).size, found.length)
      assert.deepStrictEqual(yield* run(identity, { dataDir: join(parent, "one") }), found[2])
    })
  )

  it("is not copied when its files do not have the expected format", async () => {
    const { files, folders } = await template()
    const control = files.get("global/pg_control") ?? new Uint8Array()
    const logPath = [...files.keys()].find((path) => path.startsWith("pg_wal/0")) ?? ""
    const isAccepted = (path: string, bytes: Uint8Array) =>
      setNewIdentifier(copyDatabaseFiles({ folders, files: new Map(files).set(path, bytes) }))
    assert.isTrue(isAccepted("global/pg_control", control))
    const wrong = control.slice()
    wrong[100] = (wrong[100] ?? 0) ^ 1
    assert.isFalse(isAccepted("global/pg_control", wrong))
    assert.isFalse(isAccepted("global/pg_control", control.subarray(0, 100)))
    assert.isFalse(isAccepted(logPath, new Uint8Array(64)))
    assert.isFalse(setNewIdentifier({ folders, files: new Map() }))
  })
})

describe("the creation of a directory from a template", () => {
  const umask = process.umask()
  afterEach(() => void process.umask(umask))

  it.live("leaves nothing when the directory is lost in the middle", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      let checks = 0
      const lost = new DirectoryLost({ directory, reason: "lost by the test" })
      const losing = {
        check: () => undefined,
        checkIfStale: () => {
          if (++checks === 500) throw lost
        }
      } as unknown as DirectoryOwnership
      const failed = yield* Effect.promise(() =>
        createDatabase(directory, losing, () => template()).catch((error: unknown) => error)
      )
      assert.strictEqual(failed, lost)
      assert.deepStrictEqual(readdirSync(directory), [])
    })
  )

  it.live("leaves a directory without a database when the process is killed in the middle", () =>
    Effect.gen(function* () {
      const parent = yield* temporaryDirectory
      const unfinishedIn = (directory: string) =>
        existsSync(directory) ? readdirSync(directory).filter((name) => name.startsWith("pgdata.creating-")) : []
      let directory = ""
      // The process may be faster than this one.
      for (let attempt = 0; unfinishedIn(directory).length === 0; attempt++) {
        directory = join(parent, String(attempt))
        const creator = yield* child("open", directory)
        while (unfinishedIn(directory).length === 0 && !existsSync(join(directory, "pgdata"))) {
          yield* Effect.sleep("1 millis")
        }
        yield* creator.kill
      }
      assert.isFalse(existsSync(join(directory, "pgdata")))
      assert.deepStrictEqual(yield* run(schemas, { dataDir: directory }), ["backlog", "public"])
      assert.deepStrictEqual(readdirSync(directory), ["pgdata"])
    })
  )

  it.live.each([0, 0o22, 0o777])("creates files for this user only under the umask %o", (mask) =>
    Effect.gen(function* () {
      const folder = join(yield* temporaryDirectory, "pgdata")
      const files = yield* Effect.promise(() => template())
      process.umask(mask)
      yield* Effect.promise(() => writeDatabaseFiles(folder, files, owner))
      process.umask(umask)
      const modeOf = (path: string) => statSync(join(folder, path)).mode & 0o777
      const wrong = [
        ...["", ...files.folders].filter((path) => modeOf(path) !== 0o700),
        ...[...files.files.keys()].filter((path) => modeOf(path) !== 0o600)
      ]
      assert.deepStrictEqual(wrong, [])
      for (const [path, bytes] of files.files) {
        assert.isTrue(readFileSync(join(folder, path)).equals(bytes), path)
      }
    })
  )

  it.live("fails, and keeps what is there, where a file is in the way", () =>
    Effect.gen(function* () {
      const folder = join(yield* temporaryDirectory, "pgdata")
      mkdirSync(folder)
      writeFileSync(join(folder, "mine"), "mine")
      const files = yield* Effect.promise(() => template())
      const failed = yield* Effect.promise(() =>
        writeDatabaseFiles(folder, files, owner).then(
          () => undefined,
          (error: unknown) => error
        )
      )
      assert.include(String(failed), "EEXIST")
      assert.deepStrictEqual(readdirSync(folder), ["mine"])
    })
  )
})
