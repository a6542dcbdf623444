import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { expect } from "vitest"
import { BacklogSchema } from "../../../src/sql/SchemaName.ts"
import { AccessTokens, AccessTokenStaleness } from "../../../src/services/access/AccessTokens.ts"
import { attempt, type Connected, grantsIn, outcome, shared, type Test, writersLockModes } from "./support.ts"
import { audited, work } from "./work.ts"

/** The privileges of each role on each table: SELECT, updatable columns, INSERT and DELETE. */
const may: Readonly<Record<"writer" | "auditor", Readonly<Record<string, ReadonlyArray<string>>>>> = {
  writer: {
    graph_lock: [],
    rebuild_lock: [],
    events: ["SELECT"],
    head: ["SELECT"],
    card_search: ["SELECT"],
    cards: ["SELECT"],
    claimable_labels: ["SELECT"],
    dependencies: ["SELECT"],
    receipts: ["SELECT"],
    checkpoints: ["SELECT", "INSERT", "UPDATE position", "UPDATE updated_at"],
    erasures: ["SELECT"],
    keyframes: ["SELECT"],
    verifications: ["SELECT"],
    anchors: ["SELECT"],
    parked_events: ["SELECT", "INSERT", "DELETE", "UPDATE parked_at", "UPDATE reason"],
    access_tokens: ["SELECT", "UPDATE last_used_at"],
    counts: ["SELECT"],
    migrations: ["SELECT"]
  },
  auditor: {
    graph_lock: [],
    rebuild_lock: [],
    events: ["SELECT"],
    head: ["SELECT"],
    card_search: ["SELECT"],
    cards: ["SELECT"],
    claimable_labels: ["SELECT"],
    dependencies: ["SELECT"],
    receipts: [],
    checkpoints: ["SELECT"],
    erasures: ["SELECT"],
    keyframes: ["SELECT"],
    verifications: ["SELECT"],
    anchors: ["SELECT"],
    parked_events: ["SELECT"],
    access_tokens: [],
    counts: ["SELECT"],
    migrations: ["SELECT"]
  }
}

/** The functions that each role may execute, except those of triggers, which only triggers can call. */
const mayExecute: Readonly<Record<"writer" | "auditor", ReadonlyArray<string>>> = {
  writer: [
    "append_and_project_v1",
    "append_and_project_v2",
    "append_and_project_v3",
    "append_and_project_v4",
    "begin_generation_v1",
    "change_card_v1",
    "lock_and_load_v1",
    "lock_and_load_v2",
    "lock_and_load_v3",
    "lock_and_load_v4",
    "lock_head_v1",
    "record_anchor_v1",
    "record_verification_v1",
    "server_identity"
  ],
  auditor: ["record_anchor_v1", "record_verification_v1", "search_document_v1", "server_identity"]
}

/** What each role can and cannot do with its own SQL. */
export const privileges = (test: Test): void => {
  test(
    "each role has exactly the privileges that it needs on every table, column, function and type",
    Effect.gen(function* () {
      const admin = yield* SqlClient.SqlClient
      const { auditor, logins, schema, writer } = yield* shared
      yield* work(writer, "w")
      const columns = yield* admin<{ readonly table: string; readonly column: string }>`
        SELECT relname AS "table", attname AS "column" FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
        WHERE relnamespace = ${schema}::regnamespace AND relkind = 'r' AND attnum > 0 ORDER BY 1, 2`
      const tables = [...new Set(columns.map(({ table }) => table))]
      // A new table is accessible to no role.
      expect(Object.keys(may.writer).sort()).toEqual(tables)
      expect(Object.keys(may.auditor).sort()).toEqual(tables)
      for (const [role, { sql }] of Object.entries({ writer, auditor }) as ReadonlyArray<
        ["writer" | "auditor", Connected]
      >) {
        for (const table of tables) {
          const name = `${schema}.${table}`
          const own = columns.flatMap((one) => (one.table === table ? [one.column] : []))
          const attempts: ReadonlyArray<readonly [string, string]> = [
            ["SELECT", `SELECT * FROM ${name}`],
            ["INSERT", `INSERT INTO ${name} (${own.join()}) SELECT ${own.map(() => "NULL").join()} WHERE false`],
            ["DELETE", `DELETE FROM ${name}`],
            ["TRUNCATE", `TRUNCATE ${name}`],
            ["TRIGGER", `CREATE TRIGGER x BEFORE INSERT ON ${name} EXECUTE FUNCTION ${schema}.refuse_change()`],
            ...writersLockModes.map((mode) => ["LOCK", `LOCK TABLE ${name} IN ${mode} MODE`] as const),
            ["FOR KEY SHARE", `SELECT 1 FROM ${name} FOR KEY SHARE`],
            ...own.map((column) => [`UPDATE ${column}`, `UPDATE ${name} SET ${column} = NULL WHERE false`] as const),
            ...own.map((column) => [`SELECT ${column}`, `SELECT ${column} FROM ${name}`] as const)
          ]
          const done: Array<string> = []
          for (const [what, statement] of attempts) {
            const became = yield* attempt(sql, statement)
            if (became === "done") done.push(what)
            else expect([statement, became]).toEqual([statement, "not permitted"])
          }
          const allowed = may[role][table] ?? []
          const reads = allowed.includes("SELECT") ? own.map((column) => `SELECT ${column}`) : []
          // Postgres lets a role lock a table that it may change, and rows of which it may update a column.
          const changes = allowed.filter((what) => what !== "SELECT")
          expect([role, table, done.filter((what) => what !== "LOCK" && what !== "FOR KEY SHARE").sort()]).toEqual([
            role,
            table,
            [...allowed, ...reads].sort()
          ])
          if (changes.length === 0) {
            expect([table, done.filter((what) => what === "LOCK" || what === "FOR KEY SHARE")]).toEqual([table, []])
          }
        }
        const functions = yield* admin<{ readonly name: string; readonly isTrigger: boolean }>`
          SELECT proname AS name, prorettype = 'trigger'::regtype AS "isTrigger" FROM pg_proc
          WHERE pronamespace = ${schema}::regnamespace
            AND has_function_privilege(${logins[role].name}, oid, 'EXECUTE')
          ORDER BY 1`
        expect([role, functions.flatMap(({ isTrigger, name }) => (isTrigger ? [] : [name]))]).toEqual([
          role,
          mayExecute[role]
        ])
        // A role that could use a type could create objects that keep it from being dropped.
        expect(
          yield* admin`SELECT typname FROM pg_type JOIN pg_class ON pg_class.oid = typrelid
            WHERE typnamespace = ${schema}::regnamespace AND relkind = 'c'
              AND has_type_privilege(${logins[role].name}, pg_type.oid, 'USAGE')`
        ).toEqual([])
      }
    })
  )

  test(
    "only the owner can change the log or the triggers that protect it",
    Effect.gen(function* () {
      const admin = yield* SqlClient.SqlClient
      const { auditor, logins, owner, schema, writer } = yield* shared
      yield* work(writer, "w")
      const others = yield* shared
      const [superuser] = yield* admin<{ readonly name: string }>`SELECT quote_ident(current_user) AS name`
      yield* work(others.writer, "theirs")
      const [log, head] = [`${schema}.events`, `${schema}.head`]
      const statements = [
        `UPDATE ${log} SET data = '{}'`,
        `UPDATE ${log} SET data = data - 'title', commitments = commitments WHERE position = 1`,
        `UPDATE ${log} SET position = position + 100`,
        `DELETE FROM ${log} WHERE position = (SELECT max(position) FROM ${log})`,
        `TRUNCATE ${log}, ${head}`,
        `WITH gone AS (DELETE FROM ${log} RETURNING 1) SELECT * FROM gone`,
        `INSERT INTO ${log} SELECT * FROM ${log} LIMIT 1 ON CONFLICT (position) DO UPDATE SET data = '{}'`,
        `MERGE INTO ${log} AS a USING ${log} AS b ON a.position = b.position WHEN MATCHED THEN DELETE`,
        `SELECT * FROM ${log} FOR UPDATE`,
        `DELETE FROM ${head}`,
        `DELETE FROM ${schema}.cards`,
        `INSERT INTO ${schema}.migrations (id, name, checksum) VALUES (99, 'x', 'x')`,
        `UPDATE ${schema}.migrations SET checksum = 'x'`,
        `ALTER TABLE ${log} DISABLE TRIGGER ALL`,
        `ALTER TABLE ${log} DISABLE TRIGGER events_append_only`,
        `ALTER TABLE ${log} DISABLE RULE x`,
        `ALTER TABLE ${log} DROP CONSTRAINT events_card_version`,
        `ALTER TABLE ${log} ADD COLUMN x int`,
        `ALTER TABLE ${log} RENAME TO evnets`,
        `ALTER TABLE ${log} OWNER TO CURRENT_USER`,
        `ALTER TABLE ${log} SET SCHEMA public`,
        `ALTER SCHEMA ${schema} RENAME TO other`,
        `ALTER SCHEMA ${schema} OWNER TO CURRENT_USER`,
        `DROP TRIGGER events_only_erased ON ${log}`,
        `DROP TABLE ${log}`,
        `DROP SCHEMA ${schema} CASCADE`,
        `DROP FUNCTION ${schema}.refuse_change() CASCADE`,
        `CREATE OR REPLACE FUNCTION ${schema}.refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`,
        `CREATE TABLE ${schema}.mine ()`,
        `CREATE RULE x AS ON DELETE TO ${log} DO INSTEAD NOTHING`,
        `CREATE INDEX ON ${log} (actor)`,
        `COMMENT ON TABLE ${log} IS 'x'`,
        `CREATE SCHEMA mine_${schema}`,
        "SET session_replication_role = replica",
        `SET ROLE ${superuser?.name}`,
        `SET ROLE "${logins.owner.name.replaceAll('"', '""')}"`,
        `SELECT * FROM ${others.schema}.cards`,
        `SELECT * FROM ${others.schema}.events`,
        `INSERT INTO ${others.schema}.dependencies VALUES ('a', 'b')`,
        "SELECT * FROM pg_authid",
        "SELECT pg_read_file('PG_VERSION')",
        `COPY ${log} TO '/tmp/x'`,
        `COPY ${log} TO PROGRAM 'cat'`,
        "CREATE ROLE x SUPERUSER",
        "ALTER ROLE CURRENT_USER SUPERUSER"
      ]
      const before = [yield* grantsIn(schema), yield* owner.audit.anchor()]
      for (const { sql } of [writer, auditor]) {
        for (const statement of statements) {
          expect([statement, yield* attempt(sql, statement)]).toEqual([statement, "not permitted"])
        }
        // Postgres only warns about a grant by a role without the grant option, and grants nothing.
        yield* outcome(sql.unsafe(`GRANT ALL ON ${log} TO CURRENT_USER`))
        yield* outcome(sql.unsafe(`GRANT ALL ON ${log} TO PUBLIC`))
        yield* outcome(sql.unsafe(`REVOKE ALL ON ${log} FROM "${logins.owner.name.replaceAll('"', '""')}"`))
      }
      // The owner's own statements are stopped by the triggers of the log.
      for (const statement of statements.slice(0, 5)) {
        expect([statement, yield* attempt(owner.sql, statement)]).toEqual([
          statement,
          expect.stringContaining("append-only")
        ])
      }
      const [grants, anchor] = [yield* grantsIn(schema), yield* owner.audit.anchor()]
      expect(grants).toEqual(before[0])
      expect({ ...anchor, at: 0 }).toEqual({ ...before[1], at: 0 })
      expect(yield* admin`SELECT FROM pg_namespace WHERE nspname = ${`mine_${schema}`}`).toEqual([])
      yield* audited(auditor)
    })
  )

  test(
    "a server with the writer role can check tokens and cannot create them",
    Effect.gen(function* () {
      const { auditor, owner, schema, writer } = yield* shared
      const tokensOf = ({ context }: Connected) =>
        Effect.map(
          Layer.build(
            Layer.fresh(AccessTokens.layer).pipe(
              Layer.provide([
                Layer.succeedContext(context),
                Layer.succeed(BacklogSchema)(schema),
                Layer.succeed(AccessTokenStaleness)(0)
              ])
            )
          ),
          (built) => Context.get(built, AccessTokens)
        )
      const [own, served, read] = [yield* tokensOf(owner), yield* tokensOf(writer), yield* tokensOf(auditor)]
      const input = { actor: "ann", role: "worker", createdBy: "admin" } as const
      const { secret, token } = yield* own.create(input)
      expect((yield* served.authenticate(secret)).actor).toBe("ann")
      expect(yield* outcome(served.create(input))).toBe("not permitted")
      expect(yield* outcome(served.revoke(token.id, "x"))).toBe("not permitted")
      expect(yield* outcome(read.list)).toBe("not permitted")
      yield* served.isValid(token.id)
      expect((yield* own.list)[0]?.lastUsedAt).not.toBeNull()
    })
  )
}
