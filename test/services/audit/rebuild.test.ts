import { Deferred, Effect, Exit, Fiber, Layer, Option, Result } from "effect"
import { SqlClient } from "effect/sql"
import type { RebuildProgress } from "../../../src/projections/rebuild.ts"
import { AuditService } from "../../../src/services/AuditService.ts"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { InvalidInput } from "../../../src/services/decodeInput.ts"
import { freshBacklog, headPosition, tables } from "../../support/backlogs.ts"
import { readModelCatalog, findShadowSchemas, tableNumbers } from "../../support/catalog.ts"
import { onBothDatabases, onServer, type Test } from "../../support/databases.ts"
import { inOwnDatabase } from "../../support/ownDatabase.ts"
import { pool } from "../../support/pools.ts"
import { layeredCards, makeRandom } from "../../support/random.ts"
import { verifiesItself, verifyBacklog } from "../../support/verifyBacklog.ts"
import { expect } from "vitest"

type Phase = RebuildProgress["phase"]

/** Every row of the read model. */
const readModel = Effect.gen(function* () {
  const { cards, dependencies, sql } = yield* tables
  return JSON.stringify([
    yield* sql`SELECT to_jsonb(cards)::text AS row FROM ${cards} AS cards ORDER BY id`,
    yield* sql`SELECT * FROM ${dependencies} ORDER BY card_id, depends_on_id`
  ])
})

/** A backlog with events of every kind. */
const backlogWithEveryEvent = Effect.gen(function* () {
  const backlog = yield* BacklogService
  const audit = yield* AuditService
  const actor = "ann"
  yield* backlog.createMany({
    actor,
    cards: layeredCards(makeRandom(1), 4, 25).map((card, index) => ({
      ...card,
      ...(index % 3 === 0 ? { body: `Body ${index}`, idempotencyKey: `key ${index}` } : {})
    }))
  })
  yield* backlog.create({ id: "early", title: "T", dependsOn: ["missing", "c0"], actor })
  for (let index = 0; index < 20; index++) {
    const claimed = Option.getOrThrow(yield* backlog.claim({ owner: "w", ttlSeconds: 60, actor: "w" }))
    const { claimToken, id } = claimed
    const token = claimToken ?? 0
    if (index % 4 === 0) yield* backlog.release({ id, token, retryAfterSeconds: 600, reason: "later", actor: "w" })
    else if (index % 4 !== 1) yield* backlog.complete({ id, token, result: { index }, actor: "w" })
  }
  yield* backlog.complete({ id: "c0", force: true, actor })
  yield* backlog.reopen({ id: "c0", actor })
  yield* backlog.block({ id: "c99", reason: "why not", actor })
  yield* backlog.link({ from: "c98", to: "early", actor })
  yield* backlog.revise({ id: "c97", title: "Revised", actor })
  yield* audit.redact({ id: "c3", parts: ["body"], reason: "secret", actor })
  return { audit, backlog }
})

/** Checks the backlog after a rebuild, whether it succeeded or not. */
const isWhole = Effect.gen(function* () {
  const backlog = yield* BacklogService
  yield* verifyBacklog
  yield* verifiesItself
  expect(yield* findShadowSchemas).toEqual([])
  const id = `after${yield* headPosition}`
  yield* backlog.create({ id, title: "T", actor: "ann" })
  expect((yield* backlog.complete({ id, actor: "ann" })).status).toBe("done")
})

const outcome = (test: Test): void => {
  test(
    "does not change a consistent backlog, and reports its progress",
    Effect.gen(function* () {
      const { audit } = yield* backlogWithEveryEvent
      const [rows, catalog, numbers] = [yield* readModel, yield* readModelCatalog, yield* tableNumbers]
      const phases: Array<Phase> = []
      const report = yield* audit.rebuild({
        onProgress: ({ done, phase, total }) =>
          Effect.sync(() => {
            expect(done).toBeLessThanOrEqual(total)
            phases.push(phase)
          })
      })
      expect(yield* readModel).toBe(rows)
      expect(yield* readModelCatalog).toEqual(catalog)
      // The tables are new nevertheless.
      expect(yield* tableNumbers).not.toEqual(numbers)
      expect(report).toMatchObject({ cards: 101, rounds: 0, verification: { divergences: [], cards: 101 } })
      expect(report.position).toBe(report.verification.position)
      expect(phases.filter((phase, index) => phase !== phases[index - 1])).toEqual([
        "preparing",
        "building",
        "counting",
        "swapping",
        "swapped",
        "verifying"
      ])
      expect(phases.filter((phase) => phase === "swapping").length).toBe(2)
      yield* isWhole
    })
  )

  test(
    "succeeds on an empty backlog, and repeatedly",
    Effect.gen(function* () {
      const audit = yield* AuditService
      const backlog = yield* BacklogService
      for (let round = 0; round < 3; round++) {
        expect(yield* audit.rebuild()).toMatchObject({
          position: round,
          cards: round,
          verification: { divergences: [] }
        })
        yield* backlog.create({ id: `c${round}`, title: "T", actor: "ann" })
      }
      yield* isWhole
    })
  )

  test(
    "repairs any damage to the read model",
    Effect.gen(function* () {
      const { audit } = yield* backlogWithEveryEvent
      const { cards, dependencies, sql } = yield* tables
      const rows = yield* readModel
      for (const damage of [
        sql`DELETE FROM ${cards}`,
        sql`DELETE FROM ${cards} WHERE id IN ('c1', 'c50')`,
        sql`UPDATE ${cards} SET unmet_dependencies = unmet_dependencies + 1`,
        sql`UPDATE ${cards} SET title = 'Other', priority = 7, version = 99 WHERE id = 'c7'`,
        sql`UPDATE ${cards} SET status = 'ready', completed_at = NULL WHERE status = 'done'`,
        sql`UPDATE ${cards} SET body = 'the secret' WHERE id = 'c3'`,
        sql`
          INSERT INTO ${cards} (id, title, priority, status, unmet_dependencies, deferred, attempts, created_at, updated_at,
            version, position) VALUES ('ghost', 'Boo', 9, 'ready', 0, false, 0, now(), now(), 1, 1)`,
        sql`DELETE FROM ${dependencies}`,
        sql`INSERT INTO ${dependencies} (card_id, depends_on_id) VALUES ('c1', 'c2'), ('ghost', 'c1')`
      ]) {
        yield* damage
        expect(yield* readModel).not.toBe(rows)
        expect((yield* audit.verify()).divergences).not.toEqual([])
        expect((yield* audit.rebuild()).verification.divergences).toEqual([])
        expect(yield* readModel).toBe(rows)
      }
      yield* isWhole
    })
  )

  test(
    "does not restore text that is redacted during the rebuild and does not keep it in shadow tables",
    Effect.gen(function* () {
      const { audit, backlog } = yield* backlogWithEveryEvent
      const { cards, sql } = yield* tables
      yield* backlog.revise({ id: "c6", body: "the secret", actor: "ann" })
      const countSecrets = (schema: string) =>
        Effect.map(sql`SELECT id FROM ${sql(`${schema}.cards`)} WHERE body = 'the secret'`, (rows) => rows.length)
      const shadows = Effect.provideContext(findShadowSchemas, yield* Effect.context<SqlClient.SqlClient>())
      const report = yield* audit.rebuild({
        onProgress: Effect.fnUntraced(function* ({ phase }) {
          if (phase !== "counting") return
          const [shadow = "none"] = yield* shadows
          expect(yield* countSecrets(shadow)).toBe(1)
          yield* audit.redact({ id: "c6", parts: ["body"], reason: "secret", actor: "ann" })
          // A rebuild that is killed at this point leaves no copy of the text.
          expect(yield* countSecrets(shadow)).toBe(0)
        }, Effect.orDie)
      })
      expect(report).toMatchObject({ rounds: 1, verification: { divergences: [] } })
      expect(yield* sql`SELECT body FROM ${cards} WHERE id = 'c6'`).toEqual([{ body: "[redacted]" }])
      yield* isWhole
    })
  )

  test(
    "cannot be part of a transaction",
    Effect.gen(function* () {
      const audit = yield* AuditService
      const sql = yield* SqlClient.SqlClient
      expect(yield* Effect.flip(sql.withTransaction(audit.rebuild()))).toBeInstanceOf(InvalidInput)
    })
  )
}

/** The points at which a rebuild is interrupted, and whether it has swapped the tables by then. */
const points: ReadonlyArray<readonly [phase: Phase, time: number, swapped: boolean]> = [
  ["preparing", 1, false],
  ["building", 1, false],
  ["building", 2, false],
  ["counting", 1, false],
  ["catching up", 1, false],
  ["swapping", 1, false],
  ["swapping", 2, false],
  ["swapped", 1, true],
  ["verifying", 1, true]
]

const interruption = (test: Test): void => {
  test(
    "leaves a consistent backlog when it is interrupted at any point",
    Effect.gen(function* () {
      const { audit, backlog } = yield* backlogWithEveryEvent
      for (const [phase, time, swapped] of points) {
        const isThere = yield* Deferred.make<void>()
        let times = 0
        const rebuilding = yield* Effect.forkScoped(
          audit.rebuild({
            onProgress: Effect.fnUntraced(function* (progress) {
              // Events for the rebuild to catch up with.
              if (progress.phase === "counting") yield* Effect.orDie(backlog.reopen({ id: "c1", actor: "ann" }))
              if (progress.phase !== phase || ++times < time) return
              yield* Deferred.succeed(isThere, undefined)
              return yield* Effect.never
            })
          })
        )
        const numbers = yield* tableNumbers
        yield* Deferred.await(isThere)
        yield* Fiber.interrupt(rebuilding)
        expect([phase, time, yield* tableNumbers]).toEqual([
          phase,
          time,
          swapped ? expect.not.arrayContaining(numbers) : numbers
        ])
        yield* isWhole
        yield* backlog.complete({ id: "c1", force: true, actor: "ann" })
      }
      expect((yield* audit.rebuild()).verification.divergences).toEqual([])
    })
  )
}

const refusal = (test: Test): void => {
  test(
    "is refused while the tables have additions that it would lose and changes nothing",
    Effect.gen(function* () {
      const { audit } = yield* backlogWithEveryEvent
      const { cards, schema, sql } = yield* tables
      const name = (added: string) => sql(`${schema}.${added}`)
      const additions: ReadonlyArray<
        readonly [make: Effect.Effect<unknown, unknown>, drop: Effect.Effect<unknown, unknown>, said: string]
      > = [
        [sql`CREATE VIEW ${name("board")} AS SELECT id, title FROM ${cards}`, sql`DROP VIEW ${name("board")}`, "board"],
        [sql`CREATE INDEX by_title ON ${cards} (title)`, sql`DROP INDEX ${name("by_title")}`, "index by_title"],
        [
          sql`ALTER TABLE ${cards} ADD CONSTRAINT short CHECK (length(title) < 100)`,
          sql`ALTER TABLE ${cards} DROP CONSTRAINT short`,
          "short on cards"
        ],
        [
          sql`ALTER TABLE ${cards} ADD COLUMN team text`,
          sql`ALTER TABLE ${cards} DROP COLUMN team`,
          "column team of cards"
        ],
        [
          sql`CREATE TABLE ${name("notes")} (card text REFERENCES ${cards} (id))`,
          sql`DROP TABLE ${name("notes")}`,
          "notes_card_fkey"
        ],
        [
          sql`CREATE TRIGGER look BEFORE UPDATE ON ${cards} FOR EACH STATEMENT EXECUTE FUNCTION ${name("refuse_change")}()`,
          sql`DROP TRIGGER look ON ${cards}`,
          "trigger look on cards"
        ],
        [
          sql`CREATE POLICY own ON ${cards} USING (claim_owner = CURRENT_USER)`,
          sql`DROP POLICY own ON ${cards}`,
          "policy own on cards"
        ],
        [
          sql`CREATE FUNCTION ${name("label")}(card ${cards}) RETURNS text LANGUAGE sql AS 'SELECT (card).title'`,
          sql`DROP FUNCTION ${name("label")}`,
          "function label(cards)"
        ],
        [
          sql`ALTER TABLE ${cards} ALTER COLUMN claim_token_high SET DEFAULT 1`,
          sql`ALTER TABLE ${cards} ALTER COLUMN claim_token_high SET DEFAULT 0`,
          "default 1 of column claim_token_high of cards"
        ]
      ]
      for (const [make, drop, said] of additions) {
        yield* make
        const [rows, numbers] = [yield* readModel, yield* tableNumbers]
        const refused = yield* Effect.flip(audit.rebuild())
        expect(refused).toMatchObject({ _tag: "RebuildRefused", added: [expect.stringContaining(said)] })
        expect(refused.message).toContain(said)
        expect([yield* readModel, yield* tableNumbers]).toEqual([rows, numbers])
        yield* drop
      }
      // An addition that is created while it builds.
      const [view] = additions
      const late = yield* Effect.exit(
        audit.rebuild({
          onProgress: ({ phase }) =>
            phase === "counting" ? Effect.asVoid(Effect.orDie(view?.[0] ?? Effect.void)) : Effect.void
        })
      )
      expect(Exit.isFailure(late)).toBe(true)
      yield* view?.[1] ?? Effect.void
      yield* isWhole
    })
  )
}

const settings = (test: Test): void => {
  test(
    "keeps everything that was set on its tables",
    Effect.gen(function* () {
      const { audit } = yield* backlogWithEveryEvent
      const { cards, dependencies, schema, sql } = yield* tables
      const index = sql(`${schema}.cards_claim_expiry`)
      for (const setting of [
        sql`ALTER TABLE ${cards} REPLICA IDENTITY FULL`,
        sql`ALTER TABLE ${cards} RESET (autovacuum_vacuum_threshold)`,
        sql`ALTER TABLE ${cards} ALTER COLUMN phase SET (n_distinct = 12, n_distinct_inherited = -0.5)`,
        sql`ALTER TABLE ${cards} ALTER COLUMN body SET STORAGE EXTERNAL`,
        sql`ALTER TABLE ${cards} ALTER COLUMN acceptance SET COMPRESSION pglz`,
        sql`ALTER TABLE ${cards} CLUSTER ON cards_pkey`,
        sql`ALTER INDEX ${index} SET (fillfactor = 70)`,
        sql`ALTER TABLE ${dependencies} REPLICA IDENTITY USING INDEX dependencies_pkey`,
        sql`ALTER TABLE ${dependencies} ENABLE ROW LEVEL SECURITY`,
        sql`ALTER TABLE ${dependencies} FORCE ROW LEVEL SECURITY`,
        sql`ALTER TABLE ${dependencies} SET UNLOGGED`,
        sql`COMMENT ON TABLE ${cards} IS 'Bob''s "cards"'`,
        sql`COMMENT ON TABLE ${dependencies} IS NULL`,
        sql`COMMENT ON COLUMN ${sql(`${schema}.cards.phase`)} IS 'One of ours'`,
        sql`COMMENT ON COLUMN ${sql(`${schema}.cards.deferred`)} IS 'Changed'`,
        sql`COMMENT ON INDEX ${index} IS 'Small'`,
        sql`COMMENT ON CONSTRAINT dependencies_pkey ON ${dependencies} IS 'Both'`
      ]) {
        yield* setting
      }
      const [rows, catalog, numbers] = [yield* readModel, yield* readModelCatalog, yield* tableNumbers]
      yield* audit.rebuild()
      expect(yield* readModelCatalog).toEqual(catalog)
      expect([yield* readModel, yield* tableNumbers]).toEqual([rows, expect.not.arrayContaining(numbers)])
      yield* isWhole
    })
  )

  test(
    "is refused while a column has another type or more constraints",
    Effect.gen(function* () {
      const audit = yield* AuditService
      const { cards, sql } = yield* tables
      yield* sql`ALTER TABLE ${cards} ALTER COLUMN body SET NOT NULL`
      yield* sql`ALTER TABLE ${cards} ALTER COLUMN claim_owner TYPE varchar(300)`
      expect(yield* Effect.flip(audit.rebuild())).toMatchObject({
        _tag: "RebuildRefused",
        added: ["NOT NULL of column body of cards", "type character varying(300) of column claim_owner of cards"]
      })
    })
  )
}

onBothDatabases("a rebuild", (test) => {
  outcome(test)
  settings(test)
  interruption(test)
  refusal(test)
})

onServer("a rebuild", (test) => {
  test(
    "keeps the owner, the grants and the storage parameters",
    Effect.gen(function* () {
      const { audit } = yield* backlogWithEveryEvent
      const { cards, dependencies, schema, sql } = yield* tables
      const role = (name: string) => sql(`${schema}_${name}`)
      yield* Effect.acquireRelease(
        Effect.forEach(["owner", "reader", "clerk"], (name) => sql`CREATE ROLE ${role(name)}`),
        () =>
          Effect.forEach(["owner", "reader", "clerk"], (name) =>
            Effect.orDie(Effect.andThen(sql`DROP OWNED BY ${role(name)} CASCADE`, sql`DROP ROLE ${role(name)}`))
          )
      )
      yield* sql`GRANT SELECT ON ${cards}, ${dependencies} TO ${role("reader")}`
      yield* sql`GRANT SELECT (id, title), UPDATE (title) ON ${cards} TO ${role("clerk")} WITH GRANT OPTION`
      yield* sql`GRANT SELECT ON ${dependencies} TO PUBLIC`
      yield* sql`ALTER TABLE ${cards} OWNER TO ${role("owner")}`
      yield* sql`ALTER TABLE ${cards} SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05)`
      // Grants that a new table would get and these tables do not have.
      yield* sql`ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO ${role("clerk")}`
      const [rows, catalog, numbers] = [yield* readModel, yield* readModelCatalog, yield* tableNumbers]
      expect(JSON.stringify(catalog.relations)).toContain("_reader=r/")
      yield* audit.rebuild()
      expect(yield* readModelCatalog).toEqual(catalog)
      expect([yield* readModel, yield* tableNumbers]).toEqual([rows, expect.not.arrayContaining(numbers)])
      yield* sql`ALTER TABLE ${cards} OWNER TO CURRENT_USER`
      yield* isWhole
    }).pipe(
      Effect.scoped,
      // Default privileges apply to every new table: the tables of other tests would get them.
      Effect.provide(Layer.fresh(freshBacklog).pipe(Layer.provideMerge(inOwnDatabase)))
    )
  )

  test(
    "keeps tables and indexes in their tablespaces",
    Effect.gen(function* () {
      const { audit } = yield* backlogWithEveryEvent
      const { cards, schema, sql } = yield* tables
      const space = `space_${schema}`
      const session = yield* sql.reserve
      const say = (statement: string) => session.executeUnprepared(statement, [], undefined)
      yield* say("SET allow_in_place_tablespaces = on")
      yield* say(`CREATE TABLESPACE "${space}" LOCATION ''`)
      const inSpace = (kind: "TABLE" | "INDEX") =>
        sql`ALTER ${sql.literal(kind)} ALL IN TABLESPACE ${sql(space)} SET TABLESPACE pg_default`
      yield* Effect.addFinalizer(() =>
        Effect.orDie(
          Effect.andThen(inSpace("TABLE"), Effect.andThen(inSpace("INDEX"), sql`DROP TABLESPACE ${sql(space)}`))
        )
      )
      yield* sql`ALTER TABLE ${cards} SET TABLESPACE ${sql(space)}`
      yield* sql`ALTER INDEX ${sql(`${schema}.dependencies_pkey`)} SET TABLESPACE ${sql(space)}`
      const catalog = yield* readModelCatalog
      yield* audit.rebuild()
      expect(yield* readModelCatalog).toEqual(catalog)
      yield* isWhole
    }).pipe(Effect.scoped)
  )

  test(
    "is superseded by a concurrent one or succeeds, and the backlog is consistent",
    Effect.gen(function* () {
      yield* backlogWithEveryEvent
      const pools = yield* Effect.all([pool(), pool(), pool()])
      let finished = 0
      const rounds = 3
      for (let round = 0; round < rounds; round++) {
        const results = yield* Effect.forEach(pools, ({ audit }) => Effect.result(audit.rebuild()), {
          concurrency: "unbounded"
        })
        for (const result of results) {
          if (Result.isSuccess(result)) {
            finished++
            expect(result.success.verification.divergences).toEqual([])
          } else expect(result.failure._tag).toBe("RebuildSuperseded")
        }
        // The last rebuild is not superseded.
        expect(results.some(Result.isSuccess)).toBe(true)
      }
      expect(finished).toBeGreaterThanOrEqual(rounds)
      yield* isWhole
    })
  )

  test(
    "is superseded by a later one that starts at any point",
    Effect.gen(function* () {
      const { audit, backlog } = yield* backlogWithEveryEvent
      const other = yield* pool()
      for (const at of ["building", "counting", "catching up", "swapping"] as const) {
        let begun = false
        const first = yield* Effect.exit(
          audit.rebuild({
            onProgress: Effect.fnUntraced(function* ({ phase }) {
              if (phase === "counting") yield* backlog.revise({ id: "c5", title: at, actor: "ann" })
              if (phase !== at || begun) return
              begun = true
              yield* other.audit.rebuild()
            }, Effect.orDie)
          })
        )
        expect(Option.getOrUndefined(Exit.findErrorOption(first))).toMatchObject({ _tag: "RebuildSuperseded" })
      }
      yield* isWhole
    })
  )

  test(
    "is ended by a redaction that finds it too slow, and drops its tables",
    Effect.gen(function* () {
      const { audit } = yield* backlogWithEveryEvent
      const { sql } = yield* tables
      const shadows = Effect.provideContext(findShadowSchemas, yield* Effect.context<SqlClient.SqlClient>())
      const ended = yield* Effect.exit(
        audit.rebuild({
          onProgress: Effect.fnUntraced(function* ({ phase }) {
            if (phase !== "counting") return
            const [shadow] = yield* shadows
            yield* sql`UPDATE ${sql(`${shadow}.work`)} SET touched_at = touched_at - interval '1 minute'`
            yield* audit.redact({ id: "c6", parts: ["body"], reason: "a key", actor: "ann" })
          }, Effect.orDie)
        })
      )
      expect(Option.getOrUndefined(Exit.findErrorOption(ended))).toMatchObject({ _tag: "RebuildSuperseded" })
      expect(yield* findShadowSchemas).toEqual([])
      yield* isWhole
    })
  )

  test(
    "fails while a transaction holds the tables, without stopping commands, and succeeds afterwards",
    Effect.gen(function* () {
      const { audit, backlog } = yield* backlogWithEveryEvent
      const { cards, sql } = yield* tables
      const reader = yield* pool({ size: 1 })
      const numbers = yield* tableNumbers
      const isReading = yield* Deferred.make<void>()
      const mayEnd = yield* Deferred.make<void>()
      const reading = yield* Effect.gen(function* () {
        const before = yield* reader.sql`SELECT count(*) FROM ${cards}`
        yield* Deferred.succeed(isReading, undefined)
        yield* Deferred.await(mayEnd)
        expect(yield* reader.sql`SELECT count(*) FROM ${cards}`).toEqual(before)
      }).pipe(
        reader.sql.withTransaction,
        Effect.provideService(SqlClient.BeginTransaction, "BEGIN ISOLATION LEVEL REPEATABLE READ"),
        Effect.forkScoped
      )
      yield* Deferred.await(isReading)

      const attempts: Array<number> = []
      const trying = yield* Effect.forkScoped(
        Effect.flip(
          audit.rebuild({
            swapTimeout: "2 seconds",
            onProgress: ({ done, phase }) => Effect.sync(() => void (phase === "swapping" && attempts.push(done)))
          })
        )
      )
      let commands = 0
      while (trying.pollUnsafe() === undefined) {
        yield* backlog.revise({ id: "c5", title: `New ${commands}`, actor: "ann" })
        yield* backlog.list({ limit: 1 })
        commands++
      }
      const blocked = yield* Fiber.join(trying)
      expect(blocked).toMatchObject({ _tag: "RebuildBlocked", waitedSeconds: expect.any(Number) })
      // The rebuild retried and caught up with the commands in between.
      expect(attempts.length).toBeGreaterThan(2)
      expect(attempts.at(-1)).toBeGreaterThan(attempts[0] ?? 0)
      expect(commands).toBeGreaterThan(attempts.length)
      expect(yield* tableNumbers).toEqual(numbers)
      expect(yield* findShadowSchemas).toEqual([])

      // For this rebuild the tables are locked at first and unlocked later.
      let tries = 0
      const report = yield* audit.rebuild({
        onProgress: ({ phase }) =>
          phase === "swapping" && ++tries === 2 ? Deferred.succeed(mayEnd, undefined) : Effect.void
      })
      expect(tries).toBeGreaterThan(2)
      expect(report.verification.divergences).toEqual([])
      yield* Fiber.join(reading)
      expect(yield* sql`SELECT count(*)::int4 AS count FROM ${cards}`).toEqual([{ count: 101 }])
      yield* isWhole
    })
  )
})
