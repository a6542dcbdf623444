import { Effect, Layer, Option, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { randomBytes } from "node:crypto"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { afterAll, beforeAll, describe, expect } from "vitest"
import { it } from "@effect/vitest"
import { ErasablePart } from "../../src/domain/Event.ts"
import { formatAnchor } from "../../src/events/Anchor.ts"
import { AuditService } from "../../src/services/AuditService.ts"
import { BacklogService } from "../../src/services/BacklogService.ts"
import { RemovalSchedule } from "../../src/services/audit/Erasures.ts"
import { layerPglite, layerPostgres } from "../../src/services/layers.ts"
import { layerPostgresClient } from "../../src/services/postgres/PostgresClient.ts"
import { type PostgresServer, startPostgres } from "../support/postgresServer.ts"

/*
 * Searches every file of a database for redacted text: in a column, an index, an old row version, the free space of a page, a
 * statistic or a log. A table that is added later is searched too.
 */

const marker = "qXmarkerZ7"
const short = `${marker} in one line`
/** Random, so that the TOAST table stores it uncompressed. */
const long = () => `${marker} ${randomBytes(12_000).toString("base64")}`

/** The files under a directory that contain one of the texts. */
const filesWith = (directory: string, needles: ReadonlyArray<Buffer>, skip = ""): ReadonlyArray<string> =>
  readdirSync(directory, { recursive: true, withFileTypes: true }).flatMap((entry) => {
    const path = join(entry.parentPath, entry.name)
    if (!entry.isFile() || (skip !== "" && path.includes(`/${skip}/`))) return []
    const content = readFileSync(path)
    return needles.some((needle) => content.includes(needle)) ? [path.slice(directory.length)] : []
  })

/** Writes the marker with every command that has erasable text, some of it several times. */
const writeEverywhere = Effect.gen(function* () {
  const backlog = yield* BacklogService
  const audit = yield* AuditService
  const sql = yield* SqlClient.SqlClient
  const actor = "ann"
  const id = "card"
  const body = long()
  const command = (name: string) => ({ actor, commandId: `${name}-1` })
  yield* backlog.create({ id, title: short, body, acceptance: { text: long() }, ...command("create") })
  yield* backlog.createMany({
    cards: [{ id: "other", title: short, body, status: "blocked", blockedReason: short, acceptance: [short] }],
    ...command("many")
  })
  for (const round of [1, 2, 3]) {
    yield* backlog.revise({ id, title: `${short} ${round}`, body: long(), acceptance: short, actor })
  }
  yield* backlog.block({ id, reason: short, actor })
  yield* backlog.unblock({ id, reason: short, actor })
  const claimed = Option.getOrThrow(yield* backlog.claim({ owner: "w", id, actor }))
  yield* backlog.release({ id, token: claimed.claimToken ?? 0, reason: short, actor })
  yield* backlog.claim({ owner: "w", id, actor })
  yield* backlog.reclaim({ id, actor })
  yield* backlog.complete({ id, result: long(), ...command("complete") })
  yield* backlog.reopen({ id, reason: short, actor })
  yield* backlog.completeMany({ completions: [{ id, result: { text: short } }], actor })
  yield* backlog.note({ id, text: long(), actor })
  yield* backlog.note({ id, text: short, ...command("note") })
  yield* audit.park("mailer", 1, `it failed: ${body}`)
  const parts = yield* sql<{ readonly part: string }>`
    SELECT DISTINCT key AS part FROM backlog.events, jsonb_each(commitments) ORDER BY 1`
  // A new erasable part must be written here too.
  expect(parts.map(({ part }) => part)).toEqual([...ErasablePart.literals].sort())
  const salts = yield* sql<{ readonly salt: string }>`
    SELECT salt FROM (
      SELECT value ->> 'salt' AS salt, row_number() OVER (PARTITION BY key ORDER BY position) AS place
      FROM backlog.events, jsonb_each(commitments)) AS salts WHERE place = 1`
  const receipts = yield* sql<{ readonly salt: string | null }>`
    SELECT ltrim(to_jsonb(receipts) ->> 'salt', '\\x') AS salt FROM backlog.receipts ORDER BY command_id LIMIT 2`
  return [
    Buffer.from(marker),
    // As a word of the search index.
    Buffer.from(marker.toLowerCase()),
    ...[...salts, ...receipts].flatMap(({ salt }) =>
      salt === null
        ? []
        : [Buffer.from(salt), Buffer.from(salt, "hex"), Buffer.from(Buffer.from(salt, "hex").toString("base64"))]
    )
  ]
})

const redactAll = Effect.gen(function* () {
  const audit = yield* AuditService
  for (const id of ["card", "other"]) {
    const { state } = yield* audit.redact({ id, parts: [...ErasablePart.literals], reason: "a key", actor: "ann" })
    expect(state).toBe("erased from reads")
  }
})

/** The data that leaves the database, as text: an export and an anchor. */
const exportAndAnchor = Effect.gen(function* () {
  const audit = yield* AuditService
  const lines = yield* Stream.runCollect(audit.exportLog)
  return Buffer.from([...lines, formatAnchor(yield* audit.anchor())].join("\n"))
})

const expectClean = Effect.fnUntraced(function* (needles: ReadonlyArray<Buffer>) {
  const left = yield* exportAndAnchor
  expect(left.length).toBeGreaterThan(1_000)
  expect(needles.filter((needle) => left.includes(needle))).toEqual([])
})

/** Disables background removal, because the tests remove explicitly. */
const noBackgroundRemoval = Layer.succeed(RemovalSchedule)("off")

describe("erased bytes in an embedded directory", () => {
  const directory = mkdtempSync(join(tmpdir(), "backlog-erased-"))
  afterAll(() => rmSync(directory, { recursive: true }))

  it.live(
    "are in its files until the removal and in no file afterwards",
    () =>
      Effect.gen(function* () {
        const open = layerPglite({ dataDir: directory }).pipe(Layer.provide(noBackgroundRemoval))
        const needles = yield* Effect.gen(function* () {
          const written = yield* writeEverywhere
          yield* redactAll
          // Renames old files of the write-ahead log, which keep their content until they are used.
          const sql = yield* SqlClient.SqlClient
          yield* sql`SELECT pg_switch_wal()::text`
          yield* sql`CHECKPOINT`
          const [current] = yield* sql<{ readonly file: string }>`
            SELECT pg_walfile_name(pg_current_wal_lsn()) AS file`
          const ahead = filesWith(directory, written).filter((file) => basename(file) > (current?.file ?? ""))
          expect(ahead.filter((file) => file.includes("/pg_wal/"))).not.toEqual([])
          return written
        }).pipe(Effect.provide(open))
        expect(filesWith(directory, needles).some((file) => file.includes("/base/"))).toBe(true)
        yield* Effect.gen(function* () {
          const audit = yield* AuditService
          expect(filesWith(directory, needles, "base")).not.toEqual([])
          expect(yield* audit.removeErased()).toEqual({ removed: 2 })
          expect(filesWith(directory, needles)).toEqual([])
          expect(yield* audit.erasures({ pending: true })).toEqual([])
          expect((yield* audit.verify()).divergences).toEqual([])
          yield* expectClean(needles)
          const backlog = yield* BacklogService
          expect(Option.getOrThrow(yield* backlog.get("card"))).toMatchObject({ title: "[redacted]" })
          yield* backlog.revise({ id: "card", title: "New", actor: "ann" })
        }).pipe(Effect.provide(open))
        expect(filesWith(directory, needles)).toEqual([])
      }),
    300_000
  )
})

describe("erased bytes on a server", () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres({ settings: { autovacuum: "off", fsync: "off" } })
  }, 120_000)
  afterAll(() => server.stop())

  it.live(
    "are in its files while a session holds a snapshot and in no data file after the removal",
    () =>
      Effect.gen(function* () {
        const open = layerPostgres({ url: server.url, poolSize: 3 }).pipe(Layer.provide(noBackgroundRemoval))
        yield* Effect.gen(function* () {
          const audit = yield* AuditService
          const sql = yield* SqlClient.SqlClient
          const needles = yield* writeEverywhere
          const other = yield* Layer.build(layerPostgresClient({ url: server.url, poolSize: 1 }))
          const session = yield* Effect.provide(SqlClient.SqlClient, Layer.succeedContext(other))
          const holder = yield* session.reserve
          const say = (statement: string) => holder.executeUnprepared(statement, [], undefined)
          yield* say("BEGIN ISOLATION LEVEL REPEATABLE READ")
          yield* say("SELECT pg_current_xact_id_if_assigned()")
          yield* redactAll
          yield* sql`VACUUM backlog.events, backlog.cards`
          yield* sql`CHECKPOINT`
          expect(filesWith(server.dataDir, needles, "pg_wal")).not.toEqual([])
          expect(yield* audit.removeErased()).toEqual({ removed: 2 })
          yield* sql`CHECKPOINT`
          expect(filesWith(server.dataDir, needles, "pg_wal")).toEqual([])
          expect((yield* audit.verify()).divergences).toEqual([])
          yield* expectClean(needles)
          yield* say("COMMIT")
          expect(filesWith(server.dataDir, needles)).not.toEqual([])
          // The steps for the write-ahead log in docs/auditing.md.
          yield* sql`ALTER SYSTEM SET wal_recycle = off`
          yield* sql`SELECT pg_reload_conf()`
          for (;;) {
            yield* sql`SELECT pg_logical_emit_message(false, '', '')::text, pg_switch_wal()::text`
            yield* sql`CHECKPOINT`
            // The checkpointer reserves files until it has read the setting.
            if (filesWith(join(server.dataDir, "pg_wal"), needles).length === 0) break
          }
          expect(filesWith(server.dataDir, needles)).toEqual([])
        }).pipe(Effect.scoped, Effect.provide(open))
      }),
    300_000
  )
})
