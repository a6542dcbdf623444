import { Effect, Layer, Result } from "effect"
import { AuditService } from "../../src/services/AuditService.ts"
import { BacklogService } from "../../src/services/BacklogService.ts"
import { RemovalSchedule } from "../../src/services/audit/Erasures.ts"
import { layerPostgres } from "../../src/services/layers.ts"
import { readMigrations } from "../../src/services/schema/Migrations.ts"
import { BacklogSchema } from "../../src/sql/SchemaName.ts"
import { cli, json } from "../cli/support.ts"
import { connect, whereRolesCanBeCreated, strangers } from "../proof/roles/support.ts"
import { postgresUrl, tables } from "../support/backlogs.ts"
import { findShadowSchemas } from "../support/catalog.ts"
import { isLong, onServer, type Test } from "../support/databases.ts"
import { script } from "../support/scripts.ts"
import { expect, it } from "vitest"
import { wayBack } from "../support/wayBack.ts"

const actor = "ann"

const skipped: Test = (title) =>
  it("runs only with npm run test:security", (context) =>
    context.skip(`${title}: BACKLOG_TEST_SECURITY=long npm run test:security`))

const redacted = Effect.gen(function* () {
  const backlog = yield* BacklogService
  const audit = yield* AuditService
  yield* backlog.create({ id: "a", title: "T", body: "B", acceptance: "A", actor })
  yield* audit.redact({ id: "a", parts: ["body"], reason: "a key", actor })
  const flags = ["--db", postgresUrl(), "--schema", yield* BacklogSchema]
  const redactArguments = (...argv: ReadonlyArray<string>) => Effect.promise(() => json([...argv, ...flags]))
  const outputOf = (...argv: ReadonlyArray<string>) => Effect.promise(() => cli([...argv, ...flags]))
  return { redactArguments, audit, backlog, outputOf }
})

/** Sets the last step of the killed process back by a minute. */
const agePendingRemoval = Effect.gen(function* () {
  const { sql } = yield* tables
  const [shadow] = yield* findShadowSchemas
  if (shadow !== undefined)
    yield* sql`UPDATE ${sql(`${shadow}.work`)} SET touched_at = touched_at - interval '1 minute'`
})

onServer("a pending removal", (test) => {
  const whenLong = isLong ? test : skipped
  whenLong(
    "is reported by the doctor, and doctor --fix completes it after its process was killed",
    Effect.gen(function* () {
      const { redactArguments, audit, backlog } = yield* redacted
      const schema = yield* BacklogSchema
      for (const stay of ["copying events", "swapping cards", "swapped receipts"]) {
        const other = yield* script("removal.mjs", schema, stay)
        yield* other.awaitLine(stay)
        yield* other.kill
        yield* backlog.create({ id: `after ${stay}`, title: "T", actor })
        yield* agePendingRemoval
      }
      expect((yield* findShadowSchemas).length).toBe(1)
      const examined = yield* redactArguments("doctor")
      expect(JSON.stringify(examined.data)).toContain("The bytes of 1 redaction are still in the data files")
      const fixed = yield* redactArguments("doctor", "--fix")
      expect(JSON.stringify(fixed.data)).toContain("No erased bytes are left in the data files.")
      expect(yield* audit.erasures({ pending: true })).toEqual([])
      expect(yield* findShadowSchemas).toEqual([])
      const { sql } = yield* tables
      const triggers = yield* sql`
        SELECT tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
        WHERE relnamespace = ${schema}::regnamespace AND tgname = 'mosaic_backlog_capture'`
      expect(triggers).toEqual([])
    })
  )

  test("is completed by the owner if a superuser has begun it", (context) =>
    whereRolesCanBeCreated(
      context,
      Effect.gen(function* () {
        const { owner: login, schema } = yield* strangers
        const removes = Layer.provide(
          layerPostgres({ url: postgresUrl(), schema, poolSize: 2 }),
          Layer.succeed(RemovalSchedule)("off")
        )
        const owner = yield* Effect.provideService(connect(login, { schema }), RemovalSchedule, "off")
        yield* owner.backlog.create({ id: "a", title: "T", body: "B", acceptance: "A", actor })
        const redact = (part: "body" | "acceptance") =>
          owner.audit.redact({ id: "a", parts: [part], reason: "a key", actor })
        yield* Effect.gen(function* () {
          const superuser = yield* AuditService
          yield* redact("body")
          const ended = yield* Effect.result(
            superuser.removeErased({
              // The superuser's process is killed here.
              onProgress: ({ phase, table }) =>
                phase === "swapping" && table === "cards"
                  ? Effect.orDie(Effect.andThen(redact("acceptance"), owner.audit.rebuild()))
                  : Effect.void
            })
          )
          expect(Result.isFailure(ended) && ended.failure).toMatchObject({ _tag: "RemovalPending" })
        }).pipe(Effect.provide(removes))
        expect(yield* owner.audit.removeErased()).toEqual({ removed: 2 })
      })
    ))

  test(
    "is reported by redact and listed by erasures with its obstacle",
    Effect.gen(function* () {
      const { redactArguments, outputOf } = yield* redacted
      const { schema, sql } = yield* tables
      const part = (name: string) => ["redact", "a", "--part", name, "--reason", "a key"]
      yield* sql`CREATE INDEX mine ON ${sql(`${schema}.events`)} (actor)`
      const pending = yield* redactArguments(...part("title"))
      expect(pending).toMatchObject({ code: 0, data: { state: "erased from reads", erased: [{ version: 1 }] } })
      expect(String(pending.data.problem)).toContain("index mine")
      expect((yield* outputOf("erasures")).stdout).toMatch(/2 +a +erased from reads .*index mine/)
      expect((yield* outputOf("doctor", "--fix")).code).toBe(1)
      yield* sql`DROP INDEX ${sql(`${schema}.mine`)}`
      expect(yield* redactArguments(...part("body"), "--no-wait")).toMatchObject({
        data: { state: "erased from reads", erased: [] }
      })
      expect((yield* redactArguments("erasures", "--pending")).data).toMatchObject([{ position: 2 }, { position: 3 }])
      expect(yield* redactArguments(...part("acceptance"))).toMatchObject({
        data: { state: "removed from pages", problem: null }
      })
      expect((yield* outputOf("erasures", "--pending")).stdout).toBe("No redaction is pending.\n")
      expect((yield* outputOf("erasures")).stdout).toMatch(/4 +a +removed from pages/)
    })
  )

  test(
    "includes redactions by versions that did not remove the bytes",
    Effect.gen(function* () {
      const { audit } = yield* redacted
      yield* audit.removeErased()
      const { schema, sql } = yield* tables
      const file = (yield* readMigrations).findLast(({ name }) => name.endsWith("_erasures"))
      yield* sql.withTransaction(Effect.forEach(wayBack(schema), (text) => sql.unsafe(text), { discard: true }))
      yield* sql`DROP TABLE ${sql(`${schema}.erasures`)}`
      yield* sql`DELETE FROM ${sql(`${schema}.migrations`)} WHERE id = ${file?.id ?? 0}`
      const migrated = layerPostgres({ url: postgresUrl(), schema, poolSize: 1 }).pipe(
        Layer.provide(Layer.succeed(RemovalSchedule)("off"))
      )
      const found = yield* Effect.flatMap(AuditService, (later) => later.erasures()).pipe(Effect.provide(migrated))
      expect(found).toMatchObject([{ position: 2, cardId: "a", state: "erased from reads" }])
    })
  )
})
