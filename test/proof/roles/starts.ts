import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { expect } from "vitest"
import { MigrationRefused } from "../../../src/services/schema/Migrations.ts"
import { json } from "../../cli/support.ts"
import { alter, connect, grantsIn, login, type Login, shared, strangers, type Test } from "./support.ts"
import { audited, work } from "./work.ts"

const refusedStart = (who: Login, options: Parameters<typeof connect>[1]) =>
  Effect.map(Effect.flip(Effect.scoped(connect(who, options))), (error) => {
    if (!(error instanceof MigrationRefused)) throw error
    return error.problem
  })

/** How roles get their privileges, and the messages of starts. */
export const starts = (test: Test): void => {
  test(
    "concurrent starts grant the privileges once",
    Effect.gen(function* () {
      const { auditor, owner, roles, schema, writer } = yield* strangers
      yield* Effect.all(
        Array.from({ length: 5 }, () => connect(owner, { schema, roles })),
        { concurrency: "unbounded" }
      )
      yield* work(yield* connect(writer, { schema }), "w")
      yield* audited(yield* connect(auditor, { schema }))
    })
  )

  test(
    "a start without changes waits for no lock",
    Effect.gen(function* () {
      const { auditor, logins, owner, roles, schema } = yield* shared
      // A start that would wait fails instead.
      yield* alter((role) => `ALTER ROLE ${role} SET lock_timeout = '100ms'`, logins.owner)
      yield* auditor.sql.withTransaction(
        Effect.gen(function* () {
          yield* auditor.sql`SELECT FROM ${auditor.sql(`${schema}.cards`)}`
          yield* owner.sql.withTransaction(
            Effect.gen(function* () {
              // The lock that a rebuild takes when it swaps the tables, or a vacuum.
              yield* owner.sql`LOCK TABLE ${owner.sql(`${schema}.cards`)} IN SHARE UPDATE EXCLUSIVE MODE`
              yield* connect(logins.owner, { schema, roles })
              yield* connect(logins.owner, { schema, roles: { ...roles, owner: logins.owner.name } })
            })
          )
        })
      )
    })
  )

  test(
    "a start without privileges fails with a message that names the role and the remedy",
    Effect.gen(function* () {
      const admin = yield* SqlClient.SqlClient
      const { auditor, owner, roles, schema, writer } = yield* strangers
      expect(yield* refusedStart(writer, { schema })).toBe(
        `the role ${JSON.stringify(writer.name)} may not create it, and it does not exist yet: migrate as a role that may create schemas`
      )
      yield* connect(owner, { schema })
      const its = `its owner ${JSON.stringify(owner.name)}`
      for (const stranger of [writer, auditor]) {
        expect(yield* refusedStart(stranger, { schema })).toBe(
          `the role ${JSON.stringify(stranger.name)} may not read it: ask ${its} to grant it a role in the backlog`
        )
      }
      yield* connect(owner, { schema, roles })
      yield* connect(writer, { schema })
      yield* connect(auditor, { schema })
      expect(yield* refusedStart(writer, { schema, roles })).toBe(
        `the role ${JSON.stringify(writer.name)} may not grant roles in it: migrate as ${its}`
      )
      yield* admin`DELETE FROM ${admin(`${schema}.migrations`)} WHERE id > 3`
      for (const late of [writer, auditor]) {
        expect(yield* refusedStart(late, { schema })).toBe(
          `the role ${JSON.stringify(late.name)} may not apply migration 4 (0004_receipts), which is missing: migrate as ${its}`
        )
      }
      const ran = yield* Effect.promise(() => json(["stats", "--db", writer.url, "--schema", schema]))
      expect([ran.code, ran.error._tag]).toEqual([6, "MigrationRefused"])
      expect(ran.error.message).toContain(`migration 4 (0004_receipts) is missing: run \`backlog migrate\` as ${its}`)
    })
  )

  test(
    "unsuitable roles are refused without any change",
    Effect.gen(function* () {
      const admin = yield* SqlClient.SqlClient
      const { auditor, owner, roles, schema, writer } = yield* strangers
      const exists = Effect.map(admin`SELECT FROM pg_namespace WHERE nspname = ${schema}`, (rows) => rows.length > 0)
      const other = yield* login("other")
      const superuser = yield* login("superuser")
      yield* alter((role) => `ALTER ROLE ${role} SUPERUSER`, superuser)
      const wrong: ReadonlyArray<readonly [object, RegExp]> = [
        [{ writer: "no such role" }, /there is no role "no such role" on the server/],
        [{ auditor: "" }, /there is no role ""/],
        [{ auditor: "public" }, /there is no role "public"/],
        [{ writer: "a\u0000b" }, /there is no role/],
        [{ owner: `${owner.name}x` }, /there is no role/],
        [{ writer: writer.name, auditor: writer.name }, /is given twice/],
        [{ owner: owner.name, writer: owner.name }, /is given twice/],
        [{ writer: owner.name }, /the writer .* is a superuser, or the owner/],
        [{ auditor: superuser.name }, /the auditor .* is a superuser, or the owner/],
        [{ ...roles, owner: other.name }, /lacks a privilege for this: must be (able to SET ROLE|member of)/]
      ]
      for (const [given, problem] of wrong) {
        expect(yield* refusedStart(owner, { schema, roles: given })).toMatch(problem)
        expect(yield* exists).toBe(false)
      }

      yield* connect(owner, { schema, roles })
      const grants = yield* grantsIn(schema)
      // The owner cannot revoke a privilege that comes through another role.
      yield* alter((role) => `GRANT pg_write_all_data TO ${role}`, auditor)
      expect(yield* refusedStart(owner, { schema, roles })).toMatch(
        /^the auditor .* would still have (INSERT|UPDATE|DELETE).* on \w+, from another role/
      )
      yield* alter((role) => `REVOKE pg_write_all_data FROM ${role}`, auditor)
      yield* alter((role) => `GRANT ${role} TO "${writer.name.replaceAll('"', '""')}"`, owner)
      expect(yield* refusedStart(owner, { schema, roles })).toMatch(/the writer .* or a member of it/)
      yield* alter((role) => `REVOKE ${role} FROM "${writer.name.replaceAll('"', '""')}"`, owner)
      expect(yield* grantsIn(schema)).toEqual(grants)

      // The owner can revoke its own grants and those to PUBLIC.
      yield* admin`GRANT UPDATE, DELETE ON ${admin(`${schema}.events`)} TO PUBLIC`
      yield* alter((role) => `GRANT UPDATE (body), TRUNCATE ON ${schema}.cards TO ${role}`, auditor)
      yield* alter((role) => `GRANT CREATE ON SCHEMA ${schema} TO ${role}`, writer)
      yield* connect(owner, { schema, roles })
      expect(yield* grantsIn(schema)).toEqual(grants)
    })
  )
}
