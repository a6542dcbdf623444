import { afterAll, assert, describe, it } from "@effect/vitest"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { cli, json, onServer, sql, temporaryDirectory } from "./support.ts"

describe("backlog doctor", () => {
  const place = onServer()
  const role = `doctor_${place.schema}`
  afterAll(async () => {
    await sql((client) => client.unsafe(`DROP OWNED BY ${role}`))
    await sql((client) => client.unsafe(`DROP ROLE ${role}`))
    await place.remove()
  })

  interface Finding {
    readonly check: string
    readonly level: string
    readonly what: string
    readonly toDo: string | null
  }

  const examine = async () => {
    const { code, data } = await json(["doctor", ...place.flags])
    return {
      code,
      facts: data.facts,
      /** Findings other than those about the test server and its clients. */
      wrong: (data.findings as ReadonlyArray<Finding>).filter(
        ({ check, level }) => !["ok", "note"].includes(level) && !["server", "settings", "transactions"].includes(check)
      )
    }
  }

  it("a missing backlog is reported and not created", async () => {
    const refused = await json(["doctor", ...place.flags])
    assert.deepStrictEqual([refused.code, refused.error?._tag], [6, "BacklogMissing"])
    assert.include(refused.error?.message, `schema "${place.schema}" on 127.0.0.1:`)
    assert.deepStrictEqual(await sql((client) => client`SELECT FROM pg_namespace WHERE nspname = ${place.schema}`), [])
  })

  it("a missing directory is not created", async () => {
    const directory = join(await temporaryDirectory(), "none")
    const refused = await json(["doctor", "--db", directory])
    assert.deepStrictEqual([refused.code, refused.error?._tag, existsSync(directory)], [6, "BacklogMissing", false])
  })

  it("a healthy backlog has no problems and all facts", async () => {
    for (const argv of [
      ["create", "--id", "a", "--title", "A"],
      ["create", "--id", "b", "--title", "B"],
      ["claim", "--owner", "w"]
    ]) {
      assert.strictEqual((await cli([...argv, ...place.flags])).code, 0)
    }
    const { facts, wrong } = await examine()
    assert.deepStrictEqual(wrong, [])
    assert.isTrue(facts.keepsSession)
    assert.isBelow(facts.notificationMillis, 3000)
    assert.isBelow(Math.abs(facts.clock.aheadMillis), 1000)
    assert.deepStrictEqual(
      [facts.head, facts.claimable, facts.expiredClaims.count, facts.roles.map(({ kind }: { kind: string }) => kind)],
      [3, 1, 0, ["owner"]]
    )
    assert.includeMembers(
      facts.tables.map(({ table }: { table: string }) => table),
      ["cards", "events", "head"]
    )
    const printed = await cli(["doctor", ...place.flags])
    assert.match(printed.stdout, /^ok {7}migrations {5}All migrations are applied\.$/m)
  })

  it("every kind of problem is reported", async () => {
    const { schema } = place
    const table = (name: string) => `${schema}.${name}`
    const statements = [
      `CREATE ROLE ${role}`,
      `GRANT USAGE ON SCHEMA ${schema} TO ${role}`,
      `GRANT SELECT, DELETE ON ${table("events")} TO ${role}`,
      `ALTER TABLE ${table("cards")} SET (autovacuum_enabled = false)`,
      `UPDATE ${table("cards")} SET claim_expires_at = now() - interval '3 hours' WHERE status = 'claimed'`,
      `INSERT INTO ${table("checkpoints")} VALUES ('mailer', 1, now() - interval '1 hour')`,
      `INSERT INTO ${table("parked_events")} VALUES ('other', 1, 'x', now())`,
      `UPDATE ${table("migrations")} SET checksum = 'x' WHERE id = 2`,
      `INSERT INTO ${table("migrations")} (id, name, checksum) VALUES (99, '0099_future', 'x')`
    ]
    for (const statement of statements) await sql((client) => client.unsafe(statement))
    const { code, facts, wrong } = await examine()
    assert.strictEqual(code, 1)
    assert.deepStrictEqual(
      wrong.map(({ check, level }) => [check, level]),
      [
        ["migrations", "problem"],
        ["migrations", "problem"],
        ["roles", "problem"],
        ["vacuum", "problem"],
        ["consumers", "warning"],
        ["consumers", "warning"],
        ["claims", "warning"]
      ]
    )
    assert.deepStrictEqual([facts.migrations.edited, facts.migrations.unknown], [["0002_read_model"], ["0099_future"]])
  })
})
