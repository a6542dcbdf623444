import { Cause, Context, Effect, Exit, Fiber, Layer, Option } from "effect"
import { SqlClient } from "effect/sql"
import { expect } from "vitest"
import { AuditService } from "../../../src/services/AuditService.ts"
import type { ClaimInput } from "../../../src/services/BacklogInput.ts"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { BacklogTestClock } from "../../../src/services/layers.ts"
import { BacklogSchema } from "../../../src/sql/SchemaName.ts"
import { eventsOf, postgresClient, tables } from "../../support/backlogs.ts"
import { onServer } from "../../support/databases.ts"
import { until } from "../../support/waiting.ts"

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

/** Counts the calls of `change_card_v1` while an effect runs, and those that write something. */
const counting = <A, E, R>(
  use: (count: Effect.Effect<{ readonly calls: number; readonly written: number }, unknown>) => Effect.Effect<A, E, R>
) =>
  Effect.gen(function* () {
    const { schema, sql } = yield* tables
    const [found] = yield* sql<{ readonly types: string }>`
      SELECT oidvectortypes(proargtypes) AS types FROM pg_proc
      WHERE proname = 'change_card_v1' AND pronamespace = ${schema}::regnamespace`
    const types = found?.types ?? ""
    const places = types.split(",").map((_, index) => `$${index + 1}`)
    yield* sql.unsafe(`ALTER FUNCTION ${schema}.change_card_v1(${types}) RENAME TO change_card_itself`)
    yield* sql.unsafe(`CREATE SEQUENCE ${schema}.calls`)
    yield* sql.unsafe(`CREATE SEQUENCE ${schema}.written`)
    yield* sql.unsafe(`CREATE FUNCTION ${schema}.change_card_v1(${types}) RETURNS text LANGUAGE plpgsql AS '
      DECLARE
        changed text;
      BEGIN
        PERFORM nextval(''${schema}.calls'');
        changed := ${schema}.change_card_itself(${places.join()});
        IF changed IS NOT NULL THEN
          PERFORM nextval(''${schema}.written'');
        END IF;
        RETURN changed;
      END'`)
    const count = Effect.map(
      sql<{ readonly calls: number; readonly written: number }>`
        SELECT (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM ${sql(`${schema}.calls`)})::int4 AS calls,
          (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM ${sql(`${schema}.written`)})::int4 AS written`,
      ([row]) => row ?? { calls: 0, written: 0 }
    )
    const result = yield* use(count)
    yield* sql.unsafe(`DROP FUNCTION ${schema}.change_card_v1(${types})`)
    yield* sql.unsafe(`DROP SEQUENCE ${schema}.calls, ${schema}.written`)
    yield* sql.unsafe(`ALTER FUNCTION ${schema}.change_card_itself(${types}) RENAME TO change_card_v1`)
    return result
  })

/**
 * Completes cards whose claims are remembered, until one completion was sent in one round trip: on a slow machine not every one is.
 * `meanwhile` happens between claim and completion. Returns what the last completion led to, and how many the database has written.
 */
const completeRemembered = (meanwhile: (id: string) => Effect.Effect<unknown, unknown>) =>
  counting((count) =>
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      for (let number = 0; ; number++) {
        const id = `card-${number}`
        yield* backlog.create({ id, title: "Secret", priority: 100 + number, actor })
        const claimed = Option.getOrThrow(yield* backlog.claim({ id, owner: actor, actor }))
        yield* meanwhile(id)
        // Uses the connection, which must have received something within the last 100 ms.
        yield* backlog.create({ id: `other-${number}`, title: "T", priority: -1, actor })
        const before = yield* count
        const exit = yield* Effect.exit(backlog.complete({ id, token: claimed.claimToken, result: { number }, actor }))
        const { calls, written } = yield* count
        if (calls > before.calls) return { id, number, exit, written: written - before.written }
      }
    })
  )

/** Numbers the cards of the function below. */
let rounds = 0

/**
 * Claims twice, until the second claim was sent in one round trip. `prepare` happens before the first, whose answer is not checked, and
 * `meanwhile` between the two. Returns the answer of the last claim, and how many the database has written.
 */
const claimAgain = (
  claim: Partial<ClaimInput>,
  {
    meanwhile = Effect.void,
    prepare = () => Effect.void
  }: {
    readonly prepare?: (number: number) => Effect.Effect<unknown, unknown>
    readonly meanwhile?: Effect.Effect<unknown, unknown>
  } = {}
) =>
  counting((count) =>
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      for (;;) {
        const number = ++rounds
        yield* prepare(number)
        yield* backlog.create({ id: `first-${number}`, title: "T", priority: 1000, phase: "p", actor })
        yield* backlog.claim({ owner: actor, actor })
        yield* meanwhile
        yield* backlog.create({ id: `other-${number}`, title: "T", priority: -1000, phase: "other", actor })
        const before = yield* count
        const claimed = yield* backlog.claim({ owner: actor, actor, ...claim })
        const { calls, written } = yield* count
        if (calls > before.calls) return { claimed, number, written: written - before.written }
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
      const { exit, id, number, written } = yield* completeRemembered(() => Effect.void)
      expect(written).toBe(1)
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
      const { exit, written } = yield* completeRemembered((id) => backlog.note({ id, text: "N", actor }))
      expect(written).toBe(1)
      expect(successOf(exit)).toMatchObject({ status: "done", version: 4, noteCount: 1 })
    })
  )

  test(
    "loads a card that another process has changed",
    Effect.gen(function* () {
      const { backlog } = yield* openElsewhere
      const { exit, written } = yield* completeRemembered((id) => backlog.note({ id, text: "N", actor }))
      expect(written).toBe(0)
      expect(successOf(exit)).toMatchObject({ status: "done", version: 4, noteCount: 1 })
    })
  )

  test(
    "names the cards that it makes claimable, of which another process has made one depend on it meanwhile",
    Effect.gen(function* () {
      const { backlog } = yield* openElsewhere
      const { exit, id, written } = yield* completeRemembered((dependsOn) =>
        backlog.create({ id: `after-${dependsOn}`, title: "T", dependsOn: [dependsOn], actor })
      )
      expect(written).toBe(0)
      expect(successOf(exit).madeClaimable).toEqual([`after-${id}`])
    })
  )

  test(
    "is refused when the claim was lost",
    Effect.gen(function* () {
      const { backlog } = yield* openElsewhere
      const { exit, id, written } = yield* completeRemembered((lost) =>
        Effect.andThen(backlog.reclaim({ id: lost, actor }), backlog.claim({ owner: "other", id: lost, actor }))
      )
      expect(written).toBe(0)
      expect(Exit.isFailure(exit) && Cause.pretty(exit.cause)).toContain("ClaimLost")
      expect(Option.getOrThrow(yield* backlog.get(id))).toMatchObject({ status: "claimed", claimOwner: "other" })
    })
  )

  test(
    "shows nothing that was redacted meanwhile",
    Effect.gen(function* () {
      const { audit } = yield* openElsewhere
      const { exit, written } = yield* completeRemembered((id) =>
        audit.redact({ id, parts: ["title"], reason: "secret", actor })
      )
      expect(written).toBe(0)
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
          yield* call(other.sql, schema, { ...completion, card: "a", card_position: "1", read_generation: "1" })
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
})

onServer("a claim after one that has found a card", (test) => {
  test(
    "takes the first card, and is the same as one that loads the card",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const create = (id: string, priority: number) =>
        backlog.create({ id, title: "T", body: "B", labels: ["l"], priority, actor })
      const { claimed, number, written } = yield* claimAgain(
        { ttlSeconds: 60, owner: "o", correlationId: "c" },
        {
          prepare: (round) =>
            Effect.gen(function* () {
              const id = `high-${round}`
              yield* create(`low-${round}`, round)
              yield* create(id, round + 1)
              yield* create(`next-${round}`, round)
              const { claimToken: token } = Option.getOrThrow(yield* backlog.claim({ id, owner: actor, actor }))
              yield* backlog.release({ id, token, reason: "R", actor })
            })
        }
      )
      const id = `high-${number}`
      expect(written).toBe(1)
      const card = Option.getOrThrow(claimed)
      expect(card).toEqual(Option.getOrThrow(yield* backlog.get(id)))
      expect(card).toMatchObject({ claimOwner: "o", claimToken: 4, attempts: 2, version: 4, labels: ["l"] })
      expect(card.claimExpiresAt.epochMilliseconds - card.claimedAt.epochMilliseconds).toBe(60_000)
      expect((yield* eventsOf(id)).at(-1)).toMatchObject({ type: "CardClaimed", owner: "o", ttlSeconds: 60 })
      expect((yield* backlog.complete({ id, token: card.claimToken, actor })).status).toBe("done")
    })
  )

  test(
    "takes the first card that matches its filter",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const prepare = (round: number) =>
        Effect.gen(function* () {
          for (const { id, status } of yield* backlog.list({ limit: 100 })) {
            if (status !== "done") yield* backlog.complete({ id, force: true, actor })
          }
          for (const phase of ["a", "b"]) {
            for (const priority of [5, 7])
              yield* backlog.create({ id: `${phase}-${priority}-${round}`, title: "T", priority, phase, actor })
          }
        })
      for (const [filter, expected] of [
        [{ phase: "b" }, "b-7"],
        [{ phase: "a", minPriority: 6 }, "a-7"],
        [{ minPriority: 6 }, "a-7"]
      ] as const) {
        const { claimed, number, written } = yield* claimAgain(filter, { prepare })
        const id = Option.map(claimed, (card) => card.id)
        expect([filter, id, written]).toEqual([filter, Option.some(`${expected}-${number}`), 1])
      }
    })
  )

  test(
    "loads what it takes where that depends on more than the first card",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const nothing = yield* claimAgain({ phase: "none" })
      expect([nothing.claimed, nothing.written]).toEqual([Option.none(), 0])
      // A claim that expires meanwhile frees its card.
      const reclaimed = yield* claimAgain(
        {},
        {
          prepare: (round) =>
            Effect.gen(function* () {
              yield* backlog.create({ id: `expired-${round}`, title: "T", priority: 5000 + round, actor })
              yield* backlog.claim({ id: `expired-${round}`, owner: "gone", ttlSeconds: 1, actor })
            }),
          meanwhile: (yield* BacklogTestClock).advance("2 seconds")
        }
      )
      expect([Option.map(reclaimed.claimed, ({ id }) => id), reclaimed.written]).toEqual([
        Option.some(`expired-${reclaimed.number}`),
        0
      ])
    })
  )

  for (const [what, claim, expected] of [
    ["its id", { id: "a" }, { id: "a" }],
    ["labels", { labels: ["l"] }, { id: "a" }],
    ["labels that are missing", { withoutLabels: ["l"] }, { id: "b" }],
    ["a number of attempts", { maxAttempts: 1, minPriority: 10 }, { id: "b" }],
    ["an id of the command", { commandId: "once" }, {}]
  ] as const) {
    test(
      `by ${what} loads what that needs`,
      Effect.gen(function* () {
        const backlog = yield* BacklogService
        yield* backlog.create({ id: "a", title: "T", labels: ["l"], priority: 20, actor })
        yield* backlog.create({ id: "b", title: "T", priority: 10, actor })
        const { claimToken: token } = Option.getOrThrow(yield* backlog.claim({ id: "a", owner: actor, actor }))
        yield* backlog.release({ id: "a", token, retryAfterSeconds: 1, reason: "failed", actor })
        yield* (yield* BacklogTestClock).advance("2 seconds")
        yield* backlog.create({ id: "first", title: "T", priority: 1000, actor })
        yield* backlog.claim({ owner: actor, actor })
        const claimed = yield* counting((count) =>
          Effect.gen(function* () {
            const card = yield* backlog.claim({ owner: actor, actor, ...claim })
            expect(yield* count).toEqual({ calls: 0, written: 0 })
            return card
          })
        )
        expect(Option.getOrThrow(claimed)).toMatchObject(expected)
      })
    )
  }

  test(
    "skips a card that another transaction has locked",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const { cards } = yield* tables
      const other = yield* openElsewhere
      yield* backlog.create({ id: "locked", title: "T", priority: 2, actor })
      const claiming = claimAgain(
        {},
        { prepare: (round) => backlog.create({ id: `free-${round}`, title: "T", priority: 1, actor }) }
      )
      const { claimed, number, written } = yield* other.sql.withTransaction(
        Effect.andThen(other.sql`SELECT FROM ${cards} WHERE id = 'locked' FOR UPDATE`, claiming)
      )
      expect([Option.map(claimed, ({ id }) => id), written]).toEqual([Option.some(`free-${number}`), 1])
    })
  )

  test(
    "waits for the table before it locks the head",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const { cards, head, schema, sql } = yield* tables
      const other = yield* openElsewhere
      yield* backlog.create({ id: "a", title: "T", actor })
      const isWaited = Effect.map(
        sql`SELECT FROM pg_locks WHERE NOT granted AND relation = ${`${schema}.cards`}::regclass`,
        (rows) => rows.length > 0
      )
      const claiming = yield* sql.withTransaction(
        Effect.gen(function* () {
          yield* sql`LOCK TABLE ${cards} IN ACCESS EXCLUSIVE MODE`
          const fiber = yield* Effect.forkDetach(call(other.sql, schema, claim))
          yield* until(isWaited)
          yield* sql`SELECT FROM ${head} FOR UPDATE NOWAIT`
          return fiber
        })
      )
      yield* Fiber.join(claiming)
    })
  )

  test(
    "has a token of the generation",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const { head, sql } = yield* tables
      const generation = 5 * 2 ** 31
      yield* sql`UPDATE ${head} SET generation = ${String(generation)}::bigint, generation_reason = 'failover',
        generation_since = now()`
      const { claimed, number, written } = yield* claimAgain(
        {},
        { prepare: (round) => backlog.create({ id: `a-${round}`, title: "T", actor }) }
      )
      expect([Option.getOrThrow(claimed).claimToken, written]).toEqual([generation + 2, 1])
      expect(Option.getOrThrow(yield* backlog.get(`a-${number}`)).claimToken).toBe(generation + 2)
    })
  )
})

/** Arguments of `change_card_v1`, by name. */
type Call = Readonly<Record<string, unknown>>

const time = "2026-01-01T00:00:00.000Z"

const common: Call = {
  decided_at: time,
  decided_before: time,
  read_generation: "0",
  event_schema: 1,
  by_actor: actor,
  commits_early: false,
  override: time
}

const completion: Call = {
  ...common,
  event_type: "CardCompleted",
  data: '{"claim":null,"forced":true,"overrode":[],"result":null}',
  event_version: 2,
  new_state: `(a,done,0,,f,0,"${time}","${time}",2,0,,,,,0,,,)`,
  counted: "(-1,0,0,0,1)"
}

const claim: Call = {
  ...common,
  least_priority: -5,
  event_type: "CardClaimed",
  data: `{"expiresAt":"${time}","generation":0,"owner":"w","ttlSeconds":1}`,
  new_state: `(any,claimed,0,,f,1,"${time}",,1,0,w,1,"${time}","${time}",0,1,,)`,
  counted: "(-1,0,1,0,0)",
  first_expiry: time
}

const parameters: ReadonlyArray<readonly [name: string, type: string]> = [
  ["card", "text"],
  ["card_position", "bigint"],
  ["of_phase", "text"],
  ["least_priority", "integer"],
  ["decided_at", "timestamptz"],
  ["decided_before", "timestamptz"],
  ["read_generation", "bigint"],
  ["event_type", "text"],
  ["event_schema", "integer"],
  ["data", "text"],
  ["erasable", "text"],
  ["commitments", "text"],
  ["by_actor", "text"],
  ["correlation", "text"],
  ["causation", "text"],
  ["event_version", "integer"],
  ["new_state", "text"],
  ["counted", "text"],
  ["first_expiry", "timestamptz"],
  ["commits_early", "boolean"],
  ["override", "timestamptz"]
]

const call = (sql: SqlClient.SqlClient, schema: string, given: Call) =>
  sql.unsafe<{ readonly changed: string | null }>(
    `SELECT ${schema}.change_card_v1(${parameters.map(([, type], index) => `$${index + 1}::${type}`).join()}) AS changed`,
    parameters.map(([name]) => given[name] ?? null)
  )

onServer("a decision that was made before its transaction", (test) => {
  test(
    "is right only for the card, the position, the generation, the server and the time that it was made for",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const { cards, dependencies, head, schema, sql } = yield* tables
      yield* backlog.create({ id: "a", title: "A", phase: "p", actor })
      yield* backlog.create({ id: "b", title: "B", priority: -1, actor })
      yield* backlog.create({ id: "c", title: "C", actor })
      yield* backlog.claim({ id: "c", owner: actor, actor })
      const right = { ...completion, card: "a", card_position: "1" }
      const isWritten = (given: Call, before: Effect.Effect<unknown, unknown> = Effect.void) =>
        sql
          .withTransaction(
            Effect.gen(function* () {
              yield* before
              const [row] = yield* call(sql, schema, given)
              // Undoes what came before.
              return yield* Effect.fail({ isWritten: row?.changed != null })
            })
          )
          .pipe(
            Effect.flip,
            Effect.map((rolledBack) => (rolledBack as { readonly isWritten?: boolean }).isWritten)
          )
      const later = (millis: number) => new Date(Date.parse(time) + millis).toISOString()
      const isRight = {
        "a completion": isWritten(right),
        "a completion that was decided a second before": isWritten({ ...right, decided_at: later(-1000) }),
        "a claim": isWritten(claim),
        "a claim of a phase": isWritten({ ...claim, of_phase: "p" }),
        "a claim of a card of lower priority": isWritten(claim, sql`DELETE FROM ${cards} WHERE id = 'a'`),
        "a completion while another card depends on another one": isWritten(
          right,
          sql`INSERT INTO ${dependencies} (card_id, depends_on_id) VALUES ('b', 'c')`
        )
      }
      for (const [what, answer] of Object.entries(isRight)) expect([what, yield* answer]).toEqual([what, true])
      const either = (changed: Call, before?: Effect.Effect<unknown, unknown>) =>
        Effect.map(
          Effect.all([isWritten({ ...right, ...changed }, before), isWritten({ ...claim, ...changed }, before)]),
          (answers) => answers.includes(true)
        )
      const isWrong = {
        "another card": isWritten({ ...right, card: "b" }),
        "no card": isWritten({ ...right, card: "none" }),
        "an earlier position": isWritten({ ...right, card: "c", card_position: "3" }),
        "a dependent": isWritten(right, sql`INSERT INTO ${dependencies} (card_id, depends_on_id) VALUES ('b', 'a')`),
        "another phase": isWritten({ ...claim, of_phase: "q" }),
        "a greater priority": isWritten({ ...claim, least_priority: 1 }),
        "a claim that has expired": isWritten(claim, sql`UPDATE ${head} SET claims_from_expiry = ${time}::timestamptz`),
        "a retry time that has passed": isWritten(
          claim,
          sql`UPDATE ${head} SET claims_from_retry = ${time}::timestamptz`
        ),
        "another generation": either({ read_generation: "1" }),
        "no generation": either({ read_generation: null }),
        "a decision in the future": either({ decided_at: later(1), decided_before: later(1000) }),
        "a decision that is old": either({ decided_at: later(-1000), decided_before: later(-1) }),
        "another start of the server": either(
          {},
          sql`UPDATE ${head} SET server_started = server_started - interval '1 hour'`
        ),
        "another table": either({}, sql`UPDATE ${head} SET server_table = 1`),
        "a server that is not known": either({}, sql`UPDATE ${head} SET server_started = NULL`),
        "a place in the claim order that another program has left behind": either(
          {},
          sql`UPDATE ${head} SET claims_from_position = position - 1`
        ),
        "the end of 128 events": either(
          {},
          sql`UPDATE ${head} SET position = 127, guarded_position = 127, claims_from_position = 127`
        ),
        "another isolation level": either({}, sql`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ`)
      }
      for (const [what, answer] of Object.entries(isWrong)) expect([what, yield* answer]).toEqual([what, false])
    })
  )
})
