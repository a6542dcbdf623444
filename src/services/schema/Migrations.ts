import { Context, Effect, Layer, Schema } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import { createHash } from "node:crypto"
import { readdir, readFile } from "node:fs/promises"
import { withoutAnswerTimeout } from "../../sql/AnswerTimeout.ts"
import { databaseErrorText } from "../../sql/databaseErrors.ts"
import { inTransaction } from "../../sql/inTransaction.ts"
import { BacklogSchema, SchemaName } from "../../sql/SchemaName.ts"
import { BacklogMissing, BacklogOpening, createHint } from "./BacklogOpening.ts"
import { BacklogRoles } from "./BacklogRoles.ts"
import { grantRoles } from "./grantRoles.ts"
import { findSessionProblem } from "./findSessionProblem.ts"
import { migrationsDirectory } from "../packageFiles.ts"

/** A migration as it ships with this program. */
export interface MigrationFile {
  readonly id: number
  readonly name: string
  readonly checksum: string
  readonly statements: ReadonlyArray<string>
}

/** A migration that a backlog has. */
export interface AppliedMigration {
  readonly id: number
  readonly name: string
  /** Whether it was applied just now. */
  readonly isNew: boolean
}

/** The database cannot be brought to the shape that this program needs. Nothing was changed. */
export class MigrationRefused extends Schema.TaggedError<MigrationRefused>()("MigrationRefused", {
  schema: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `The backlog in schema ${JSON.stringify(this.schema)} cannot be used: ${this.problem}`
  }
}

const oldestServer = 150_000
const separator = /^--;;[ \t]*$/m

/**
 * The shape of the database: numbered `.sql` files, applied in order when a layer is built. Safe when many processes
 * start at once. Each file's checksum is kept: an edited or missing migration, or one from a newer program, is refused.
 * Where nothing is missing it only reads, so any role that may read the table of migrations can start. The roles that
 * `BacklogRoles` names get what they need. Where `BacklogOpening` says `existing`, and on a hot standby, nothing is created
 * or applied: what is missing is an error.
 */
export class Migrations extends Context.Service<Migrations, { readonly applied: ReadonlyArray<AppliedMigration> }>()(
  "mosaic-backlog/services/Migrations"
) {
  static readonly layer: Layer.Layer<
    Migrations,
    BacklogMissing | MigrationRefused | SqlError.SqlError,
    SqlClient.SqlClient
  > = Layer.effect(
    Migrations,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const schema = yield* BacklogSchema
      const roles = yield* BacklogRoles
      const { onCreated, onMigrated, opening } = yield* BacklogOpening
      const table = sql(`${schema}.migrations`)
      const refuse = (problem: string) => new MigrationRefused({ schema, problem })

      if (!Schema.is(SchemaName)(schema)) {
        return yield* refuse(
          "a schema's name is lower case letters, digits and underscores, not beginning with a digit, at most 63"
        )
      }
      const files = yield* readMigrations
      // By itself: an older server may not understand what follows.
      const [version] = yield* sql<{ readonly number: string; readonly name: string }>`
          SELECT pg_catalog.current_setting('server_version_num') AS number,
            pg_catalog.current_setting('server_version') AS name`
      if (Number(version?.number) < oldestServer) {
        return yield* refuse(`the server is Postgres ${version?.name}, and it takes Postgres 15 or newer`)
      }
      const problem = yield* findSessionProblem(sql)
      if (problem !== undefined) return yield* refuse(problem)

      // By the catalog, which every role may read: a role that may not use the schema gets that as the error.
      const [server] = yield* sql<Server>`
          SELECT current_database()::text AS database, pg_is_in_recovery() AS "isReplica",
            current_user::text AS role, pg_get_userbyid(coalesce(relowner, nspowner))::text AS owner,
            pg_class.oid IS NOT NULL AS exists,
            has_schema_privilege(pg_namespace.oid, 'USAGE') AND has_table_privilege(pg_class.oid, 'SELECT') AS "mayRead",
            CASE WHEN pg_class.oid IS NOT NULL THEN pg_has_role(relowner, 'USAGE')
              WHEN pg_namespace.oid IS NOT NULL THEN has_schema_privilege(pg_namespace.oid, 'CREATE')
              ELSE has_database_privilege(current_database(), 'CREATE') END AS "mayMigrate"
          FROM (SELECT 1) AS one LEFT JOIN pg_namespace ON nspname = ${schema}
            LEFT JOIN pg_class ON relnamespace = pg_namespace.oid AND relname = 'migrations'`
      if (server === undefined) return yield* Effect.die(new Error("the catalog returned no row"))
      const role = JSON.stringify(server.role)
      const owner =
        server.owner === null ? "a role that may create schemas" : `its owner ${JSON.stringify(server.owner)}`
      if (server.exists && server.mayRead !== true) {
        return yield* refuse(`the role ${role} may not read it: have ${owner} grant it a part in the backlog`)
      }

      const readApplied = sql<{ readonly id: number; readonly name: string; readonly checksum: string }>`
          SELECT id, name, checksum FROM ${table} ORDER BY id`

      /** The migrations that are still to be applied, or why those that were do not fit this program. */
      const pendingAfter = (
        applied: ReadonlyArray<{ readonly id: number; readonly name: string; readonly checksum: string }>
      ) => {
        for (const [index, row] of applied.entries()) {
          const file = files[index]
          if (file === undefined) {
            return refuse(
              `it has migration ${row.id} (${row.name}), which this program does not know: use a newer version of the program`
            )
          }
          if (file.id !== row.id)
            return refuse(`migration ${file.id} (${file.name}) was never applied, but ${row.id} was`)
          if (file.checksum !== row.checksum) {
            return refuse(`migration ${row.id} (${row.name}) was edited after it had been applied`)
          }
        }
        return files.slice(applied.length)
      }

      // No advisory lock, which every session of the database can take. The first of two that create the same schema or table
      // makes the second wait; that one then fails with a name that is taken, and starts again.
      const applyPending = Effect.gen(function* () {
        const found = yield* sql`SELECT oid FROM pg_namespace WHERE nspname = ${schema}`
        if (found.length === 0) yield* sql`CREATE SCHEMA ${sql(schema)}`
        yield* sql`CREATE TABLE IF NOT EXISTS ${table} (
            id integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,
            applied_at timestamptz NOT NULL DEFAULT clock_timestamp())`
        yield* sql`LOCK TABLE ${table} IN EXCLUSIVE MODE`
        const pending = pendingAfter(yield* readApplied)
        if (pending instanceof MigrationRefused) return yield* pending
        for (const file of pending) {
          yield* runStatements(sql, schema, file)
          yield* sql`INSERT INTO ${table} (id, name, checksum) VALUES (${file.id}, ${file.name}, ${file.checksum})`
        }
        if (namesRoles) yield* grantRoles(sql, schema, roles, refuse)
        return pending
      })

      const namesRoles = Object.values(roles).some((name) => name !== undefined)
      const known = server.exists ? pendingAfter(yield* readApplied) : files
      if (known instanceof MigrationRefused) return yield* known
      const isReady = known.length === 0 && !namesRoles
      const [first] = known
      if (!isReady && (opening !== "create" || server.isReplica)) {
        if (!server.exists) {
          return yield* new BacklogMissing({
            place: `schema ${JSON.stringify(schema)} of the database ${JSON.stringify(server.database)}`,
            schema,
            toDo: server.isReplica ? createOnPrimary : createHint
          })
        }
        return yield* refuse(
          first === undefined
            ? server.isReplica
              ? "its roles can be granted on the primary server only, and this is a read-only replica"
              : 'roles are granted only with `opening: "create"`: leave them out, or run `backlog migrate`'
            : `migration ${first.id} (${first.name}) is missing: ${server.isReplica ? migratePrimary : `run \`backlog migrate\` as ${owner}`}`
        )
      }
      if (!isReady && !server.mayMigrate) {
        const what =
          first === undefined
            ? "grant roles a part in it"
            : server.exists
              ? `apply migration ${first.id} (${first.name}), which it does not have yet`
              : "make it, and there is none yet"
        return yield* refuse(`the role ${role} may not ${what}: migrate as ${owner}`)
      }
      const appliedNow = isReady
        ? []
        : yield* withoutAnswerTimeout(inTransaction(sql)(applyPending)).pipe(
            Effect.retry({ while: isNameTaken, times: maxTries - 1 }),
            Effect.catchIf(isNotPermitted, (error) =>
              refuse(`the role ${role} may not do all that this takes: ${databaseErrorText(error)}`)
            )
          )
      const isNew = new Set(appliedNow.map((file) => file.id))
      if (appliedNow.length === files.length) yield* onCreated(schema)
      else if (appliedNow.length > 0)
        yield* onMigrated(
          schema,
          appliedNow.map(({ name }) => name)
        )
      return Migrations.of({ applied: files.map(({ id, name }) => ({ id, name, isNew: isNew.has(id) })) })
    })
  )
}

const createOnPrimary =
  "This server is a read-only replica: create the backlog on its primary server, and wait until it is replicated."
const migratePrimary = "this server is a read-only replica, so run `backlog migrate` on its primary server"

/** The server, and who this program is on it. */
interface Server {
  readonly database: string
  /** Whether it is a hot standby, which takes no writes. */
  readonly isReplica: boolean
  readonly role: string
  /** Of the table of migrations, else of the schema, if there is one. */
  readonly owner: string | null
  /** Whether there is a backlog in the schema. */
  readonly exists: boolean
  /** Null when there is nothing to read. */
  readonly mayRead: boolean | null
  readonly mayMigrate: boolean
}

/** Another program created the schema or the table of migrations meanwhile. */
const isNameTaken = (error: unknown): boolean => {
  if (!SqlError.isSqlError(error)) return false
  const { reason } = error
  return reason._tag === "UniqueViolation"
    ? reason.constraint.startsWith("pg_")
    : nameTaken.has(String(Reflect.get(Object(reason.cause), "code")))
}

/** SQLSTATE duplicate_schema and duplicate_table. */
const nameTaken: ReadonlySet<string> = new Set(["42P06", "42P07"])

/** How often a migration is tried that another program was faster than. */
const maxTries = 20

const isNotPermitted = (error: unknown): error is SqlError.SqlError =>
  SqlError.isSqlError(error) && error.reason._tag === "AuthorizationError"

const runStatements = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, schema: string, file: MigrationFile) {
  yield* sql`SELECT set_config('search_path', ${schema}, true)`
  // One message for all: a new backlog has many statements, and its tables are created for every rebuild too.
  const executed = file.statements.map((statement) => `EXECUTE $statement$${statement}$statement$;`)
  yield* sql.unsafe(`DO $migration$ BEGIN\n${executed.join("\n")}\nEND $migration$`)
})

/** Makes the tables of an empty backlog in a schema that exists and is empty, in the caller's transaction. */
export const createTables = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, schema: string) {
  for (const file of yield* readMigrations) yield* runStatements(sql, schema, file)
})

/** The migrations that ship with this program. A file that is missing or misnamed is a broken installation: a defect. */
export const readMigrations: Effect.Effect<ReadonlyArray<MigrationFile>> = Effect.promise(async () => {
  const names = (await readdir(migrationsDirectory)).filter((name) => name.endsWith(".sql")).sort()
  return Promise.all(
    names.map(async (name, index) => {
      const id = Number.parseInt(name, 10)
      if (id !== index + 1)
        throw new Error(`migrations must be numbered 1, 2, 3 …; found ${name} in place ${index + 1}`)
      const text = (await readFile(new URL(name, migrationsDirectory), "utf8")).replaceAll("\r\n", "\n")
      return {
        id,
        name: name.slice(0, -".sql".length),
        checksum: createHash("sha256").update(text).digest("hex"),
        statements: text.split(separator)
      }
    })
  )
})
