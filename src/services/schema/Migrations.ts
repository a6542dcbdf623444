import { Context, Effect, Layer, Schema } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import { createHash } from "node:crypto"
import { withoutAnswerTimeout } from "../../sql/AnswerTimeout.ts"
import { databaseErrorText } from "../../sql/databaseErrors.ts"
import { inTransaction } from "../../sql/inTransaction.ts"
import { requireEffect } from "../../sql/requireEffect.ts"
import { BacklogSchema, SchemaName } from "../../sql/SchemaName.ts"
import { BacklogMissing, BacklogOpening, createHint } from "./BacklogOpening.ts"
import { BacklogRoles } from "./BacklogRoles.ts"
import { grantRoles, keepOwner, quoted } from "./grantRoles.ts"
import { misdirected, redirectFunctions } from "./functionState.ts"
import { findSessionProblem } from "./findSessionProblem.ts"
import { readMigrationFiles } from "../packageFiles.ts"

/** A migration of this package. */
export interface MigrationFile {
  readonly id: number
  readonly name: string
  readonly checksum: string
  readonly statements: ReadonlyArray<string>
}

/** A migration that was applied to a backlog. */
export interface AppliedMigration {
  readonly id: number
  readonly name: string
  /** Whether this start applied it. */
  readonly isNew: boolean
}

/**
 * The database cannot be migrated or used. Nothing was changed.
 *
 * What to do: read `problem`: run `backlog migrate` as the owner, or update the program.
 */
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
 * The schema of the database: numbered `.sql` files, which are applied in order when a layer is built. Many processes can
 * start at the same time. The checksum of each file is stored: an edited or missing migration, or one of a newer version, is
 * refused. When no migration is missing it only reads, so any role that can read the table of migrations can start. The roles
 * of `BacklogRoles` get their privileges. When `BacklogOpening` says `existing`, and on a hot standby, a missing migration is
 * an error.
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
          "the name of a schema has 1 to 63 lower case letters, digits and underscores, and does not begin with a digit"
        )
      }
      const files = yield* readMigrations
      // A statement of its own: an older server may not support the next one.
      const [version] = yield* sql<{ readonly number: string; readonly name: string }>`
          SELECT pg_catalog.current_setting('server_version_num') AS number,
            pg_catalog.current_setting('server_version') AS name`
      if (Number(version?.number) < oldestServer) {
        return yield* refuse(`the server is Postgres ${version?.name}: use Postgres 15 or newer`)
      }
      const problem = yield* findSessionProblem(sql)
      if (problem !== undefined) return yield* refuse(problem)

      // Reads the catalog, which every role can read, so that a role without access to the schema gets a clear error.
      const [server] = yield* sql<Server>`
          SELECT current_database()::text AS database, pg_is_in_recovery() AS "isReplica",
            current_user::text AS role, pg_get_userbyid(coalesce(relowner, nspowner))::text AS owner,
            pg_class.oid IS NOT NULL AS exists,
            has_schema_privilege(pg_namespace.oid, 'USAGE') AND has_table_privilege(pg_class.oid, 'SELECT') AS "mayRead",
            CASE WHEN pg_class.oid IS NOT NULL THEN pg_has_role(relowner, 'USAGE')
              WHEN pg_namespace.oid IS NOT NULL THEN has_schema_privilege(pg_namespace.oid, 'CREATE')
              ELSE has_database_privilege(current_database(), 'CREATE') END AS "mayMigrate",
            pg_namespace.oid IS NULL OR has_schema_privilege(pg_namespace.oid, 'CREATE') AS "mayCreate",
            (SELECT has_language_privilege(oid, 'USAGE') FROM pg_language WHERE lanname = 'plpgsql') AS "mayUsePlpgsql",
            EXISTS (SELECT FROM pg_proc WHERE ${misdirected(sql, schema)}) AS "isMisdirected"
          FROM (SELECT 1) AS one LEFT JOIN pg_namespace ON nspname = ${schema}
            LEFT JOIN pg_class ON relnamespace = pg_namespace.oid AND relname = 'migrations'`
      if (server === undefined) return yield* Effect.die(new Error("the catalog returned no row"))
      const role = JSON.stringify(server.role)
      const owner =
        server.owner === null ? "a role that may create schemas" : `its owner ${JSON.stringify(server.owner)}`
      if (server.exists && server.mayRead !== true) {
        return yield* refuse(`the role ${role} may not read it: ask ${owner} to grant it a role in the backlog`)
      }

      const readApplied = sql<AppliedRow>`
          SELECT id, name, checksum, applied_at = '-infinity' AS "isFromTemplate" FROM ${table} ORDER BY id`

      /** The missing migrations, or why the applied ones do not match this package. */
      const pendingAfter = (applied: ReadonlyArray<AppliedRow>) => {
        for (const [index, row] of applied.entries()) {
          const file = files[index]
          if (file === undefined) {
            return refuse(
              `it has migration ${row.id} (${row.name}), which this version does not know: use a newer version`
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

      // No advisory lock: every session of the database could take it. When two processes create the same schema or table, the
      // second waits for the first, fails because the name exists, and retries.
      const applyPending = Effect.gen(function* () {
        const schemas = yield* sql`SELECT oid FROM pg_namespace WHERE nspname = ${schema}`
        if (schemas.length === 0) yield* sql`CREATE SCHEMA ${sql(schema)}`
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
        // The functions would run with the privileges of the superuser who applies a migration.
        if (server.exists && pending.length > 0) yield* keepOwner(sql, schema)
        yield* redirectFunctions(sql, schema)
        if (namesRoles) yield* grantRoles(sql, schema, roles, refuse)
        return pending
      })

      const namesRoles = Object.values(roles).some((name) => name !== undefined)
      const found = server.exists ? yield* readApplied : []
      const known = pendingAfter(found)
      if (known instanceof MigrationRefused) return yield* known
      const isReady = known.length === 0 && !namesRoles && !server.isMisdirected
      const [first] = known
      if (!isReady && (opening !== "create" || server.isReplica)) {
        if (!server.exists) {
          return yield* new BacklogMissing({
            place: `schema ${JSON.stringify(schema)} of the database ${JSON.stringify(server.database)}`,
            schema,
            toDo: server.isReplica ? createOnPrimary : createHint
          })
        }
        if (server.isMisdirected && first === undefined) {
          return yield* refuse(
            `its functions work on the tables of another schema, because it was renamed: ${server.isReplica ? migratePrimary : `run \`backlog migrate\` as ${owner}`}`
          )
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
            ? server.isMisdirected
              ? "repair its functions, which work on the tables of another schema because it was renamed"
              : "grant roles in it"
            : server.exists
              ? `apply migration ${first.id} (${first.name}), which is missing`
              : "create it, and it does not exist yet"
        return yield* refuse(`the role ${role} may not ${what}: migrate as ${owner}`)
      }
      if (first !== undefined) {
        const missing = missingPrivilege(server, schema)
        if (missing !== undefined) {
          return yield* refuse(
            `the role ${role} may not create the functions of migration ${first.id} (${first.name}): ${missing}`
          )
        }
      }
      const appliedNow = isReady
        ? []
        : yield* withoutAnswerTimeout(inTransaction(sql)(applyPending)).pipe(
            Effect.retry({ while: isNameTaken, times: maxTries - 1 }),
            Effect.catchIf(isNotPermitted, (error) =>
              refuse(`the role ${role} lacks a privilege for this: ${databaseErrorText(error)}`)
            )
          )
      // The first start of a backlog that was copied from a template. If several programs start, one of them gets the rows.
      const copied =
        opening === "create" && found.some((row) => row.isFromTemplate)
          ? yield* sql<{ readonly id: number }>`
              UPDATE ${table} SET applied_at = clock_timestamp() WHERE applied_at = '-infinity' RETURNING id`
          : []
      const isNew = new Set([...copied, ...appliedNow].map(({ id }) => id))
      if (isNew.size === files.length) yield* requireEffect("onCreated", onCreated)(schema)
      else if (appliedNow.length > 0)
        yield* requireEffect("onMigrated", onMigrated)(
          schema,
          appliedNow.map(({ name }) => name)
        )
      return Migrations.of({ applied: files.map(({ id, name }) => ({ id, name, isNew: isNew.has(id) })) })
    })
  )
}

interface AppliedRow {
  readonly id: number
  readonly name: string
  readonly checksum: string
  /** Whether the backlog was copied from a template and has not been opened yet. */
  readonly isFromTemplate: boolean
}

const createOnPrimary =
  "This server is a read-only replica: create the backlog on its primary server, and wait until it is replicated."
const migratePrimary = "this server is a read-only replica, so run `backlog migrate` on its primary server"

/** The server, and the role of this program. */
interface Server {
  readonly database: string
  /** Whether it is a hot standby, which accepts no writes. */
  readonly isReplica: boolean
  readonly role: string
  /** The owner of the table of migrations, or else of the schema. */
  readonly owner: string | null
  /** Whether the schema contains a backlog. */
  readonly exists: boolean
  /** Null when there is no backlog. */
  readonly mayRead: boolean | null
  readonly mayMigrate: boolean
  /** Whether it may create objects in the schema, or may create the schema. */
  readonly mayCreate: boolean
  /** Null when the database has no such language. */
  readonly mayUsePlpgsql: boolean | null
  /** Whether the functions of the backlog work on the tables of another schema: the schema was renamed. */
  readonly isMisdirected: boolean
}

/** The privilege that a role lacks to migrate a backlog and to create its functions. */
const missingPrivilege = ({ mayCreate, mayUsePlpgsql, role }: Server, schema: string): string | undefined => {
  const name = quoted(role)
  if (mayUsePlpgsql === null)
    return "the database has no language plpgsql. Create it as a superuser: CREATE EXTENSION plpgsql"
  if (!mayUsePlpgsql) {
    return `it lacks USAGE on the language plpgsql. Grant it as a superuser: GRANT USAGE ON LANGUAGE plpgsql TO ${name}`
  }
  if (!mayCreate) {
    return `it lacks CREATE on the schema. Grant it as the schema's owner: GRANT CREATE ON SCHEMA ${quoted(schema)} TO ${name}`
  }
  return undefined
}

/** Whether another program created the schema or the table of migrations first. */
const isNameTaken = (error: unknown): boolean => {
  if (!SqlError.isSqlError(error)) return false
  const { reason } = error
  return reason._tag === "UniqueViolation"
    ? reason.constraint.startsWith("pg_")
    : nameTaken.has(String(Reflect.get(Object(reason.cause), "code")))
}

/** SQLSTATE duplicate_schema and duplicate_table. */
const nameTaken: ReadonlySet<string> = new Set(["42P06", "42P07"])

/** Maximum number of attempts when other programs create the same backlog. */
const maxTries = 20

const isNotPermitted = (error: unknown): error is SqlError.SqlError =>
  SqlError.isSqlError(error) && error.reason._tag === "AuthorizationError"

const runStatements = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, schema: string, file: MigrationFile) {
  yield* sql`SELECT set_config('search_path', ${schema}, true)`
  // One message for all statements: a new backlog has many, and every rebuild creates its tables too.
  const executed = file.statements.map((statement) => `EXECUTE $statement$${statement}$statement$;`)
  yield* sql.unsafe(`DO $migration$ BEGIN\n${executed.join("\n")}\nEND $migration$`)
})

/** Creates the tables of an empty backlog in an existing, empty schema, in the caller's transaction. */
export const createTables = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, schema: string) {
  for (const file of yield* readMigrations) yield* runStatements(sql, schema, file)
})

/** Reads the migrations of this package. A missing or misnamed file is a defect: the installation is broken. */
export const readMigrations: Effect.Effect<ReadonlyArray<MigrationFile>> = Effect.sync(() =>
  readMigrationFiles().map(({ name, text }, index) => {
    const id = Number.parseInt(name, 10)
    if (id !== index + 1)
      throw new Error(`migrations must be numbered 1, 2, 3 …; found ${name} at position ${index + 1}`)
    return {
      id,
      name: name.slice(0, -".sql".length),
      checksum: createHash("sha256").update(text).digest("hex"),
      statements: text.split(separator)
    }
  })
)
