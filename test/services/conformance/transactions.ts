import { Effect, Exit, Option, Schema } from "effect"
import { expect } from "vitest"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { headPosition, tables, writesNothing } from "../../support/backlogs.ts"
import { readLog } from "../../support/verifyBacklog.ts"
import { ids, input, refusalJson, type Test } from "./harness.ts"

/** Creates a table of the caller in the backlog's database. */
const withOrders = Effect.gen(function* () {
  const backlog = yield* BacklogService
  const found = yield* tables
  const { schema, sql } = found
  const orders = sql(`${schema}.orders`)
  yield* sql`CREATE TABLE ${orders} (id text PRIMARY KEY)`
  return {
    backlog,
    ...found,
    insert: (id: string) => sql`INSERT INTO ${orders} (id) VALUES (${id})`,
    orders: Effect.map(sql<{ readonly id: string }>`SELECT id FROM ${orders} ORDER BY id`, ids)
  }
})

class ChangedMind extends Schema.TaggedError<ChangedMind>()("ChangedMind", {}) {}

/** Commands in the caller's transaction, and concurrent commands in a transaction of the backlog. */
export const transactions = (test: Test): void => {
  test(
    "a command commits with the caller's transaction",
    Effect.gen(function* () {
      const { backlog, events, insert, orders, sql } = yield* withOrders
      yield* sql.withTransaction(
        Effect.gen(function* () {
          yield* insert("order")
          yield* backlog.create(input("a"))
          yield* backlog.create(input("b", { dependsOn: ["a"] }))
        })
      )
      expect(yield* orders).toEqual(["order"])
      expect(ids(yield* backlog.list())).toEqual(["a", "b"])
      expect(yield* headPosition).toBe(2)
      expect(yield* sql`SELECT count(*)::int4 AS count FROM ${events}`).toEqual([{ count: 2 }])
    })
  )

  test(
    "a command leaves nothing when the caller's transaction is rolled back",
    Effect.gen(function* () {
      const { backlog, insert, orders, sql } = yield* withOrders
      yield* backlog.create(input("there"))
      const before = yield* readLog
      const exit = yield* writesNothing(
        Effect.exit(
          sql.withTransaction(
            Effect.gen(function* () {
              yield* insert("order")
              yield* backlog.create(input("a", { idempotencyKey: "k" }))
              yield* backlog.complete({ id: "there", actor: "ann" })
              expect(yield* headPosition).toBe(3)
              return yield* new ChangedMind()
            })
          )
        )
      )
      expect(Exit.isFailure(exit)).toBe(true)
      expect(yield* orders).toEqual([])
      expect(yield* readLog).toEqual(before)
      expect(ids(yield* backlog.list({ status: "ready" }))).toEqual(["there"])
      // Rolled-back positions are reused, and the id and the key can be used again.
      yield* backlog.create(input("a", { idempotencyKey: "k" }))
      expect((yield* readLog).map((event) => event.position)).toEqual([1, 2])
    })
  )

  test(
    "a refused command leaves the caller's transaction intact",
    Effect.gen(function* () {
      const { backlog, insert, orders, sql } = yield* withOrders
      yield* backlog.create(input("a"))
      yield* sql.withTransaction(
        Effect.gen(function* () {
          yield* insert("before")
          expect(refusalJson(yield* Effect.flip(backlog.create(input("a"))))._tag).toBe("CardAlreadyExists")
          expect((yield* Effect.flip(backlog.create(input("")))) instanceof Error).toBe(true)
          expect(refusalJson(yield* Effect.flip(backlog.reopen({ id: "x", actor: "ann" })))._tag).toBe("CardNotFound")
          yield* backlog.create(input("b"))
          yield* insert("after")
        })
      )
      expect(yield* orders).toEqual(["after", "before"])
      expect(ids(yield* backlog.list())).toEqual(["a", "b"])
      expect(yield* headPosition).toBe(2)
    })
  )

  test(
    "commands in a caller's transaction see each other's changes",
    Effect.gen(function* () {
      const { backlog, sql } = yield* withOrders
      const madeClaimable = yield* sql.withTransaction(
        Effect.gen(function* () {
          yield* backlog.createMany({
            actor: "ann",
            cards: [
              { id: "a", title: "A" },
              { id: "b", title: "B", dependsOn: ["a"] }
            ]
          })
          const claimed = Option.getOrThrow(yield* backlog.claim({ owner: "w", actor: "w" }))
          expect(claimed.id).toBe("a")
          expect(Option.isNone(yield* backlog.claim({ owner: "w", actor: "w" }))).toBe(true)
          expect(Option.map(yield* backlog.get("a"), ({ status }) => status)).toEqual(Option.some("claimed"))
          expect((yield* backlog.stats).counts).toEqual({ ready: 1, claimed: 1, blocked: 0, done: 0 })
          const completed = yield* backlog.complete({ id: "a", token: claimed.claimToken ?? 0, actor: "w" })
          expect(Option.map(yield* backlog.claim({ owner: "w", actor: "w" }), ({ id }) => id)).toEqual(Option.some("b"))
          return completed.madeClaimable
        })
      )
      expect(madeClaimable).toEqual(["b"])
      expect((yield* readLog).map((event) => [event.cardId, event.type])).toEqual([
        ["a", "CardCreated"],
        ["b", "CardCreated"],
        ["a", "CardClaimed"],
        ["a", "CardCompleted"],
        ["b", "CardClaimed"]
      ])
    })
  )

  test(
    "an inner transaction rolls back only its own commands",
    Effect.gen(function* () {
      const { backlog, insert, orders, sql } = yield* withOrders
      yield* sql.withTransaction(
        Effect.gen(function* () {
          yield* backlog.create(input("outer"))
          const inner = sql.withTransaction(
            Effect.gen(function* () {
              yield* insert("inner")
              yield* backlog.create(input("inner"))
              return yield* new ChangedMind()
            })
          )
          expect(Exit.isFailure(yield* Effect.exit(inner))).toBe(true)
          yield* backlog.create(input("after"))
        })
      )
      expect(yield* orders).toEqual([])
      expect((yield* readLog).map((event) => [event.position, event.cardId])).toEqual([
        [1, "outer"],
        [2, "after"]
      ])
    })
  )

  test(
    "each of many concurrent commands, half of them refused, gets its own outcome",
    Effect.gen(function* () {
      const { backlog, events, sql } = yield* withOrders
      yield* backlog.createMany({
        actor: "ann",
        cards: Array.from({ length: 25 }, (_, index) => ({ id: `old${index}`, title: "T", status: "done" as const }))
      })
      const before = yield* headPosition
      const outcomes = yield* Effect.all(
        Array.from({ length: 100 }, (_, index): Effect.Effect<Exit.Exit<unknown, unknown>> => {
          const place = Math.floor(index / 4)
          switch (index % 4) {
            case 0:
              return Effect.exit(backlog.create(input(`new${place}`)))
            case 1:
              return Effect.exit(backlog.create(input(`old${place}`)))
            case 2:
              return Effect.exit(backlog.reopen({ id: `old${place}`, actor: "ann" }))
            default:
              return Effect.exit(backlog.link({ from: `old${place}`, to: `missing${place}`, actor: "ann" }))
          }
        }),
        { concurrency: "unbounded" }
      )
      const expected = ["accepted", "CardAlreadyExists", "accepted", "DependencyNotFound"]
      for (const [index, exit] of outcomes.entries()) {
        const outcome = Exit.isSuccess(exit)
          ? "accepted"
          : refusalJson(Option.getOrNull(Exit.findErrorOption(exit)))._tag
        expect([index, outcome]).toEqual([index, expected[index % 4]])
      }
      expect(yield* headPosition).toBe(before + 50)
      // The commands shared transactions. Otherwise this test would prove nothing.
      const [row] = yield* sql<{ readonly transactions: number }>`
        SELECT pg_catalog.count(DISTINCT xmin::text)::int4 AS transactions FROM ${events} WHERE position > ${before}`
      expect(row?.transactions).toBeLessThan(10)
    })
  )

  test(
    "a database error fails only the command that caused it",
    Effect.gen(function* () {
      const { backlog, cards, schema, sql } = yield* withOrders
      yield* sql`CREATE FUNCTION ${sql(`${schema}.explode`)}() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'boom' USING ERRCODE = 'data_exception'; END $$`
      yield* sql`CREATE TRIGGER explode BEFORE INSERT ON ${cards} FOR EACH ROW WHEN (NEW.id = 'bomb')
        EXECUTE FUNCTION ${sql(`${schema}.explode`)}()`
      const names = Array.from({ length: 30 }, (_, index) => (index === 20 ? "bomb" : `c${index}`))
      const exits = yield* Effect.forEach(names, (id) => Effect.exit(backlog.create(input(id))), {
        concurrency: "unbounded"
      })
      for (const [index, exit] of exits.entries()) {
        expect([names[index], Exit.isSuccess(exit)]).toEqual([names[index], index !== 20])
        if (Exit.isFailure(exit)) expect(Option.getOrNull(Exit.findErrorOption(exit))?._tag).toBe("SqlError")
      }
      expect((yield* backlog.stats).total).toBe(29)
      expect(yield* headPosition).toBe(29)
      expect((yield* backlog.create(input("afterwards"))).id).toBe("afterwards")
    })
  )

  test(
    "a database error inside a caller's transaction rolls back to the start of the command",
    Effect.gen(function* () {
      const { backlog, cards, insert, orders, sql } = yield* withOrders
      yield* sql`ALTER TABLE ${cards} ADD CONSTRAINT no_bombs CHECK (id <> 'bomb')`
      yield* sql.withTransaction(
        Effect.gen(function* () {
          yield* backlog.create(input("before"))
          expect((yield* Effect.flip(backlog.create(input("bomb"))))._tag).toBe("SqlError")
          yield* backlog.create(input("after"))
          yield* insert("order")
        })
      )
      expect(yield* orders).toEqual(["order"])
      expect((yield* readLog).map((event) => [event.position, event.cardId])).toEqual([
        [1, "before"],
        [2, "after"]
      ])
    })
  )

  test(
    "a commit waits for the disk even if the session's setting does not, and a setting that waits for a standby is kept",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const { sql } = yield* tables
      const settingAfter = <A, E, R>(setting: string, command: Effect.Effect<A, E, R>) =>
        sql.withTransaction(
          Effect.gen(function* () {
            yield* sql`SELECT set_config('synchronous_commit', ${setting}, true)`
            yield* Effect.exit(command)
            const [row] = yield* sql<{ readonly setting: string }>`
              SELECT current_setting('synchronous_commit') AS setting`
            return row?.setting
          })
        )
      expect(yield* settingAfter("off", backlog.create(input("a")))).toBe("on")
      expect(yield* settingAfter("local", backlog.create(input("l")))).toBe("on")
      expect(yield* settingAfter("on", backlog.create(input("b")))).toBe("on")
      expect(yield* settingAfter("remote_write", backlog.create(input("c")))).toBe("remote_write")
      const refused = backlog.create(input("a", { commandId: "refused" }))
      expect(yield* settingAfter("off", refused)).toBe("on")
    })
  )

  test(
    "a command is retried after a deadlock or serialization failure, a limited number of times",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const { events, schema, sql } = yield* tables
      const [failures, fail] = [sql(`${schema}.failures`), sql(`${schema}.fail`)]
      // Sequences count failed attempts too, because they do not roll back.
      yield* sql`CREATE SEQUENCE ${failures}`
      yield* sql`CREATE TABLE ${sql(`${schema}.failing`)} (code text NOT NULL, times int4 NOT NULL)`
      yield* sql.unsafe(`
        CREATE FUNCTION ${schema}.fail() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE failing record;
        BEGIN
          SELECT * INTO failing FROM ${schema}.failing;
          IF nextval('${schema}.failures') <= failing.times THEN
            RAISE EXCEPTION 'not now' USING ERRCODE = failing.code;
          END IF;
          RETURN NULL;
        END $$`)
      yield* sql`CREATE TRIGGER failing AFTER INSERT ON ${events} EXECUTE FUNCTION ${fail}()`
      const failing = (code: string, times: number) =>
        Effect.gen(function* () {
          yield* sql`SELECT setval(${`${schema}.failures`}, 1, false)`
          yield* sql`DELETE FROM ${sql(`${schema}.failing`)}`
          yield* sql`INSERT INTO ${sql(`${schema}.failing`)} VALUES (${code}, ${times})`
        })
      for (const code of ["40001", "40P01"]) {
        yield* failing(code, 2)
        expect((yield* backlog.create(input(`retried ${code}`))).version).toBe(1)
        yield* failing(code, 1_000)
        const error = yield* writesNothing(Effect.flip(backlog.create(input(`failed ${code}`))))
        expect(error._tag).toBe("SqlError")
      }
      yield* sql`DROP TRIGGER failing ON ${events}`
      yield* sql`DROP FUNCTION ${fail}()`
      expect(yield* headPosition).toBe(2)
    })
  )
}
