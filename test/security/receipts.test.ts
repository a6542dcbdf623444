import { Effect, Layer, Option, Result } from "effect"
import { SqlClient } from "effect/sql"
import { createHash } from "node:crypto"
import { readdir, readFile } from "node:fs/promises"
import { ErasablePart } from "../../src/domain/Event.ts"
import { jsonHash } from "../../src/events/ContentHash.ts"
import { AuditService } from "../../src/services/AuditService.ts"
import { BacklogService } from "../../src/services/BacklogService.ts"
import { computeDigests, type ReceiptedCommand, saltDigest } from "../../src/services/commands/Receipt.ts"
import { layerTestOver } from "../../src/services/layers.ts"
import { BacklogSchema } from "../../src/sql/SchemaName.ts"
import { startServer } from "../http/support/startServer.ts"
import { currentClient, freshSchema, headPosition, tables } from "../support/backlogs.ts"
import { onServerFirst, type Test } from "../support/databases.ts"
import { expect } from "vitest"

const tagOf = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.result(effect), (result) => (Result.isSuccess(result) ? "answered" : result.failure._tag))

/** All rows of a backlog's tables and the planner's samples as text, binary values in hexadecimal. */
const everything = Effect.gen(function* () {
  const { schema, sql } = yield* tables
  yield* sql.unsafe(`ANALYZE ${schema}.receipts`)
  const names = yield* sql<{ readonly name: string }>`
    SELECT relname AS name FROM pg_class WHERE relnamespace = ${schema}::regnamespace AND relkind = 'r'`
  const parts: Array<string> = []
  for (const { name } of names) {
    const [found] = yield* sql.unsafe<{ readonly text: string | null }>(
      `SELECT string_agg(row::text, E'\\n') AS text FROM ${schema}."${name}" AS row`
    )
    parts.push(found?.text ?? "")
  }
  const [samples] = yield* sql<{ readonly text: string | null }>`
    SELECT string_agg(concat(most_common_vals::text, histogram_bounds::text), '') AS text
    FROM pg_stats WHERE schemaname = ${schema}`
  return [...parts, samples?.text ?? ""].join("\n")
})

const pins = Array.from({ length: 10_000 }, (_, pin) => String(pin).padStart(4, "0"))

/** The PINs for which a command's digest equals a hash in the database, with any salt in the database. */
const guessPins = (command: (pin: string) => ReceiptedCommand, tried = pins.slice(4_650, 4_750)) =>
  Effect.gen(function* () {
    const { schema, sql } = yield* tables
    const dump = yield* everything
    const salts = yield* sql<{ readonly salt: string }>`
      SELECT encode(salt, 'hex') AS salt FROM ${sql(`${schema}.receipts`)} WHERE salt IS NOT NULL`
    const hashes = new Set(dump.match(/[0-9a-f]{64}/g))
    // The shape is equal for every PIN, so it reveals nothing.
    const [{ shape: first }, { shape: second }] = [computeDigests(command("0000")), computeDigests(command("0001"))]
    expect(first).toBe(second)
    hashes.delete(first)
    return tried.filter((pin) => {
      const { shape, whole = shape } = computeDigests(command(pin))
      return hashes.has(shape) || hashes.has(whole) || salts.some(({ salt }) => hashes.has(saltDigest(salt, whole)))
    })
  })

const secret = "4711"

const origin = { actor: "ann", commandId: "guessed" }

const receipts = (test: Test): void => {
  test(
    "a command id belongs to the actor that used it",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const audit = yield* AuditService
      const mallory = { actor: "mallory", commandId: "guessed" }
      // A worker's claim that finds no card, with an id that another caller uses later.
      expect(yield* backlog.claim({ owner: "mallory", ...mallory })).toEqual(Option.none())
      expect((yield* backlog.create({ id: "a", title: "A", ...origin })).version).toBe(1)
      expect(yield* tagOf(audit.redact({ id: "a", parts: ["body"], reason: "r", ...origin, actor: "eve" }))).toBe(
        "answered"
      )
      // Each actor gets its own first answer again.
      const before = yield* headPosition
      expect(yield* backlog.claim({ owner: "mallory", ...mallory })).toEqual(Option.none())
      expect((yield* backlog.create({ id: "a", title: "A", ...origin })).version).toBe(1)
      // Each actor is refused other content.
      expect(yield* tagOf(backlog.create({ id: "b", title: "B", ...mallory }))).toBe("CommandIdConflict")
      expect(yield* tagOf(backlog.create({ id: "b", title: "B", ...origin }))).toBe("CommandIdConflict")
      expect(yield* headPosition).toBe(before)
    })
  )

  test(
    "commands of two actors with one id in one batch are two commands",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const answers = yield* Effect.all(
        [
          backlog.claim({ owner: "mallory", actor: "mallory", commandId: "guessed" }),
          backlog.create({ id: "a", title: "A", ...origin }),
          backlog.create({ id: "b", title: "B", actor: "ben", commandId: "guessed" })
        ],
        { concurrency: "unbounded" }
      )
      expect(answers.slice(1)).toMatchObject([{ id: "a" }, { id: "b" }])
    })
  )

  test(
    "a PIN in a text cannot be guessed from the database after its redaction",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const audit = yield* AuditService
      const create = (pin: string) => ({ id: "a" as never, title: `PIN ${pin}`, ...origin, commandId: "1" })
      const revise = (pin: string) => ({ id: "a" as never, body: pin, ...origin, commandId: "2" })
      const block = (pin: string) => ({ id: "a" as never, reason: pin, ...origin, commandId: "3" })
      const complete = (pin: string) => ({ id: "a" as never, result: { pin }, ...origin, commandId: "4" })
      const refused = (pin: string) => ({ id: "no" as never, body: pin, ...origin, commandId: "5" })
      const many = (pin: string) => ({
        cards: [{ id: "b" as never, title: "B", acceptance: [pin] }],
        ...origin,
        commandId: "6"
      })
      const commands = [
        (pin: string) => ({ _tag: "Create" as const, ...create(pin) }),
        (pin: string) => ({ _tag: "Revise" as const, ...revise(pin) }),
        (pin: string) => ({ _tag: "Block" as const, ...block(pin) }),
        (pin: string) => ({ _tag: "Complete" as const, ...complete(pin) }),
        (pin: string) => ({ _tag: "Revise" as const, ...refused(pin) })
      ]
      yield* backlog.create(create(secret))
      yield* backlog.revise(revise(secret))
      yield* backlog.block(block(secret))
      yield* backlog.unblock({ id: "a", actor: "ann" })
      yield* backlog.complete(complete(secret))
      expect(yield* tagOf(backlog.revise(refused(secret)))).toBe("CardNotFound")
      yield* backlog.createMany(many(secret))
      // Before the redaction the attack works: with the salts it finds every PIN.
      for (const command of commands) expect(yield* guessPins(command)).toEqual([secret])
      const { schema, sql } = yield* tables
      const samples = sql`SELECT attname FROM pg_stats WHERE schemaname = ${schema} AND tablename = 'receipts'
        AND attname IN ('shape', 'salt', 'digest')`
      expect(yield* samples).toEqual([])

      yield* audit.redact({ id: "a", parts: [...ErasablePart.literals], reason: "PIN", ...origin, commandId: "redact" })
      for (const command of commands) expect(yield* guessPins(command)).toEqual([])
      expect(yield* guessPins(commands[0] as (pin: string) => ReceiptedCommand, pins)).toEqual([])
      // Another card's text, and the reason of the redaction, are not erased.
      expect(yield* guessPins((pin) => ({ _tag: "CreateMany", ...many(pin) }))).toEqual([secret])
      yield* audit.redact({ id: "b", parts: ["acceptance"], reason: "PIN", actor: "ann" })
      expect(yield* guessPins((pin) => ({ _tag: "CreateMany", ...many(pin) }))).toEqual([])
    })
  )

  test(
    "after a redaction a retry is compared by kind and shape, so a wrong guess gets the same answer as a right one",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const audit = yield* AuditService
      const create = (title: string, more: object = {}) =>
        backlog.create({ id: "a", title, body: "b", ...origin, ...more })
      yield* create(`PIN ${secret}`)
      expect(yield* tagOf(create("PIN 0000"))).toBe("CommandIdConflict")
      yield* audit.redact({ id: "a", parts: ["title"], reason: "PIN", actor: "ann" })
      const before = yield* headPosition
      const [right, wrong] = [yield* create(`PIN ${secret}`), yield* create("PIN 0000")]
      expect(right).toMatchObject({ title: "[redacted]", body: "b", version: 1 })
      expect(wrong).toEqual(right)
      // A different shape, and a different kind.
      expect(yield* tagOf(create("PIN 0000", { priority: 5 }))).toBe("CommandIdConflict")
      expect(yield* tagOf(create("PIN 0000", { body: null }))).toBe("CommandIdConflict")
      expect(yield* tagOf(backlog.complete({ id: "a", ...origin }))).toBe("CommandIdConflict")
      expect(yield* headPosition).toBe(before)
    })
  )

  test(
    "a command without a text differs from a command with any text",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create({ id: "a", title: "A", actor: "ann" })
      const complete = (result: unknown) => backlog.complete({ id: "a", result: result as never, ...origin })
      yield* complete(true)
      expect(yield* tagOf(complete(true))).toBe("answered")
      for (const other of [undefined, null, false, 1, "true", [true], { result: true }]) {
        expect([other, yield* tagOf(complete(other))]).toEqual([other, "CommandIdConflict"])
      }
    })
  )

  test(
    "over HTTP a key belongs to an actor, and a right and a wrong guess get the same answer",
    Effect.gen(function* () {
      const { post } = yield* startServer()
      const audit = yield* AuditService
      const key = { "idempotency-key": "guessed" }
      const create = (pin: string) => post("/create", { id: "a", title: `PIN ${pin}`, actor: "ann" }, key)
      expect((yield* post("/claim", { owner: "mallory", actor: "mallory" }, key)).status).toBe(204)
      expect((yield* create(secret)).status).toBe(200)
      expect((yield* create("0000")).status).toBe(409)
      yield* audit.redact({ id: "a", parts: ["title"], reason: "PIN", actor: "ann" })
      const [right, wrong] = [yield* create(secret), yield* create("0000")]
      expect([right.status, right.text]).toEqual([200, expect.stringContaining("[redacted]")])
      expect([wrong.status, wrong.text]).toEqual([right.status, right.text])
    })
  )

  test(
    "receipts of an older version are assigned to actors and salted, and its redactions are completed",
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const schema = yield* freshSchema
      yield* createOlderBacklog(schema)
      const command = (id: string, commandId: string, actor = "ann") => ({
        id,
        title: `PIN ${secret}`,
        actor,
        commandId
      })
      const fingerprint = (commandId: string, content: object) => ({
        command_id: commandId,
        hash: jsonHash(JSON.parse(JSON.stringify(content)))
      })
      const of = (id: string, actor = "ann") => ({ _tag: "Create", id, title: `PIN ${secret}`, actor })
      const cards = (id: string) => ({ _tag: "Cards", cards: [{ id, version: 1 }] })
      const rows = [
        [fingerprint("1", of("a")), cards("a")],
        [fingerprint("2", of("redacted")), cards("redacted")],
        [fingerprint("3", { _tag: "Claim", owner: "w", actor: "ann" }), { _tag: "Cards", cards: [] }],
        // The card already had this priority, so there is no event.
        [fingerprint("4", { _tag: "Revise", id: "a", priority: 9, actor: "ann" }), cards("a")]
      ] as const
      const at = { schema_version: 1, commitments: "{}", occurred_at: new Date(0), recorded_at: new Date(0) }
      const hash = Buffer.alloc(32)
      const created = { title: "T", body: null, phase: null, priority: 0, status: "ready", dependsOn: [] }
      const payload = { ...created, acceptance: null, idempotencyKey: null, blockedReason: null }
      const events = [
        ["a", 1, "CardCreated", "1", payload],
        ["redacted", 1, "CardCreated", "2", payload],
        ["redacted", 2, "CardRedacted", null, { erased: [{ version: 1, parts: ["title"] }], reason: "r" }]
      ] as const
      for (const [index, [card_id, version, type, command_id, data]] of events.entries()) {
        const row = {
          position: index + 1,
          card_id,
          version,
          type,
          command_id,
          actor: "ann",
          data: JSON.stringify(data)
        }
        yield* sql`INSERT INTO ${sql(`${schema}.events`)} ${sql.insert({ ...row, ...at, content_hash: hash, chain_hash: hash })}`
      }
      yield* sql`UPDATE ${sql(`${schema}.head`)} SET position = 3`
      for (const [{ command_id, hash: hex }, outcome] of rows) {
        yield* sql`INSERT INTO ${sql(`${schema}.receipts`)} (command_id, fingerprint, outcome, recorded_at)
          VALUES (${command_id}, decode(${hex}, 'hex'), ${JSON.stringify(outcome)}::text::jsonb, now())`
      }

      const parked = sql(`${schema}.parked_events`)
      for (const position of [1, 2]) {
        yield* sql`INSERT INTO ${parked} (consumer, position, reason, parked_at)
          VALUES ('mailer', ${position}::int8, ${`PIN ${secret}`}, now())`
      }

      const backlogLayer = layerTestOver(yield* currentClient, schema)
      yield* Effect.gen(function* () {
        const backlog = yield* BacklogService
        const dump = yield* Effect.provideService(everything, BacklogSchema, schema as never)
        for (const [{ hash: hex }] of rows) expect(dump).not.toContain(hex)
        const found = yield* sql<{ readonly id: string; readonly actor: string; readonly has: boolean }>`
          SELECT command_id AS id, actor, digest IS NOT NULL AS has FROM ${sql(`${schema}.receipts`)} ORDER BY 1`
        expect(Array.from(found, (row) => ({ ...row }))).toEqual([
          { id: "1", actor: "ann", has: true },
          { id: "2", actor: "ann", has: false },
          // No event names the actor, and the digest is removed because of the redaction.
          { id: "3", actor: "", has: false },
          { id: "4", actor: "", has: true }
        ])
        // The reason of a parked event of a redacted card.
        const reasons = yield* sql<{ readonly reason: string }>`SELECT reason FROM ${parked} ORDER BY position`
        expect(reasons.map(({ reason }) => reason)).toEqual([`PIN ${secret}`, "[redacted]"])
        const retried = (id: string, commandId: string, title = `PIN ${secret}`, actor = "ann") =>
          tagOf(backlog.create({ ...command(id, commandId, actor), title }))
        expect(yield* retried("a", "1")).toBe("answered")
        expect(yield* retried("a", "1", "PIN 0000")).toBe("CommandIdConflict")
        expect(yield* retried("other", "1", "T", "ben")).toBe("answered")
        // The card was redacted before: any text gets the answer, but a command of another kind is refused.
        expect(yield* retried("redacted", "2")).toBe("answered")
        expect(yield* retried("redacted", "2", "PIN 0000")).toBe("answered")
        expect(yield* tagOf(backlog.complete({ id: "redacted", actor: "ann", commandId: "2" }))).toBe(
          "CommandIdConflict"
        )
        expect(yield* retried("new", "3")).toBe("answered")
        const revise = (actor: string) => backlog.revise({ id: "a", priority: 9, actor, commandId: "4" })
        expect((yield* revise("ann")).priority).toBe(0)
        // Another actor's command is new. It fails because the read model of this test has no cards.
        expect(yield* tagOf(revise("ben"))).toBe("CardNotFound")

        // The statements of an older program that is still connected.
        const old = (statement: string) =>
          Effect.map(Effect.flip(sql.unsafe(statement)), ({ reason }) =>
            String(Reflect.get(Object(reason.cause), "message"))
          )
        expect(yield* old(`UPDATE ${schema}.head SET position = position + 1`)).toMatch(/^this program is older/)
        expect(
          yield* old(`INSERT INTO ${schema}.receipts (command_id, outcome, recorded_at) VALUES ('x', '{}', now())`)
        ).toMatch(/null value in column "actor"/)
        expect(yield* old(`SELECT fingerprint FROM ${schema}.receipts`)).toMatch(/column "fingerprint" does not exist/)
      }).pipe(Effect.provide(Layer.fresh(backlogLayer)))
    })
  )
}

/** Creates the tables of a version whose receipts did not record the actor. */
const createOlderBacklog = Effect.fnUntraced(function* (schema: string) {
  const sql = yield* SqlClient.SqlClient
  const directory = new URL("../../migrations/", import.meta.url)
  const files = yield* Effect.promise(async () =>
    Promise.all(
      (await readdir(directory))
        .sort()
        .slice(0, 8)
        .map(async (name) => [name, await readFile(new URL(name, directory), "utf8")] as const)
    )
  )
  yield* sql.withTransaction(
    Effect.gen(function* () {
      yield* sql`CREATE SCHEMA ${sql(schema)}`
      yield* sql`SELECT set_config('search_path', ${schema}, true)`
      yield* sql`CREATE TABLE migrations (id integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT clock_timestamp())`
      for (const [index, [name, text]] of files.entries()) {
        for (const statement of text.split(/^--;;[ \t]*$/m)) yield* sql.unsafe(statement)
        const checksum = createHash("sha256").update(text).digest("hex")
        yield* sql`INSERT INTO migrations ${sql.insert({ id: index + 1, name: name.slice(0, -4), checksum })}`
      }
    })
  )
})

onServerFirst("receipts", receipts)
