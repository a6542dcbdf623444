import { Context, Effect, Layer, Option, type Scope } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import { randomBytes } from "node:crypto"
import { AuditService } from "../../../src/services/AuditService.ts"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { layerPostgres } from "../../../src/services/layers.ts"
import { freshSchema, postgresUrl } from "../../support/backlogs.ts"

/** Registers a test on a server whose user may create roles. */
export type Test = (title: string, body: Effect.Effect<void, unknown, SqlClient.SqlClient | Scope.Scope>) => void

/** A role that may log in. */
export interface Login {
  readonly name: string
  readonly url: string
}

const urlOf = (user: string, password: string): string => {
  const url = new URL(postgresUrl())
  url.username = encodeURIComponent(user)
  url.password = password
  return url.href
}

/** Formats a name as an identifier. */
export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

/** Creates a role that may only log in. It is dropped with everything it owns when the scope ends. */
export const login = (kind: string): Effect.Effect<Login, SqlError.SqlError, SqlClient.SqlClient | Scope.Scope> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    // A name that must be quoted everywhere, with a dot that must not split it.
    const name = `Test "${kind}".${randomBytes(6).toString("hex")}`
    const password = randomBytes(8).toString("hex")
    const role = sql.literal(quoted(name))
    yield* Effect.acquireRelease(sql`CREATE ROLE ${role} LOGIN PASSWORD ${sql.literal(`'${password}'`)}`, () =>
      Effect.orDie(Effect.andThen(sql`DROP OWNED BY ${role} CASCADE`, sql`DROP ROLE ${role}`))
    )
    return { name, url: urlOf(name, password) }
  })

/** Runs a statement about a role as the tests' superuser. */
export const alter = (statement: (role: string) => string, { name }: Login) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe(statement(quoted(name))))

/** A database's name, quoted. */
export const database = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.map(
    sql<{ readonly name: string }>`SELECT quote_ident(current_database()) AS name`,
    (rows) => rows[0]?.name ?? ""
  )
)

/** A new schema name, an owner who may create the schema, and a writer and an auditor without privileges. */
export const strangers = Effect.gen(function* () {
  const schema = yield* freshSchema
  const [owner, writer, auditor] = [yield* login("owner"), yield* login("writer"), yield* login("auditor")]
  const where = yield* database
  yield* alter((role) => `GRANT CREATE ON DATABASE ${where} TO ${role}`, owner)
  return { schema, owner, writer, auditor, roles: { writer: writer.name, auditor: auditor.name } }
})

type Options = Omit<Parameters<typeof layerPostgres>[0], "url">

/** A program that connects as a role. */
export const connect = ({ url }: Login, options: Options) =>
  Effect.map(Layer.build(Layer.fresh(layerPostgres({ url, poolSize: 2, ...options }))), (context) => ({
    context,
    sql: Context.get(context, SqlClient.SqlClient),
    audit: Context.get(context, AuditService),
    backlog: Context.get(context, BacklogService)
  }))

/** A backlog that its owner created and shared, and a program for each role. */
export const shared = Effect.gen(function* () {
  const { roles, schema, ...logins } = yield* strangers
  const owner = yield* connect(logins.owner, { schema, roles })
  return {
    schema,
    roles,
    logins,
    owner,
    writer: yield* connect(logins.writer, { schema }),
    auditor: yield* connect(logins.auditor, { schema })
  }
})

/** The outcome of an attempt: done, not permitted, or another error. */
export const outcome = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<string, never, R> =>
  Effect.match(effect, {
    onSuccess: () => "done",
    onFailure: (error) =>
      !SqlError.isSqlError(error)
        ? String(error)
        : error.reason._tag === "AuthorizationError"
          ? "not permitted"
          : `${error.reason._tag}: ${String(Reflect.get(Object(error.reason.cause), "message"))}`
  })

/** The outcome of a statement, whose effect is rolled back. */
export const attempt = (sql: SqlClient.SqlClient, statement: string): Effect.Effect<string> =>
  outcome(
    sql.withTransaction(Effect.andThen(sql.unsafe(statement), Effect.fail("done"))).pipe(
      Effect.catchIf(
        (error) => error === "done",
        () => Effect.void
      )
    )
  )

/** All grants in a schema, and the owners of its objects. */
export const grantsIn = (schema: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql<{ readonly name: string; readonly owner: string; readonly acl: string | null }>`
      SELECT relname AS name, pg_get_userbyid(relowner)::text AS owner,
        (SELECT array_agg(item::text ORDER BY item::text) FROM unnest(relacl) AS item)::text AS acl
      FROM pg_class WHERE relnamespace = ${schema}::regnamespace AND relkind = 'r'
      UNION ALL SELECT relname || '.' || attname, '', attacl::text
      FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
      WHERE relnamespace = ${schema}::regnamespace AND attacl IS NOT NULL
      UNION ALL SELECT nspname, pg_get_userbyid(nspowner)::text, nspacl::text FROM pg_namespace WHERE nspname = ${schema}
      UNION ALL SELECT proname, pg_get_userbyid(proowner)::text, proacl::text
      FROM pg_proc WHERE pronamespace = ${schema}::regnamespace ORDER BY 1`
  )

/** Whether the tests' user may create roles and grant them to any role. */
export const mayMakeRoles = Effect.map(
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql<{ readonly may: boolean }>`SELECT rolsuper AS may FROM pg_roles WHERE rolname = current_user`
  ),
  (rows) => Option.getOrElse(Option.fromUndefinedOr(rows[0]?.may), () => false)
)

/** Makes a program of a role. */
export type Connected = Effect.Success<ReturnType<typeof connect>>

/** Runs the body of a test. Skips it, with the reason, where the server's user cannot create roles. */
export const whereRolesCanBeCreated = <A, E, R>(
  context: { readonly skip: (reason: string) => never },
  body: Effect.Effect<A, E, R>
) =>
  Effect.flatMap(mayMakeRoles, (makesRoles) =>
    makesRoles
      ? Effect.scoped(body)
      : Effect.sync(() => context.skip("the server's user is not a superuser and cannot create roles"))
  )

/** The modes in which a role that may write a table can lock it. */
export const writersLockModes = [
  "ROW EXCLUSIVE",
  "SHARE UPDATE EXCLUSIVE",
  "SHARE",
  "SHARE ROW EXCLUSIVE",
  "EXCLUSIVE",
  "ACCESS EXCLUSIVE"
]
