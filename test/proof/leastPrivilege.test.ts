import { describe, it as plainIt, layer } from "@effect/vitest"
import { Effect, Fiber, Option, type Scope, Stream } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import { expect } from "vitest"
import { MigrationRefused } from "../../src/services/Migrations.ts"
import { cli, json } from "../cli/support.ts"
import { postgresClient, postgresUrl } from "../support/backlogs.ts"
import { until } from "../support/waiting.ts"
import {
  alter,
  attempt,
  connect,
  database,
  grantsIn,
  login,
  type Login,
  mayMakeRoles,
  outcome,
  shared,
  strangers
} from "./support/roles.ts"

type Shared = Effect.Success<typeof shared>

/** What each role may do with each table, beside SELECT: columns that it may update, and INSERT and DELETE. */
const may: Readonly<Record<"writer" | "auditor", Readonly<Record<string, ReadonlyArray<string>>>>> = {
  writer: {
    events: ["SELECT", "INSERT"],
    head: ["SELECT", "UPDATE chain_hash", "UPDATE position", "UPDATE recorded_at"],
    cards: [
      "SELECT",
      "INSERT",
      ...(
        "acceptance attempts blocked_reason body claim_expires_at claim_owner claim_token claim_ttl_seconds " +
        "claimed_at completed_at deferred not_before phase position priority result status title unmet_dependencies " +
        "updated_at version"
      )
        .split(" ")
        .map((column) => `UPDATE ${column}`)
    ],
    dependencies: ["SELECT", "INSERT", "DELETE"],
    receipts: ["SELECT", "INSERT"],
    checkpoints: ["SELECT", "INSERT", "UPDATE position", "UPDATE updated_at"],
    parked_events: ["SELECT", "INSERT", "DELETE", "UPDATE parked_at", "UPDATE reason"],
    migrations: ["SELECT"]
  },
  auditor: {
    events: ["SELECT"],
    head: ["SELECT"],
    cards: ["SELECT"],
    dependencies: ["SELECT"],
    receipts: [],
    checkpoints: ["SELECT"],
    parked_events: ["SELECT"],
    migrations: ["SELECT"]
  }
}

/** Work of every kind, as services and workers do it. */
const work = Effect.fnUntraced(function* ({ audit, backlog, sql }: Shared["writer"], prefix: string) {
  const actor = "worker"
  const id = (name: string) => `${prefix} ${name}`
  yield* backlog.create({ id: id("a"), title: "A", body: "B", acceptance: [1], commandId: id("create"), actor })
  yield* backlog.createMany({
    cards: [
      { id: id("b"), title: "B" },
      { id: id("c"), title: "C" }
    ],
    actor
  })
  yield* backlog.link({ from: id("b"), to: id("a"), actor })
  yield* backlog.link({ from: id("c"), to: id("a"), actor })
  yield* backlog.unlink({ from: id("c"), to: id("a"), actor })
  yield* backlog.revise({ id: id("a"), title: "Better", actor })
  yield* backlog.block({ id: id("c"), reason: "why", actor })
  yield* backlog.unblock({ id: id("c"), reason: "why", actor })
  const claim = { owner: "w", commandId: id("claim"), id: id("a"), actor }
  const claimed = Option.getOrThrow(yield* backlog.claim(claim))
  // The first answer, made from the log.
  expect(Option.getOrThrow(yield* backlog.claim(claim))).toEqual(claimed)
  const token = claimed.claimToken ?? 0
  yield* backlog.renew({ id: id("a"), token, actor })
  const done = yield* backlog.complete({ id: id("a"), token, result: { fine: true }, actor })
  expect(done.madeClaimable).toEqual([id("b")])
  yield* backlog.reopen({ id: id("a"), actor })
  const next = Option.getOrThrow(yield* backlog.claim({ owner: "w", actor }))
  yield* backlog.release({ id: next.id, token: next.claimToken ?? 0, retryAfterSeconds: 0, actor })
  yield* backlog.claim({ owner: "w", id: id("c"), actor })
  expect(yield* backlog.reclaim({ id: id("c"), actor })).toEqual([id("c")])
  // A caller's own transaction.
  yield* sql.withTransaction(backlog.create({ id: id("d"), title: "D", actor }))
  yield* backlog.explain(id("b"))
  yield* backlog.list({ readyOnly: true })
  yield* backlog.stats

  // And consumers of events, which are services too.
  let taken = 0
  yield* audit.consume({
    consumer: prefix,
    parkAfter: 1,
    handler: (event) => (event.position % 5 === 0 ? Effect.fail("not this one") : Effect.sync(() => void (taken += 1)))
  })
  expect(taken).toBeGreaterThan(0)
  const parked = yield* audit.parked(prefix)
  expect(yield* audit.unpark(prefix, parked[0]?.position ?? 0)).toBe(true)
})

/** Everything that an auditor does. */
const audited = Effect.fnUntraced(function* ({ audit, backlog }: Shared["auditor"]) {
  const { divergences, position } = yield* audit.verify()
  expect(divergences).toEqual([])
  const anchor = yield* audit.anchor()
  expect((yield* audit.verify({ anchor })).anchoredPosition).toBe(position)
  const events = yield* Stream.runCollect(audit.events())
  expect(events.length).toBe(position)
  const { cardId } = events[0] ?? { cardId: "" }
  expect((yield* Stream.runCollect(audit.history(cardId))).length).toBeGreaterThan(1)
  expect(Option.isSome(yield* audit.cardAt(cardId, { version: 1 }))).toBe(true)
  yield* audit.explainAt(cardId, { position })
  const past = yield* audit.backlogAt({ position: position - 1 })
  expect((yield* past.list()).length).toBeGreaterThan(0)
  const now = yield* audit.backlogAt({ position })
  expect(now.stats.total).toBe((yield* backlog.stats).total)
  expect((yield* Stream.runCollect(audit.exportLog)).length).toBe(position + 1)
  expect(Option.isSome(yield* backlog.get(cardId))).toBe(true)
  yield* backlog.explain(cardId)
  yield* backlog.list({ limit: 5 })
  yield* audit.checkpoints
  yield* audit.parked()
})

const refusedStart = (who: Login, options: Parameters<typeof connect>[1]) =>
  Effect.map(Effect.flip(Effect.scoped(connect(who, options))), (error) => {
    if (!(error instanceof MigrationRefused)) throw error
    return error.problem
  })

describe("least privilege", () => {
  plainIt("on PGlite", (test) => test.skip("an embedded database has one user, who is a superuser"))
})

layer(postgresClient(4), { timeout: "60 seconds", excludeTestServices: true })(
  "least privilege, on a Postgres server",
  (it) => {
    const onServer = <E>(title: string, body: Effect.Effect<void, E, SqlClient.SqlClient | Scope.Scope>) =>
      it.effect(title, (test) =>
        Effect.flatMap(mayMakeRoles, (makesRoles) =>
          makesRoles ? Effect.scoped(body) : Effect.sync(() => test.skip("the server's user may not make roles"))
        )
      )

    onServer(
      "lets each role do its part, before and after a rebuild",
      Effect.gen(function* () {
        const { auditor, logins, owner, roles, schema, writer } = yield* shared
        // Nothing is written at a start, whatever is looked at.
        yield* alter((role) => `ALTER ROLE ${role} SET default_transaction_read_only = on`, logins.auditor)
        const follower = yield* connect(logins.auditor, { schema })
        const heard: Array<number> = []
        const following = yield* Effect.forkChild(
          Stream.runForEach(follower.audit.events({ follow: true }), ({ position }) =>
            Effect.sync(() => void heard.push(position))
          )
        )

        yield* work(writer, "before")
        yield* audited(auditor)
        const grants = yield* grantsIn(schema)
        expect((yield* owner.audit.rebuild()).verification.divergences).toEqual([])
        expect(yield* grantsIn(schema)).toEqual(grants)
        yield* work(writer, "after")
        yield* audited(auditor)
        yield* audited(follower)

        const { erased } = yield* owner.audit.redact({ id: "after a", parts: ["body"], reason: "secret", actor: "ann" })
        expect(erased.length).toBe(1)
        expect(yield* owner.audit.pruneReceipts({ olderThanDays: 0 })).toBeGreaterThan(0)
        yield* work(owner, "owner")
        yield* audited(auditor)
        const { position } = yield* auditor.audit.anchor()
        yield* until(Effect.sync(() => heard.length === position))
        yield* Fiber.interrupt(following)

        // Once more, by a program that starts: there is nothing left to grant.
        const rows = yield* grantsIn(schema)
        yield* connect(logins.owner, { schema, roles })
        expect(yield* grantsIn(schema)).toEqual(rows)
        // And by one that knows nothing of roles.
        yield* connect(logins.owner, { schema })
        expect(yield* grantsIn(schema)).toEqual(rows)
      })
    )

    onServer(
      "keeps services from what is the owner's, and auditors from every command",
      Effect.gen(function* () {
        const { auditor, owner, writer } = yield* shared
        yield* work(writer, "w")
        const before = yield* owner.audit.anchor()
        const actor = "mallory"
        const denied = [
          ["rebuild", writer.audit.rebuild()],
          ["redact", writer.audit.redact({ id: "w a", parts: ["title"], reason: "r", actor })],
          ["prune", writer.audit.pruneReceipts({ olderThanDays: 0 })],
          ["rebuild, as auditor", auditor.audit.rebuild()],
          ["redact, as auditor", auditor.audit.redact({ id: "w a", parts: ["title"], reason: "r", actor })],
          ["prune, as auditor", auditor.audit.pruneReceipts({ olderThanDays: 0 })],
          ["create", auditor.backlog.create({ id: "x", title: "X", actor })],
          ["create once", auditor.backlog.create({ id: "x", title: "X", commandId: "x", actor })],
          ["claim", auditor.backlog.claim({ owner: "x", actor })],
          ["claim by id", auditor.backlog.claim({ owner: "x", id: "w b", actor })],
          ["revise", auditor.backlog.revise({ id: "w a", title: "X", actor })],
          ["complete", auditor.backlog.complete({ id: "w a", actor })],
          ["block", auditor.backlog.block({ id: "w a", actor })],
          ["reclaim", auditor.backlog.reclaim({ id: "w a", actor })],
          ["link", auditor.backlog.link({ from: "w a", to: "w d", actor })],
          ["consume", auditor.audit.consume({ consumer: "x", handler: () => Effect.void })],
          ["advance", auditor.audit.advance("w", 0, 1)],
          ["park", auditor.audit.park("w", 1, "r")],
          ["unpark", auditor.audit.unpark("w", 1)]
        ] as const
        for (const [what, effect] of denied) {
          expect([what, yield* outcome(effect as Effect.Effect<unknown, unknown>)]).toEqual([what, "not permitted"])
        }
        // The library's error says what was not permitted, and is the database's own.
        const error = yield* Effect.flip(auditor.backlog.create({ id: "x", title: "X", actor }))
        expect(SqlError.isSqlError(error) && error.reason._tag).toBe("AuthorizationError")
        const { chainHash, position } = yield* owner.audit.anchor()
        expect({ chainHash, position }).toEqual({ chainHash: before.chainHash, position: before.position })
        yield* audited(auditor)
      })
    )

    onServer(
      "gives each role the privileges that it needs on every table and column, and no other",
      Effect.gen(function* () {
        const admin = yield* SqlClient.SqlClient
        const { auditor, schema, writer } = yield* shared
        yield* work(writer, "w")
        const columns = yield* admin<{ readonly table: string; readonly column: string }>`
          SELECT relname AS "table", attname AS "column" FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
          WHERE relnamespace = ${schema}::regnamespace AND relkind = 'r' AND attnum > 0 ORDER BY 1, 2`
        const tables = [...new Set(columns.map(({ table }) => table))]
        // A table that nobody has thought of is no role's.
        expect(Object.keys(may.writer).sort()).toEqual(tables)
        expect(Object.keys(may.auditor).sort()).toEqual(tables)
        for (const [role, { sql }] of Object.entries({ writer, auditor }) as ReadonlyArray<
          ["writer" | "auditor", Shared["writer"]]
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
              ["LOCK", `LOCK TABLE ${name} IN ACCESS EXCLUSIVE MODE`],
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
            // Postgres lets whoever may delete rows of a table lock it.
            expect([role, table, done.filter((what) => what !== "LOCK").sort()]).toEqual([
              role,
              table,
              [...allowed, ...reads].sort()
            ])
            if (!allowed.includes("DELETE")) expect([table, done.includes("LOCK")]).toEqual([table, false])
          }
        }
      })
    )

    onServer(
      "lets nobody but the owner change what was written, or what keeps it from being changed",
      Effect.gen(function* () {
        const admin = yield* SqlClient.SqlClient
        const { auditor, logins, owner, schema, writer } = yield* shared
        yield* work(writer, "w")
        const others = yield* shared
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
          "SET ROLE postgres",
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
          // Postgres takes a grant by somebody who may not grant for a mistake, and grants nothing.
          yield* outcome(sql.unsafe(`GRANT ALL ON ${log} TO CURRENT_USER`))
          yield* outcome(sql.unsafe(`GRANT ALL ON ${log} TO PUBLIC`))
          yield* outcome(sql.unsafe(`REVOKE ALL ON ${log} FROM "${logins.owner.name.replaceAll('"', '""')}"`))
        }
        for (const statement of ["SELECT nextval('x')", `SELECT lo_create(0)`]) yield* attempt(auditor.sql, statement)
        // What the owner's own statements meet is the log's triggers.
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

    onServer(
      "finds what a writer can do to the end of the log, and lets the owner put it right",
      Effect.gen(function* () {
        const { auditor, owner, schema, writer } = yield* shared
        yield* work(writer, "w")
        const { position } = yield* auditor.audit.anchor()
        const create = writer.backlog.create({ id: "next", title: "N", actor: "w" })
        const move = (by: number) =>
          writer.sql`UPDATE ${writer.sql(`${schema}.head`)} SET position = position + ${BigInt(by)}::int8`
        const fields = Effect.map(auditor.audit.verify(), ({ divergences }) =>
          divergences.map(({ check, field }) => `${check}: ${field}`)
        )

        // Back: no event is written over another.
        yield* move(-2)
        expect(yield* fields).toContain("head: position")
        expect(yield* outcome(create)).toMatch(/^UniqueViolation/)
        const [log] =
          yield* auditor.sql`SELECT max(position)::float8 AS position FROM ${auditor.sql(`${schema}.events`)}`
        expect(log).toEqual({ position })
        yield* owner.sql`
          UPDATE ${owner.sql(`${schema}.head`)} SET position = (SELECT max(position) FROM ${owner.sql(`${schema}.events`)})`
        yield* audited(auditor)

        // The read model is made anew from the log, whatever was done to it.
        yield* writer.sql`UPDATE ${writer.sql(`${schema}.cards`)} SET title = 'Other', priority = 5`
        yield* writer.sql`DELETE FROM ${writer.sql(`${schema}.dependencies`)}`
        expect((yield* auditor.audit.verify()).divergences).not.toEqual([])
        expect((yield* owner.audit.rebuild()).verification.divergences).toEqual([])
        yield* create
        yield* audited(auditor)

        // Forward: the hole is seen.
        yield* move(5)
        yield* writer.backlog.create({ id: "after the hole", title: "N", actor: "w" })
        expect((yield* fields).some((field) => field.startsWith("position"))).toBe(true)
      })
    )

    onServer(
      "tells at the start, in plain words, who may not and who may",
      Effect.gen(function* () {
        const admin = yield* SqlClient.SqlClient
        const { auditor, owner, roles, schema, writer } = yield* strangers
        expect(yield* refusedStart(writer, { schema })).toBe(
          `the role ${JSON.stringify(writer.name)} may not make it, and there is none yet: migrate as a role that may create schemas`
        )
        yield* connect(owner, { schema })
        const its = `its owner ${JSON.stringify(owner.name)}`
        for (const stranger of [writer, auditor]) {
          expect(yield* refusedStart(stranger, { schema })).toBe(
            `the role ${JSON.stringify(stranger.name)} may not read it: have ${its} grant it a part in the backlog`
          )
        }
        yield* connect(owner, { schema, roles })
        yield* connect(writer, { schema })
        yield* connect(auditor, { schema })
        expect(yield* refusedStart(writer, { schema, roles })).toBe(
          `the role ${JSON.stringify(writer.name)} may not grant roles a part in it: migrate as ${its}`
        )
        yield* admin`DELETE FROM ${admin(`${schema}.migrations`)} WHERE id > 3`
        for (const late of [writer, auditor]) {
          expect(yield* refusedStart(late, { schema })).toBe(
            `the role ${JSON.stringify(late.name)} may not apply migration 4 (0004_receipts), which it does not have yet: migrate as ${its}`
          )
        }
        const ran = yield* Effect.promise(() => json(["stats", "--db", writer.url, "--schema", schema]))
        expect([ran.code, ran.error._tag]).toEqual([6, "MigrationRefused"])
        expect(ran.error.message).toContain("may not apply migration 4")
      })
    )

    onServer(
      "refuses roles that cannot be what they are named for, and then changes nothing",
      Effect.gen(function* () {
        const admin = yield* SqlClient.SqlClient
        const { auditor, owner, roles, schema, writer } = yield* strangers
        const exists = Effect.map(admin`SELECT FROM pg_namespace WHERE nspname = ${schema}`, (rows) => rows.length > 0)
        const other = yield* login("other")
        const superuser = yield* login("superuser")
        yield* alter((role) => `ALTER ROLE ${role} SUPERUSER`, superuser)
        const wrong: ReadonlyArray<readonly [object, RegExp]> = [
          [{ writer: "nobody at all" }, /there is no role "nobody at all" on the server/],
          [{ auditor: "" }, /there is no role ""/],
          [{ auditor: "public" }, /there is no role "public"/],
          [{ writer: "a\u0000b" }, /there is no role/],
          [{ owner: `${owner.name}x` }, /there is no role/],
          [{ writer: writer.name, auditor: writer.name }, /is given twice/],
          [{ owner: owner.name, writer: owner.name }, /is given twice/],
          [{ writer: owner.name }, /the writer .* is a superuser, or the owner/],
          [{ auditor: superuser.name }, /the auditor .* is a superuser, or the owner/],
          [{ ...roles, owner: other.name }, /may not do all that this takes: must be (able to SET ROLE|member of)/]
        ]
        for (const [given, problem] of wrong) {
          expect(yield* refusedStart(owner, { schema, roles: given })).toMatch(problem)
          expect(yield* exists).toBe(false)
        }

        yield* connect(owner, { schema, roles })
        const grants = yield* grantsIn(schema)
        // What comes by another role is not the owner's to take.
        yield* alter((role) => `GRANT pg_write_all_data TO ${role}`, auditor)
        expect(yield* refusedStart(owner, { schema, roles })).toMatch(
          /^the auditor .* would keep (INSERT|UPDATE|DELETE).* on \w+, which it has from another role/
        )
        yield* alter((role) => `REVOKE pg_write_all_data FROM ${role}`, auditor)
        yield* alter((role) => `GRANT ${role} TO "${writer.name.replaceAll('"', '""')}"`, owner)
        expect(yield* refusedStart(owner, { schema, roles })).toMatch(/the writer .* or a member of it/)
        yield* alter((role) => `REVOKE ${role} FROM "${writer.name.replaceAll('"', '""')}"`, owner)
        expect(yield* grantsIn(schema)).toEqual(grants)

        // What it has by a grant of the owner, or of everybody, is.
        yield* admin`GRANT UPDATE, DELETE ON ${admin(`${schema}.events`)} TO PUBLIC`
        yield* alter((role) => `GRANT UPDATE (body), TRUNCATE ON ${schema}.cards TO ${role}`, auditor)
        yield* alter((role) => `GRANT CREATE ON SCHEMA ${schema} TO ${role}`, writer)
        yield* connect(owner, { schema, roles })
        expect(yield* grantsIn(schema)).toEqual(grants)
      })
    )

    onServer(
      "shares on the command line what a superuser has made, and tells each role what it may not",
      Effect.gen(function* () {
        const { auditor, owner, schema, writer } = yield* strangers
        const where = yield* database
        yield* alter((role) => `REVOKE CREATE ON DATABASE ${where} FROM ${role}`, owner)
        const run = (url: string, ...argv: ReadonlyArray<string>) =>
          Effect.promise(() => cli([...argv, "--db", url, "--schema", schema]))
        const runJson = (url: string, ...argv: ReadonlyArray<string>) =>
          Effect.promise(() => json([...argv, "--db", url, "--schema", schema]))
        const succeeds = Effect.fnUntraced(function* ({ url }: Login, ...argv: ReadonlyArray<string>) {
          const ran = yield* run(url, ...argv)
          expect([argv, ran.code, ran.stderr]).toEqual([argv, 0, ""])
        })

        expect((yield* run(postgresUrl(), "create", "--id", "a", "--title", "A", "--body", "B")).code).toBe(0)
        const flags = ["--owner-role", owner.name, "--writer-role", writer.name, "--auditor-role", auditor.name]
        const migrated = yield* run(postgresUrl(), "migrate", ...flags)
        expect([migrated.code, migrated.stderr]).toEqual([0, ""])
        expect(migrated.stdout).toContain(`The writer is ${writer.name}.`)
        for (const { name, owner: its } of yield* grantsIn(schema)) {
          if (its !== "") expect([name, its]).toEqual([name, owner.name])
        }

        yield* succeeds(writer, "create", "--id", "b", "--title", "B", "--depends-on", "a")
        yield* succeeds(writer, "claim", "--owner", "w")
        yield* succeeds(writer, "complete", "a", "--token", "2")
        for (const command of [["verify"], ["anchor"], ["history", "a"], ["list"], ["list", "--at", "1"], ["events"]]) {
          yield* succeeds(auditor, ...command)
        }
        yield* succeeds(auditor, "export")
        yield* succeeds(owner, "redact", "a", "--part", "body", "--reason", "secret")
        yield* succeeds(owner, "rebuild")
        yield* succeeds(owner, "migrate", "--writer-role", writer.name)
        yield* succeeds(auditor, "verify")
        yield* succeeds(writer, "claim", "--owner", "w")

        const denied: ReadonlyArray<readonly [Login, ReadonlyArray<string>]> = [
          [auditor, ["create", "--id", "c", "--title", "C"]],
          [auditor, ["claim", "--owner", "w"]],
          [auditor, ["complete", "b", "--force"]],
          [auditor, ["redact", "b", "--part", "title", "--reason", "r"]],
          [auditor, ["rebuild"]],
          [writer, ["redact", "b", "--part", "title", "--reason", "r"]],
          [writer, ["rebuild"]]
        ]
        for (const [{ url }, argv] of denied) {
          const { code, error } = yield* runJson(url, ...argv)
          expect([argv, code, error._tag]).toEqual([argv, 6, "NotPermitted"])
          expect(error.message).toMatch(/does not let its user do this: permission denied for .*the owner\.$/)
        }
        const { code, error } = yield* runJson(writer.url, "migrate", "--auditor-role", auditor.name)
        expect([code, error._tag]).toEqual([6, "MigrationRefused"])
        const missing = yield* runJson(owner.url, "migrate", "--auditor-role", "nobody at all")
        expect([missing.code, missing.error._tag]).toEqual([6, "MigrationRefused"])
      })
    )

    onServer(
      "is refused for a directory, which roles cannot share",
      Effect.gen(function* () {
        const { code, error } = yield* Effect.promise(() =>
          json(["migrate", "--db", "no-such-directory", "--writer-role", "w"])
        )
        expect([code, error._tag]).toEqual([2, "InvalidInput"])
      })
    )

    onServer(
      "shares once, however many start at the same time",
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
  }
)
