import { describe, it as plainIt, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { expect } from "vitest"
import { layerPostgresClient } from "../../../src/services/postgres/PostgresClient.ts"
import { BacklogOpening } from "../../../src/services/schema/BacklogOpening.ts"
import { functionNames, typeNames } from "../../../src/services/schema/BacklogRoles.ts"
import { MigrationRefused, readMigrations } from "../../../src/services/schema/Migrations.ts"
import { json } from "../../cli/support.ts"
import {
  alter,
  connect,
  type Login,
  shared,
  strangers,
  type Test,
  whereRolesCanBeCreated
} from "../../proof/roles/support.ts"
import { audited, work } from "../../proof/roles/work.ts"
import { freshSchema, postgresClient, postgresUrl } from "../../support/backlogs.ts"
import { ownDatabase } from "../../support/ownDatabase.ts"
import { wayBack } from "../../support/wayBack.ts"

describe("functions of commands", () => {
  plainIt("on PGlite", (test) => test.skip("an embedded database has one role and one schema"))
})

const removeFunctions = (sql: SqlClient.SqlClient, schema: string) =>
  sql.withTransaction(Effect.forEach(wayBack(schema), (statement) => sql.unsafe(statement), { discard: true }))

/** Everything in a schema, without its name. */
const contentsOf = (sql: SqlClient.SqlClient, schema: string) =>
  Effect.map(
    sql<{ readonly what: string }>`
      SELECT pg_get_indexdef(oid) AS what FROM pg_class WHERE relnamespace = ${schema}::regnamespace AND relkind = 'i'
      UNION ALL SELECT concat_ws(' ', relname, attname, format_type(atttypid, atttypmod), attnotnull, attstattarget)
      FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
      WHERE relnamespace = ${schema}::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped
      UNION ALL SELECT concat_ws(' ', relname, reloptions::text) FROM pg_class
      WHERE relnamespace = ${schema}::regnamespace AND relkind = 'r'
      UNION ALL SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid)) FROM pg_constraint
      WHERE connamespace = ${schema}::regnamespace
      UNION ALL SELECT pg_get_triggerdef(pg_trigger.oid) FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
      WHERE relnamespace = ${schema}::regnamespace
      UNION ALL SELECT concat_ws(' ', 'grants', relname, relacl::text) FROM pg_class
      WHERE relnamespace = ${schema}::regnamespace AND relkind = 'r'
      UNION ALL SELECT concat_ws(' ', 'grants', proname, proacl::text) FROM pg_proc
      WHERE pronamespace = ${schema}::regnamespace
      UNION ALL SELECT concat_ws(' ', proname, prosrc, proconfig::text) FROM pg_proc
      WHERE pronamespace = ${schema}::regnamespace
      UNION ALL SELECT typname FROM pg_type WHERE typnamespace = ${schema}::regnamespace`,
    (rows) => rows.map(({ what }) => what.replaceAll(schema, "here")).sort()
  )

const refusal = (who: Login, options: Parameters<typeof connect>[1]) =>
  Effect.map(Effect.flip(Effect.scoped(connect(who, options))), (error) =>
    error instanceof MigrationRefused ? error.problem : String(error)
  )

layer(postgresClient(4), { timeout: "60 seconds", excludeTestServices: true })(
  "functions of commands, on a Postgres server",
  (it) => {
    const test: Test = (title, body) => it.effect(title, (context) => whereRolesCanBeCreated(context, body))

    test(
      "every function and type of the schema is known, and none can be used by the public",
      Effect.gen(function* () {
        const admin = yield* SqlClient.SqlClient
        const { schema } = yield* shared
        const functions = yield* admin<{ readonly name: string; readonly isPublic: boolean }>`
          SELECT proname::text AS name,
            EXISTS (SELECT FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) WHERE grantee = 0) AS "isPublic"
          FROM pg_proc WHERE pronamespace = ${schema}::regnamespace AND (prorettype <> 'trigger'::regtype OR prosecdef)
            AND proname <> 'server_identity' ORDER BY 1`
        expect(functions).toEqual([...functionNames].sort().map((name) => ({ name, isPublic: false })))
        const types = yield* admin<{ readonly name: string }>`
          SELECT typname::text AS name FROM pg_type JOIN pg_class ON pg_class.oid = typrelid
          WHERE typnamespace = ${schema}::regnamespace AND relkind = 'c'`
        expect(types.map(({ name }) => name).sort()).toEqual([...typeNames].sort())
        const settings = yield* admin<{ readonly path: string }>`
          SELECT DISTINCT (SELECT setting FROM unnest(proconfig) AS setting WHERE setting LIKE 'search_path=%') AS path
          FROM pg_proc WHERE pronamespace = ${schema}::regnamespace AND prosecdef`
        expect(settings).toEqual([{ path: `search_path=pg_catalog, ${schema}, pg_temp` }])
      })
    )

    test(
      "the statements of docs/upgrading.md leave exactly what migrations 1 to 10 create, and migrate restores the functions",
      Effect.gen(function* () {
        const admin = yield* SqlClient.SqlClient
        const { auditor, logins, owner, roles, schema, writer } = yield* shared
        yield* work(writer, "before")
        const now = yield* contentsOf(admin, schema)
        yield* removeFunctions(owner.sql, schema)
        const old = yield* freshSchema
        yield* admin`CREATE SCHEMA ${admin(old)}`
        yield* admin.withTransaction(
          Effect.gen(function* () {
            yield* admin`SELECT set_config('search_path', ${old}, true)`
            for (const { id, statements } of yield* readMigrations) {
              if (id <= 10) for (const statement of statements) yield* admin.unsafe(statement)
            }
          })
        )
        const without = (contents: ReadonlyArray<string>) =>
          contents.filter((what) => !what.includes("migrations") && !what.startsWith("grants"))
        expect(without(yield* contentsOf(admin, schema))).toEqual(without(yield* contentsOf(admin, old)))

        expect(yield* refusal(logins.writer, { schema })).toMatch(/may not apply migration 11 \(0011_commands\)/)
        // A superuser applies it: the functions would run with its privileges.
        yield* connect({ name: "superuser", url: postgresUrl() }, { schema, roles })
        expect(yield* contentsOf(admin, schema)).toEqual(now)
        const [strange] = yield* admin`
          SELECT FROM pg_proc WHERE pronamespace = ${schema}::regnamespace
            AND pg_get_userbyid(proowner) <> ${logins.owner.name}
          UNION ALL SELECT FROM pg_type WHERE typnamespace = ${schema}::regnamespace
            AND pg_get_userbyid(typowner) <> ${logins.owner.name}`
        expect(strange).toBeUndefined()
        yield* work(writer, "after")
        yield* audited(auditor)
      })
    )

    test(
      "a backlog whose schema was renamed is refused until its owner has migrated it",
      Effect.gen(function* () {
        const { logins, owner, roles, schema, writer } = yield* shared
        yield* work(writer, "w")
        const renamed = yield* freshSchema
        yield* owner.sql`ALTER SCHEMA ${owner.sql(schema)} RENAME TO ${owner.sql(renamed)}`
        // A backlog of the old name: commands for the renamed one would change it.
        const other = yield* connect(logins.owner, { schema, roles })
        const elsewhere = /work on the tables of another schema/
        expect(yield* refusal(logins.writer, { schema: renamed })).toMatch(elsewhere)
        expect(
          yield* Effect.provideService(
            refusal(logins.owner, { schema: renamed, opening: "existing" }),
            BacklogOpening,
            {
              opening: "existing",
              onCreated: () => Effect.void,
              onMigrated: () => Effect.void
            }
          )
        ).toMatch(elsewhere)
        const admin = yield* SqlClient.SqlClient
        yield* admin.unsafe(`GRANT EXECUTE ON FUNCTION ${renamed}.current_time_v1 TO PUBLIC`)
        yield* admin.unsafe(`ALTER FUNCTION ${renamed}.lock_head_v1 OWNER TO CURRENT_USER`)
        const findings = Effect.promise(async () => {
          const { data } = await json(["doctor", "--db", postgresUrl(), "--schema", renamed])
          const found = data.findings as ReadonlyArray<{ readonly check: string; readonly what: string }>
          return found.flatMap(({ check, what }) => (check === "functions" ? [what] : []))
        })
        const misdirected = "works on the tables of another schema: this one was renamed."
        expect(yield* findings).toEqual([
          `The function lock_and_load_v4 ${misdirected}`,
          `The function append_and_project_v4 ${misdirected}`,
          `The function change_card_v1 ${misdirected}`,
          `The function lock_and_load_v3 ${misdirected}`,
          `The function append_and_project_v3 ${misdirected}`,
          `The function lock_and_load_v2 ${misdirected}`,
          `The function append_and_project_v2 ${misdirected}`,
          `The function lock_and_load_v1 ${misdirected}`,
          `The function append_and_project_v1 ${misdirected}`,
          `The function begin_generation_v1 ${misdirected}`,
          `The function lock_head_v1 ${misdirected}`,
          `The function record_verification_v1 ${misdirected}`,
          `The function record_anchor_v1 ${misdirected}`,
          "The function current_time_v1 can be executed by every role that may use the schema.",
          `The function index_created_cards_v1 ${misdirected}`,
          `The function index_changed_labels_v1 ${misdirected}`,
          `The function index_changed_text_v1 ${misdirected}`,
          `The function unindex_card_v1 ${misdirected}`
        ])
        yield* connect({ name: "superuser", url: postgresUrl() }, { schema: renamed })
        expect((yield* findings)[0]).toMatch(/^The function lock_head_v1 does not belong to the owner of the tables/)
        yield* connect(
          { name: "superuser", url: postgresUrl() },
          { schema: renamed, roles: { ...roles, owner: logins.owner.name } }
        )
        expect(yield* findings).toEqual(["The functions that carry out commands are complete."])
        yield* work(yield* connect(logins.writer, { schema: renamed }), "after")
        yield* audited(yield* connect(logins.auditor, { schema: renamed }))
        expect((yield* other.audit.anchor()).position).toBe(0)
      })
    )

    test(
      "a role that may not create functions gets an error with the missing privilege",
      Effect.gen(function* () {
        const { name, url } = yield* ownDatabase
        const within = yield* Layer.build(Layer.fresh(layerPostgresClient({ url, poolSize: 1 })))
        const { owner, schema } = yield* strangers
        yield* alter((role) => `GRANT CREATE ON DATABASE ${name} TO ${role}`, owner)
        const there = new URL(owner.url)
        there.pathname = `/${name}`
        const login = { name: owner.name, url: there.href }
        const role = `"${owner.name.replaceAll('"', '""')}"`
        const start = refusal(login, { schema })
        const run = (statement: string) =>
          Effect.provide(
            Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe(statement)),
            within
          )
        yield* run("REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC")
        expect(yield* start).toBe(
          `the role ${JSON.stringify(owner.name)} may not create the functions of migration 1 (0001_event_log): it lacks ` +
            `USAGE on the language plpgsql. Grant it as a superuser: GRANT USAGE ON LANGUAGE plpgsql TO ${role}`
        )
        yield* run(`GRANT USAGE ON LANGUAGE plpgsql TO ${role}`)
        yield* connect(login, { schema })
        const admin = yield* Effect.provide(SqlClient.SqlClient, within)
        yield* removeFunctions(admin, schema)
        yield* run(`ALTER SCHEMA ${schema} OWNER TO CURRENT_USER`)
        yield* run(`GRANT USAGE ON SCHEMA ${schema} TO ${role}`)
        expect(yield* start).toMatch(
          /migration 11 .*: it lacks CREATE on the schema\. Grant it as the schema's owner: GRANT/
        )
        yield* run(`GRANT CREATE ON SCHEMA ${schema} TO ${role}`)
        yield* Effect.scoped(connect(login, { schema }))
        yield* run(`DROP OWNED BY ${role} CASCADE`)
        yield* run("DROP EXTENSION plpgsql CASCADE")
        yield* run(`GRANT CREATE ON DATABASE ${name} TO ${role}`)
        expect(yield* refusal(login, { schema: `new_${schema}` })).toMatch(
          /has no language plpgsql.*CREATE EXTENSION plpgsql/
        )
      })
    )
  }
)
