import { Cause, Context, Effect, Exit, Layer, Option } from "effect"
import { SqlClient } from "effect/sql"
import { expect } from "vitest"
import { AuditService } from "../../../src/services/AuditService.ts"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { BacklogSchema } from "../../../src/sql/SchemaName.ts"
import { eventsOf, postgresClient, tables } from "../../support/backlogs.ts"
import { onServer } from "../../support/databases.ts"

const actor = "w"

/** The backlog of this test, as another process would open it. */
const openElsewhere = Effect.gen(function* () {
  const { schema } = yield* tables
  const context = yield* Layer.build(
    Layer.fresh(Layer.merge(BacklogService.layer, AuditService.layer)).pipe(
      Layer.provideMerge(postgresClient(2)),
      Layer.provide(Layer.succeed(BacklogSchema)(schema))
    )
  )
  return {
    backlog: Context.get(context, BacklogService),
    audit: Context.get(context, AuditService),
    sql: Context.get(context, SqlClient.SqlClient)
  }
})

/** Counts the calls of `lock_unchanged_v1` while an effect runs, and those that return true. */
const counting = <A, E, R>(
  use: (count: Effect.Effect<{ readonly calls: number; readonly unchanged: number }, unknown>) => Effect.Effect<A, E, R>
) =>
  Effect.gen(function* () {
    const { schema, sql } = yield* tables
    const types = "(text, bigint, bigint, timestamptz, timestamptz)"
    yield* sql.unsafe(`ALTER FUNCTION ${schema}.lock_unchanged_v1${types} RENAME TO lock_unchanged_itself`)
    yield* sql.unsafe(`CREATE SEQUENCE ${schema}.calls`)
    yield* sql.unsafe(`CREATE SEQUENCE ${schema}.unchanged`)
    yield* sql.unsafe(`CREATE FUNCTION ${schema}.lock_unchanged_v1${types} RETURNS boolean LANGUAGE plpgsql AS '
      BEGIN
        PERFORM nextval(''${schema}.calls'');
        IF ${schema}.lock_unchanged_itself($1, $2, $3, $4, $5) THEN
          PERFORM nextval(''${schema}.unchanged'');
          RETURN true;
        END IF;
        RETURN false;
      END'`)
    const count = Effect.map(
      sql<{ readonly calls: number; readonly unchanged: number }>`
        SELECT (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM ${sql(`${schema}.calls`)})::int4 AS calls,
          (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM ${sql(`${schema}.unchanged`)})::int4 AS unchanged`,
      ([row]) => row ?? { calls: 0, unchanged: 0 }
    )
    const result = yield* use(count)
    yield* sql.unsafe(`DROP FUNCTION ${schema}.lock_unchanged_v1${types}`)
    yield* sql.unsafe(`DROP SEQUENCE ${schema}.calls, ${schema}.unchanged`)
    yield* sql.unsafe(`ALTER FUNCTION ${schema}.lock_unchanged_itself${types} RENAME TO lock_unchanged_v1`)
    return result
  })

/**
 * Completes cards whose claims are remembered, until the database was asked once whether one is unchanged: on a slow machine not every
 * completion is carried out in this way. `meanwhile` happens between claim and completion. Returns what the last
 * completion led to, and how often the database found a card unchanged.
 */
const completeRemembered = (meanwhile: (id: string) => Effect.Effect<unknown, unknown>) =>
  counting((count) =>
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      for (let number = 0; ; number++) {
        const id = `card-${number}`
        yield* backlog.create({ id, title: "Secret", priority: 100 + number, actor })
        const claimed = Option.getOrThrow(yield* backlog.claim({ owner: actor, actor }))
        expect(claimed.id).toBe(id)
        yield* meanwhile(id)
        // Uses the connection, which must have received something within the last 100 ms.
        yield* backlog.create({ id: `other-${number}`, title: "T", priority: -1, actor })
        const exit = yield* Effect.exit(backlog.complete({ id, token: claimed.claimToken, result: { number }, actor }))
        const { calls, unchanged } = yield* count
        if (calls > 0) return { id, number, exit, unchanged }
      }
    })
  )

const successOf = <A, E>(exit: Exit.Exit<A, E>): A => {
  if (Exit.isSuccess(exit)) return exit.value
  throw new Error(Cause.pretty(exit.cause))
}

onServer("a completion of a claim that the process remembers", (test) => {
  test(
    "is decided on what it remembers, and is the same as one that loads the card",
    Effect.gen(function* () {
      const { exit, id, number, unchanged } = yield* completeRemembered(() => Effect.void)
      expect(unchanged).toBe(1)
      const { madeClaimable, next, ...completed } = successOf(exit)
      expect({ madeClaimable, next }).toEqual({ madeClaimable: [], next: null })
      expect(completed).toEqual(Option.getOrThrow(yield* (yield* BacklogService).get(id)))
      expect(completed).toMatchObject({
        status: "done",
        version: 3,
        result: { number },
        claimToken: null,
        title: "Secret"
      })
    })
  )

  test(
    "is decided on what the process itself has changed since",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const { exit, unchanged } = yield* completeRemembered((id) => backlog.note({ id, text: "N", actor }))
      expect(unchanged).toBe(1)
      expect(successOf(exit)).toMatchObject({ status: "done", version: 4, noteCount: 1 })
    })
  )

  test(
    "loads a card that another process has changed",
    Effect.gen(function* () {
      const { backlog } = yield* openElsewhere
      const { exit, unchanged } = yield* completeRemembered((id) => backlog.note({ id, text: "N", actor }))
      expect(unchanged).toBe(0)
      expect(successOf(exit)).toMatchObject({ status: "done", version: 4, noteCount: 1 })
    })
  )

  test(
    "names the cards that it makes claimable, of which another process has made one depend on it meanwhile",
    Effect.gen(function* () {
      const { backlog } = yield* openElsewhere
      const { exit, id, unchanged } = yield* completeRemembered((dependsOn) =>
        backlog.create({ id: `after-${dependsOn}`, title: "T", dependsOn: [dependsOn], actor })
      )
      expect(unchanged).toBe(0)
      expect(successOf(exit).madeClaimable).toEqual([`after-${id}`])
    })
  )

  test(
    "is refused when the claim was lost",
    Effect.gen(function* () {
      const { backlog } = yield* openElsewhere
      const { exit, id, unchanged } = yield* completeRemembered((lost) =>
        Effect.andThen(backlog.reclaim({ id: lost, actor }), backlog.claim({ owner: "other", id: lost, actor }))
      )
      expect(unchanged).toBe(0)
      expect(Exit.isFailure(exit) && Cause.pretty(exit.cause)).toContain("ClaimLost")
      expect(Option.getOrThrow(yield* backlog.get(id))).toMatchObject({ status: "claimed", claimOwner: "other" })
    })
  )

  test(
    "shows nothing that was redacted meanwhile",
    Effect.gen(function* () {
      const { audit } = yield* openElsewhere
      const { exit, unchanged } = yield* completeRemembered((id) =>
        audit.redact({ id, parts: ["title"], reason: "secret", actor })
      )
      expect(unchanged).toBe(0)
      expect(successOf(exit).title).toBe("[redacted]")
    })
  )

  test(
    "with a wrong token is refused as it is for a card that is loaded",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create({ id: "a", title: "A", actor })
      const { claimToken } = Option.getOrThrow(yield* backlog.claim({ owner: actor, actor }))
      const exit = yield* Effect.exit(backlog.complete({ id: "a", token: claimToken + 1, actor }))
      expect(Exit.isFailure(exit) && Cause.pretty(exit.cause)).toContain("ClaimLost")
      expect((yield* backlog.complete({ id: "a", token: claimToken, actor })).status).toBe("done")
    })
  )

  test(
    "with an id writes a receipt",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const { schema, sql } = yield* tables
      yield* backlog.create({ id: "a", title: "A", actor })
      const { claimToken } = Option.getOrThrow(yield* backlog.claim({ owner: actor, actor }))
      yield* backlog.complete({ id: "a", token: claimToken, commandId: "once", actor })
      const receipts = yield* sql`SELECT FROM ${sql(`${schema}.receipts`)} WHERE command_id = 'once'`
      expect(receipts).toHaveLength(1)
    })
  )

  test(
    "claims the next card",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      for (const id of ["a", "b"]) yield* backlog.create({ id, title: "T", actor })
      const { claimToken } = Option.getOrThrow(yield* backlog.claim({ owner: actor, actor }))
      const { next } = yield* backlog.complete({ id: "a", token: claimToken, claimNext: { owner: actor }, actor })
      expect(next?.id).toBe("b")
    })
  )

  test(
    "overrides no dependency that is done",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create({ id: "a", title: "A", status: "done", actor })
      yield* backlog.create({ id: "b", title: "B", dependsOn: ["a"], actor })
      const { claimToken } = Option.getOrThrow(yield* backlog.claim({ owner: actor, actor }))
      yield* backlog.complete({ id: "b", token: claimToken, actor })
      expect((yield* eventsOf("b")).at(-1)).toMatchObject({ type: "CardCompleted", overrode: [] })
    })
  )

  test(
    "waits for the graph and for the card",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const other = yield* openElsewhere
      const { cards, schema, sql } = yield* tables
      yield* backlog.create({ id: "a", title: "A", actor })
      const asked = other.sql.withTransaction(
        Effect.gen(function* () {
          yield* other.sql`SET LOCAL lock_timeout = '50ms'`
          yield* other.sql`SELECT ${sql(`${schema}.lock_unchanged_v1`)}('a', 1, NULL, NULL, NULL)`
        })
      )
      yield* asked
      const locks = {
        graph: sql`LOCK TABLE ${sql(`${schema}.graph_lock`)} IN EXCLUSIVE MODE`,
        card: sql`SELECT FROM ${cards} WHERE id = 'a' FOR UPDATE`
      }
      for (const [what, lock] of Object.entries(locks)) {
        const exit = yield* sql.withTransaction(Effect.andThen(lock, Effect.exit(asked)))
        expect([what, Exit.isFailure(exit) && Cause.pretty(exit.cause)]).toEqual([
          what,
          expect.stringContaining("lock timeout")
        ])
      }
    })
  )

  test(
    "is right only for the card, the position, the generation, the server and the time that it was decided for",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const { dependencies, head, schema, sql } = yield* tables
      yield* backlog.create({ id: "a", title: "A", actor })
      yield* backlog.create({ id: "b", title: "B", actor })
      yield* backlog.claim({ id: "a", owner: actor, actor })
      const [facts] = yield* sql<{ readonly generation: string }>`SELECT generation::text AS generation FROM ${head}`
      const right = { card: "a", position: "3", generation: facts?.generation ?? "", decidedAt: 0 }
      const isUnchanged = (
        changed: Partial<Record<keyof typeof right, unknown>>,
        before: Effect.Effect<unknown, unknown>
      ) => {
        const { card, decidedAt, generation, position } = { ...right, ...changed }
        return sql
          .withTransaction(
            Effect.gen(function* () {
              yield* before
              const time = new Date("2026-01-01T00:00:00.000Z")
              const [row] = yield* sql<{ readonly answer: boolean | null }>`
              SELECT ${sql(`${schema}.lock_unchanged_v1`)}(${card}, ${position}::bigint, ${generation}::bigint,
                ${new Date(time.getTime() + Number(decidedAt))}::timestamptz, ${time}::timestamptz) AS answer`
              // Undoes what came before.
              return yield* Effect.fail({ answer: row?.answer })
            })
          )
          .pipe(
            Effect.flip,
            Effect.map((rolledBack) => (rolledBack as { readonly answer?: unknown }).answer)
          )
      }
      const nothing = Effect.void
      expect(yield* isUnchanged({}, nothing)).toBe(true)
      expect(yield* isUnchanged({ decidedAt: -1000 }, nothing)).toBe(true)
      const changed = {
        "another card": isUnchanged({ card: "b" }, nothing),
        "no card": isUnchanged({ card: "c" }, nothing),
        "an earlier position": isUnchanged({ position: "1" }, nothing),
        "another generation": isUnchanged({ generation: String(Number(right.generation) + 1) }, nothing),
        "no generation": isUnchanged({ generation: null }, nothing),
        "a decision in the future": isUnchanged({ decidedAt: 1 }, nothing),
        "a decision that is old": isUnchanged({ decidedAt: -1001 }, nothing),
        "a dependent": isUnchanged({}, sql`INSERT INTO ${dependencies} (card_id, depends_on_id) VALUES ('b', 'a')`),
        "another start of the server": isUnchanged(
          {},
          sql`UPDATE ${head} SET server_started = server_started - interval '1 hour'`
        ),
        "another table": isUnchanged({}, sql`UPDATE ${head} SET server_table = 1`),
        "a server that is not known": isUnchanged({}, sql`UPDATE ${head} SET server_started = NULL`)
      }
      for (const [what, answer] of Object.entries(changed)) expect([what, yield* answer]).toEqual([what, false])
    })
  )
})
