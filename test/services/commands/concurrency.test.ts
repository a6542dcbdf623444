import { layer } from "@effect/vitest"
import { Context, DateTime, Deferred, Effect, Fiber, Layer, Option, Result, type Scope } from "effect"
import { SqlClient, type SqlError, type Statement } from "effect/sql"
import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { expect } from "vitest"
import { BacklogSchema } from "../../../src/sql/SchemaName.ts"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { type BacklogServices, layerPostgres, layerTestOver } from "../../../src/services/layers.ts"
import { freshSchema, postgresClient, postgresUrl, tables, within } from "../../support/backlogs.ts"
import { breachesOf, completionsOf } from "../../support/claimRules.ts"
import { layeredCards, makeRandom } from "../../support/random.ts"
import { type EventRow, readLog, verifyBacklog } from "../../support/verifyBacklog.ts"

/** A backlog with its own connection pool, as another process would have. */
interface Pool {
  readonly backlog: BacklogService["Service"]
  readonly context: Context.Context<BacklogServices>
}

const poolCount = 8

const onePool = (schema: string, url = postgresUrl()) =>
  Effect.map(Layer.build(Layer.fresh(layerPostgres({ url, schema, poolSize: 2 }))), (context): Pool => ({
    context,
    backlog: Context.get(context, BacklogService)
  }))

const inPools = (schema: string) => Effect.forEach(Array.from({ length: poolCount }), () => onePool(schema))

const at = <A>(values: ReadonlyArray<A>, index: number): A => values[index % values.length] as A

const unbounded = { concurrency: "unbounded" } as const

/** Runs effects concurrently and distributes them over the pools. */
const race = <A, E>(
  pools: ReadonlyArray<Pool>,
  effects: ReadonlyArray<(backlog: Pool["backlog"]) => Effect.Effect<A, E>>
) => Effect.forEach(effects, (effect, index) => Effect.result(effect(at(pools, index).backlog)), unbounded)

/** The tags of rejections. Database errors and invalid input are thrown. */
const refusals = (results: ReadonlyArray<Result.Result<unknown, { readonly _tag: string }>>) =>
  results.flatMap((result) => {
    if (Result.isSuccess(result)) return []
    if (result.failure._tag === "SqlError" || result.failure._tag === "InvalidInput") throw result.failure
    return [result.failure._tag]
  })

/** The process id of the session that runs the caller's transaction. */
const sessionOf = (sql: SqlClient.SqlClient) =>
  Effect.map(sql<{ readonly pid: number }>`SELECT pg_backend_pid() AS pid`, (rows) => rows[0]?.pid ?? 0)

/** Counts the sessions that wait, directly or indirectly, for a lock that a session holds. */
const countWaiting = (pid: number) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const [row] = yield* sql<{ readonly waiting: number }>`
      WITH RECURSIVE waiting (pid) AS (
        SELECT pid FROM pg_stat_activity WHERE ${pid}::int4 = ANY(pg_blocking_pids(pid))
        UNION SELECT activity.pid FROM pg_stat_activity AS activity
          JOIN waiting ON waiting.pid = ANY(pg_blocking_pids(activity.pid)))
      SELECT count(*)::int4 AS waiting FROM waiting`
    return row?.waiting ?? 0
  })

/** Waits until the given number of sessions wait for a session. */
const awaitWaiting = (pid: number, sessions = 1): Effect.Effect<void, unknown, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    while ((yield* countWaiting(pid)) < sessions) yield* Effect.sleep("5 millis")
  })

/** Starts another program's transaction, which runs a statement and, before it commits, an optional second one. */
const startTransaction = Effect.fnUntraced(function* <A, B>(
  statement: Statement.Statement<A>,
  last: Effect.Effect<ReadonlyArray<B>, SqlError.SqlError> = Effect.succeed([])
) {
  const sql = yield* SqlClient.SqlClient
  const hasRun = yield* Deferred.make<number>()
  const mayEnd = yield* Deferred.make<void>()
  const transaction = yield* statement.pipe(
    Effect.andThen(sessionOf(sql)),
    Effect.flatMap((pid) => Deferred.succeed(hasRun, pid)),
    Effect.andThen(Deferred.await(mayEnd)),
    Effect.andThen(last),
    sql.withTransaction,
    Effect.forkScoped
  )
  return {
    session: yield* Deferred.await(hasRun),
    /** Commits, and returns the result of the last statement. */
    release: Effect.andThen(Deferred.succeed(mayEnd, undefined), Fiber.join(transaction))
  }
})

/** Wakes claimers that found no card after the next change. */
const makeChangeSignal = () => {
  let change = Deferred.makeUnsafe<void>()
  return {
    /** Completes at the next change. Read it before the claim, so that no change is missed. */
    next: () => change,
    notify: () => {
      Deferred.doneUnsafe(change, Effect.void)
      change = Deferred.makeUnsafe<void>()
    }
  }
}

const expectDrained = (log: ReadonlyArray<EventRow>, count: number) => {
  expect(breachesOf(log)).toEqual([])
  const completions = completionsOf(log)
  expect(completions.size).toBe(count)
  expect([...completions].filter(([, times]) => times !== 1)).toEqual([])
}

layer(postgresClient(6), { timeout: "60 seconds", excludeTestServices: true })("many pools over one backlog", (it) => {
  /** Runs a test with pools over an empty backlog, then verifies the log and the read model. */
  const test = (
    title: string,
    body: (
      pools: ReadonlyArray<Pool>,
      schema: string
    ) => Effect.Effect<void, unknown, SqlClient.SqlClient | Scope.Scope>
  ) =>
    it.effect(title, () =>
      Effect.gen(function* () {
        const schema = yield* freshSchema
        const pools = yield* inPools(schema)
        const checked = Effect.andThen(body(pools, schema), Effect.asVoid(verifyBacklog))
        yield* Effect.provideService(checked, BacklogSchema, schema)
      })
    )

  test("50 claimers complete 1,000 cards, each once and after its dependencies, and claims find a card while one is claimable", (pools) =>
    Effect.gen(function* () {
      const cards = layeredCards(makeRandom(1), 20, 50)
      yield* at(pools, 0).backlog.createMany({ actor: "planner", cards })
      const claimers = 50
      const changes = makeChangeSignal()
      let remaining = cards.length
      let waiting = 0
      const claimer = (index: number) =>
        Effect.gen(function* () {
          const owner = `w${index}`
          const { backlog } = at(pools, index)
          while (remaining > 0) {
            const changed = changes.next()
            const claimed = yield* backlog.claim({ owner, actor: owner })
            if (Option.isSome(claimed)) {
              const { claimToken, id } = claimed.value
              yield* backlog.complete({ id, token: claimToken ?? 0, actor: owner })
              remaining--
              changes.notify()
            } else if (remaining > 0) {
              // If no claimer found a card since the last change, a claim missed one.
              waiting++
              if (waiting === claimers && changed === changes.next()) {
                return yield* Effect.die(new Error(`all claimers were sent away with ${remaining} cards left`))
              }
              yield* Deferred.await(changed)
              waiting--
            }
          }
        })
      yield* Effect.all(
        Array.from({ length: claimers }, (_, index) => claimer(index)),
        unbounded
      )
      const log = yield* readLog
      expectDrained(log, cards.length)
      expect(log.length).toBe(3 * cards.length)
    }))

  test("with one-second leases and a quarter of the claims abandoned, all cards are completed and stale tokens are refused", (pools) =>
    Effect.gen(function* () {
      const cards = layeredCards(makeRandom(2), 5, 400)
      yield* at(pools, 0).backlog.createMany({ actor: "planner", cards })
      const changes = makeChangeSignal()
      const random = makeRandom(3)
      const abandoned = new Map<string, number>()
      const outcomes = { abandoned: 0, lost: 0, refusedZombies: 0, lateZombies: 0 }
      let remaining = cards.length

      /** A worker that returns after its lease expired. Its commands must be refused, whatever the new holder does. */
      const zombie = ({ backlog }: Pool, id: string, token: number) =>
        Effect.gen(function* () {
          for (const attempt of [
            Effect.result(backlog.renew({ id, token, actor: "zombie" })),
            Effect.result(backlog.release({ id, token, actor: "zombie" }))
          ]) {
            expect(refusals([yield* attempt])).toEqual(["ClaimLost"])
          }
          const completed = yield* Effect.result(backlog.complete({ id, token, result: "zombie", actor: "zombie" }))
          if (Result.isSuccess(completed)) {
            // The new holder has completed the card, so the zombie gets the new holder's result.
            expect(completed.success.result).not.toBe("zombie")
            outcomes.lateZombies++
          } else {
            expect(refusals([completed])).toEqual(["ClaimLost"])
            outcomes.refusedZombies++
          }
        })

      const claimer = (index: number) =>
        Effect.gen(function* () {
          const owner = `w${index}`
          const pool = at(pools, index)
          while (remaining > 0) {
            const changed = changes.next()
            const claimed = yield* pool.backlog.claim({ owner, ttlSeconds: 1, actor: owner })
            if (Option.isNone(claimed)) {
              // An expired lease sends no notification.
              if (remaining > 0) yield* Effect.timeoutOption(Deferred.await(changed), "200 millis")
              continue
            }
            const { attempts, claimToken, id } = claimed.value
            const token = claimToken ?? 0
            if (attempts === 1 && random.below(4) === 0) {
              abandoned.set(id, token)
              outcomes.abandoned++
              continue
            }
            const mine = `${owner} with token ${token}`
            const finish = Effect.result(pool.backlog.complete({ id, token, result: mine, actor: owner }))
            const stale = abandoned.get(id)
            const [finished] =
              stale === undefined
                ? [yield* finish]
                : random.below(2) === 0
                  ? [(yield* zombie(at(pools, index + 1), id, stale), yield* finish)]
                  : yield* Effect.all([finish, zombie(at(pools, index + 1), id, stale)], unbounded)
            if (Result.isSuccess(finished) && finished.success.result === mine) {
              remaining--
              changes.notify()
            } else {
              // Too slow for a lease of one second: another worker has the card or completed it.
              if (Result.isFailure(finished)) expect(refusals([finished])).toEqual(["ClaimLost"])
              abandoned.set(id, token)
              outcomes.lost++
            }
          }
        })
      yield* Effect.all(
        Array.from({ length: 50 }, (_, index) => claimer(index)),
        unbounded
      )
      const log = yield* readLog
      expectDrained(log, cards.length)
      expect(log.some((event) => event.type === "CardCompleted" && event.actor === "zombie")).toBe(false)
      expect(outcomes.abandoned).toBeGreaterThan(50)
      expect(outcomes.refusedZombies).toBeGreaterThan(10)
      const reclaimed = log.filter((event) => event.type === "CardReclaimed").length
      expect(reclaimed).toBe(outcomes.abandoned + outcomes.lost)
    }))

  test("with as many claimers as claimable cards, each claimer gets one card", (pools) =>
    Effect.gen(function* () {
      const count = 40
      for (let round = 0; round < 8; round++) {
        yield* at(pools, round).backlog.createMany({
          actor: "planner",
          cards: Array.from({ length: count }, (_, index) => ({
            id: `r${round}c${index}`,
            title: "T",
            priority: index % 3
          }))
        })
        const results = yield* race(
          pools,
          Array.from(
            { length: count },
            (_, index) => (backlog) =>
              // Some claim a card by id that other claims would choose last.
              index % 10 === 0
                ? backlog.claim({ id: `r${round}c${index}`, owner: `w${index}`, actor: "w" })
                : backlog.claim({ owner: `w${index}`, actor: "w" })
          )
        )
        expect(refusals(results)).toEqual([])
        const got = results.flatMap((result) => (Result.isSuccess(result) ? [result.success] : []))
        const named = got.filter((_, index) => index % 10 === 0)
        const any = got.filter((_, index) => index % 10 !== 0)
        expect(any.every(Option.isSome)).toBe(true)
        // A claim by id may come after another claim took that card.
        const left = named.filter(Option.isNone).length
        expect((yield* at(pools, 0).backlog.stats).claimable).toBe(left)
        for (let index = 0; index < left; index++) {
          expect(Option.isSome(yield* at(pools, index).backlog.claim({ owner: "w", actor: "w" }))).toBe(true)
        }
        expect(Option.isNone(yield* at(pools, round).backlog.claim({ owner: "w", actor: "w" }))).toBe(true)
      }
      expect(breachesOf(yield* readLog)).toEqual([])
    }))

  test("claims skip locked cards and find them after they are unlocked", (pools) =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { cards } = yield* tables
      const { backlog } = at(pools, 0)
      yield* backlog.createMany({
        actor: "planner",
        cards: Array.from({ length: 10 }, (_, index) => ({ id: `c${index}`, title: "T", priority: 10 - index }))
      })
      yield* backlog.claim({ id: "c9", owner: "late", ttlSeconds: 1, actor: "late" })
      const holder = yield* startTransaction(
        sql`SELECT id FROM ${cards} WHERE id IN ('c0', 'c1', 'c4', 'c9') FOR UPDATE`
      )
      const { session } = holder
      const claim = (index: number, id?: string) =>
        Effect.map(
          at(pools, index).backlog.claim({ owner: "w", actor: "w", ...(id === undefined ? {} : { id }) }),
          Option.map((card) => String(card.id))
        )
      expect(yield* claim(1)).toEqual(Option.some("c2"))
      expect(yield* claim(2, "c0")).toEqual(Option.none())
      expect(yield* claim(2, "c5")).toEqual(Option.some("c5"))
      const rest = yield* Effect.all([claim(3), claim(4), claim(5), claim(6)], unbounded)
      expect(rest.flatMap(Option.toArray).sort()).toEqual(["c3", "c6", "c7", "c8"])
      expect(yield* claim(7)).toEqual(Option.none())
      // Whether or not the lease on c9 has expired: no claim waits for its row or for the others.
      expect(yield* countWaiting(session)).toBe(0)
      yield* holder.release
      for (const id of ["c0", "c1", "c4"]) expect(yield* claim(1)).toEqual(Option.some(id))
    }))

  test("claims do not wait for locked cards whose lease or retry time has ended", (pools) =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { cards } = yield* tables
      const { backlog } = at(pools, 0)
      yield* backlog.createMany({
        actor: "planner",
        cards: ["leased", "deferred", "free"].map((id, index) => ({ id, title: "T", priority: 10 - index }))
      })
      yield* backlog.claim({ id: "leased", owner: "late", ttlSeconds: 1, actor: "late" })
      const held = Option.getOrThrow(yield* backlog.claim({ id: "deferred", owner: "w", actor: "w" }))
      yield* backlog.release({ id: held.id, token: held.claimToken ?? 0, retryAfterSeconds: 1, actor: "w" })
      const due = sql`SELECT FROM ${cards} WHERE coalesce(claim_expires_at, not_before) <= clock_timestamp()`
      while ((yield* due).length < 2) yield* Effect.sleep("20 millis")

      const holder = yield* startTransaction(sql`SELECT id FROM ${cards} WHERE id IN ('leased', 'deferred') FOR UPDATE`)
      const { session } = holder
      const claim = at(pools, 1).backlog.claim({ owner: "w", actor: "w" })
      const got = yield* Effect.race(claim, Effect.andThen(awaitWaiting(session), Effect.fail("the claim waits")))
      expect(Option.map(got, ({ id }) => id)).toEqual(Option.some("free"))
      yield* holder.release
      for (const id of ["leased", "deferred"]) {
        expect(Option.map(yield* claim, (card) => String(card.id))).toEqual(Option.some(id))
      }
    }))

  test("cards are locked in the order of their ids, so no two commands deadlock", (pools) =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { cards } = yield* tables
      const { backlog } = at(pools, 0)
      const dependents = Array.from({ length: 20 }, (_, index) => `d${10 + index}`)
      yield* backlog.createMany({
        actor: "planner",
        cards: [{ id: "z", title: "T" }, ...dependents.map((id) => ({ id, title: "T", dependsOn: ["z"] }))]
      })
      const holder = yield* startTransaction(sql`SELECT id FROM ${cards} WHERE id = 'd10' FOR UPDATE`)
      const { session } = holder
      const completion = yield* Effect.forkScoped(at(pools, 1).backlog.complete({ id: "z", actor: "w" }))
      yield* awaitWaiting(session)
      // The completion waits for the first card, so it has not locked the later ones.
      expect(yield* sql`SELECT id FROM ${cards} FOR UPDATE SKIP LOCKED`).toHaveLength(dependents.length)
      yield* holder.release
      expect((yield* Fiber.join(completion)).madeClaimable).toHaveLength(dependents.length)
    }))

  test("a command that waited for a lock is decided with the time after the wait", (pools) =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { cards } = yield* tables
      const { backlog } = at(pools, 0)
      yield* backlog.create({ id: "a", title: "T", actor: "planner" })
      const claimed = Option.getOrThrow(yield* backlog.claim({ owner: "w", ttlSeconds: 60, actor: "w" }))
      const holder = yield* startTransaction(
        sql`SELECT id FROM ${cards} WHERE id = 'a' FOR UPDATE`,
        sql<{ readonly now: Date }>`SELECT clock_timestamp() AS now FROM pg_sleep(0.01)`
      )
      const renewal = yield* Effect.forkScoped(
        at(pools, 1).backlog.renew({ id: "a", token: claimed.claimToken ?? 0, actor: "w" })
      )
      yield* awaitWaiting(holder.session)
      const [released] = yield* holder.release
      const { claimExpiresAt } = yield* Fiber.join(renewal)
      const began = (claimExpiresAt === null ? 0 : DateTime.toEpochMillis(claimExpiresAt)) - 60_000
      expect(began).toBeGreaterThanOrEqual(released?.now.getTime() ?? Infinity)
    }))

  test("concurrent links never close a cycle", (pools) =>
    Effect.gen(function* () {
      const rounds = 25
      for (let round = 0; round < rounds; round++) {
        for (const size of [2, 3]) {
          const id = (index: number) => `r${round}s${size}c${index % size}`
          yield* at(pools, round).backlog.createMany({
            actor: "planner",
            cards: Array.from({ length: size }, (_, index) => ({ id: id(index), title: "T" }))
          })
          const results = yield* race(
            pools.slice(round % poolCount),
            Array.from(
              { length: size },
              (_, index) => (backlog) => backlog.link({ from: id(index), to: id(index + 1), actor: "ann" })
            )
          )
          expect(refusals(results)).toEqual(["DependencyCycle"])
        }
      }
    }))

  test("concurrent creations never close a cycle", (pools) =>
    Effect.gen(function* () {
      for (let round = 0; round < 15; round++) {
        const id = (index: number) => `r${round}c${index % 3}`
        const results = yield* race(
          pools,
          Array.from(
            { length: 3 },
            (_, index) => (backlog) =>
              backlog.create({ id: id(index), title: "T", dependsOn: [id(index + 1)], actor: "ann" })
          )
        )
        expect(refusals(results)).toEqual(["DependencyCycle"])
      }
    }))

  test("no card waits for a done card after a completion races with a link, a creation or a reopening", (pools) =>
    Effect.gen(function* () {
      const claimable = (id: string) => Effect.map(at(pools, 7).backlog.explain(id), (found) => found.claimable)
      for (let round = 0; round < 25; round++) {
        const id = (name: string) => `r${round}${name}`
        const card = (name: string, dependsOn: ReadonlyArray<string> = []) => ({
          id: id(name),
          title: "T",
          dependsOn: dependsOn.map(id),
          actor: "ann"
        })
        yield* at(pools, round).backlog.createMany({
          actor: "ann",
          cards: ["target", "free", "opened"].map((name) => ({ id: id(name), title: "T" }))
        })
        yield* at(pools, round).backlog.complete({ id: id("opened"), actor: "ann" })
        yield* at(pools, round).backlog.create(card("both", ["target", "opened"]))

        const linked = yield* race<unknown, { readonly _tag: string }>(pools.slice(round % 4), [
          (backlog) => backlog.link({ from: id("free"), to: id("target"), actor: "ann" }),
          (backlog) => backlog.complete({ id: id("target"), actor: "ann" }),
          (backlog) => backlog.create(card("born", ["target"])),
          // A card that depends on one that does not exist yet, and that one, created as done.
          (backlog) => backlog.create(card("early", ["late"])),
          (backlog) => backlog.create({ ...card("late"), status: "done" })
        ])
        expect(refusals(linked)).toEqual([])
        for (const name of ["free", "born", "early", "both"])
          expect([name, yield* claimable(id(name))]).toEqual([name, true])

        const reopened = yield* race<unknown, { readonly _tag: string }>(pools.slice(round % 4), [
          (backlog) => backlog.reopen({ id: id("opened"), actor: "ann" }),
          (backlog) => backlog.complete({ id: id("opened"), actor: "ann" }),
          (backlog) => backlog.unlink({ from: id("free"), to: id("target"), actor: "ann" }),
          (backlog) => backlog.reopen({ id: id("target"), actor: "ann" })
        ])
        expect(refusals(reopened)).toEqual([])
        expect(yield* claimable(id("free"))).toBe(true)
        expect(yield* claimable(id("born"))).toBe(false)
      }
    }))

  test("with one idempotency key, one of several concurrent commands creates the card, and all return it", (pools) =>
    Effect.gen(function* () {
      for (let round = 0; round < 15; round++) {
        const results = yield* race(
          pools,
          pools.map(
            (_, index) => (backlog) =>
              backlog.create({ id: `r${round}c${index}`, title: "T", idempotencyKey: `k${round}`, actor: "ann" })
          )
        )
        expect(refusals(results)).toEqual([])
        const got = results.flatMap((result) => (Result.isSuccess(result) ? [result.success.id] : []))
        expect(new Set(got).size).toBe(1)
      }
      expect((yield* at(pools, 0).backlog.stats).total).toBe(15)
    }))

  test("with one id, one of several concurrent commands creates the card, and the others fail with CardAlreadyExists", (pools) =>
    Effect.gen(function* () {
      for (let round = 0; round < 15; round++) {
        const results = yield* race(
          pools,
          pools.map(
            (_, index) => (backlog) => backlog.create({ id: `r${round}`, title: `by ${index}`, actor: `a${index}` })
          )
        )
        expect(refusals(results)).toEqual(pools.slice(1).map(() => "CardAlreadyExists"))
      }
    }))

  test("concurrent createMany commands with the same ids each create all of their cards or none", (pools) =>
    Effect.gen(function* () {
      for (let round = 0; round < 10; round++) {
        const ids = Array.from({ length: 20 }, (_, index) => `r${round}c${index}`)
        const results = yield* race(pools, [
          (backlog) => backlog.createMany({ actor: "up", cards: ids.map((id) => ({ id, title: "up" })) }),
          (backlog) => backlog.createMany({ actor: "down", cards: ids.map((id) => ({ id, title: "down" })).reverse() })
        ])
        expect(refusals(results)).toEqual(["CardAlreadyExists"])
        const cards = yield* at(pools, 2).backlog.list()
        expect(cards.length).toBe(20 * (round + 1))
        expect(new Set(cards.filter((card) => ids.includes(card.id)).map((card) => card.title)).size).toBe(1)
      }
    }))

  test("one of several concurrent claims by id gets the card", (pools) =>
    Effect.gen(function* () {
      for (let round = 0; round < 15; round++) {
        const id = `c${round}`
        yield* at(pools, round).backlog.create({ id, title: "T", actor: "ann" })
        const claimed = yield* Effect.forEach(
          pools,
          ({ backlog }, index) => backlog.claim({ id, owner: `w${index}`, actor: "w" }),
          unbounded
        )
        expect(claimed.filter(Option.isSome).length).toBe(1)
      }
      expect(breachesOf(yield* readLog)).toEqual([])
    }))

  test("a random mix of commands on few cards causes no database error", (pools) =>
    Effect.gen(function* () {
      const random = makeRandom(4)
      const names = Array.from({ length: 24 }, (_, index) => `c${index}`)
      const tokens = new Map<string, number>()
      const actor = "ann"
      let created = 0
      const command = (backlog: Pool["backlog"]): Effect.Effect<unknown, { readonly _tag: string }> => {
        const id = random.pick(names)
        const other = random.pick(names)
        const token = tokens.get(id) ?? 1
        const claim = (more: { readonly id?: string }) =>
          Effect.tap(backlog.claim({ owner: "w", ttlSeconds: 1 + random.below(3), actor, ...more }), (claimed) =>
            Effect.sync(() => {
              if (Option.isSome(claimed)) tokens.set(claimed.value.id, claimed.value.claimToken ?? 0)
            })
          )
        switch (random.below(16)) {
          case 0:
            return backlog.create({ id, title: "T", dependsOn: [other, random.pick(names)], actor })
          case 1: {
            const fresh = `n${created++}`
            return backlog.createMany({
              actor,
              cards: [
                { id: fresh, title: "T", dependsOn: [other] },
                { id: `${fresh}+`, title: "T", dependsOn: [fresh], idempotencyKey: other }
              ]
            })
          }
          case 2:
            return backlog.revise({ id, title: "T", priority: random.below(5), actor })
          case 3:
          case 4:
            return claim({})
          case 5:
            return claim({ id })
          case 6:
            return backlog.renew({ id, token, actor })
          case 7:
            return backlog.release({ id, token, retryAfterSeconds: random.below(2), actor })
          case 8:
            return backlog.reclaim(random.below(2) === 0 ? { actor } : { id, actor })
          case 9:
          case 10:
            return backlog.link({ from: id, to: other, actor })
          case 11:
            return backlog.unlink({ from: id, to: other, actor })
          case 12:
            return random.below(2) === 0 ? backlog.block({ id, actor }) : backlog.unblock({ id, actor })
          case 13:
            return backlog.complete({ id, token, actor })
          case 14:
            return backlog.complete({ id, force: true, actor })
          default:
            return backlog.reopen({ id, actor })
        }
      }
      const refused = new Set<string>()
      let accepted = 0
      const worker = (pool: Pool) =>
        Effect.gen(function* () {
          for (let count = 0; count < 1_600 / (4 * poolCount); count++) {
            const result = yield* Effect.result(command(pool.backlog))
            for (const tag of refusals([result])) refused.add(tag)
            if (Result.isSuccess(result)) accepted++
          }
        })
      yield* Effect.forEach([...pools, ...pools, ...pools, ...pools], worker, unbounded)
      // Many commands are accepted, and every rule refuses some.
      expect(accepted).toBeGreaterThan(500)
      expect([...refused].sort()).toEqual(
        expect.arrayContaining(["CardAlreadyExists", "CardIsDone", "ClaimLost", "DependencyCycle", "SelfDependency"])
      )
      expect(breachesOf(yield* readLog)).toEqual([])
    }))

  test("a caller's open transaction delays writers and does not delay readers", (pools) =>
    Effect.gen(function* () {
      const caller = at(pools, 0)
      const other = at(pools, 1).backlog
      yield* caller.backlog.createMany({
        actor: "ann",
        cards: [
          { id: "best", title: "T", priority: 9 },
          { id: "next", title: "T" },
          { id: "dependent", title: "T", dependsOn: ["best"] }
        ]
      })
      const isDone = yield* Deferred.make<number>()
      const mayEnd = yield* Deferred.make<void>()
      const transaction = yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql.withTransaction(
          Effect.gen(function* () {
            yield* caller.backlog.complete({ id: "best", actor: "caller" })
            yield* Deferred.succeed(isDone, yield* sessionOf(sql))
            yield* Deferred.await(mayEnd)
          })
        )
      }).pipe(within(caller.context), Effect.forkScoped)
      const session = yield* Deferred.await(isDone)

      // Other readers do not see uncommitted changes and do not wait for them.
      expect((yield* other.stats).counts.done).toBe(0)
      expect((yield* other.explain("dependent")).claimable).toBe(false)
      expect(Option.isNone(yield* other.claim({ id: "best", owner: "w", actor: "w" }))).toBe(true)
      const claim = yield* Effect.forkScoped(other.claim({ owner: "w", actor: "w" }))
      yield* awaitWaiting(session)
      yield* Deferred.succeed(mayEnd, undefined)
      yield* Fiber.join(transaction)
      expect(Option.map(yield* Fiber.join(claim), ({ id }) => String(id))).toEqual(Option.some("next"))
      expect(Option.map(yield* other.claim({ owner: "w", actor: "w" }), ({ id }) => String(id))).toEqual(
        Option.some("dependent")
      )
      expect((yield* readLog).slice(3).map((event) => [event.cardId, event.type])).toEqual([
        ["best", "CardCompleted"],
        ["next", "CardClaimed"],
        ["dependent", "CardClaimed"]
      ])
    }))

  test("a caller's transaction and a command that wait for each other's locks both complete", (pools) =>
    Effect.gen(function* () {
      const caller = at(pools, 0)
      yield* caller.backlog.createMany({ actor: "ann", cards: ["a", "b"].map((id) => ({ id, title: "T" })) })
      // Postgres cancels the transaction that has first waited for its `deadlock_timeout`. That must be the command,
      // even if the caller is slow.
      const otherUrl = new URL(postgresUrl())
      otherUrl.searchParams.set("options", "-c deadlock_timeout=3s")
      const other = yield* onePool(yield* BacklogSchema, otherUrl.href)
      const isDone = yield* Deferred.make<void>()
      const watcher = yield* SqlClient.SqlClient
      const transaction = yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql.withTransaction(
          Effect.gen(function* () {
            yield* sql`SET LOCAL deadlock_timeout = '1min'`
            yield* caller.backlog.revise({ id: "a", title: "by the caller", actor: "caller" })
            yield* Deferred.succeed(isDone, undefined)
            // The other command has locked b and waits for the head of the log, which this transaction has locked.
            const session = yield* sessionOf(sql)
            yield* Effect.provideService(awaitWaiting(session), SqlClient.SqlClient, watcher)
            yield* caller.backlog.revise({ id: "b", title: "by the caller", actor: "caller" })
          })
        )
      }).pipe(within(caller.context), Effect.forkScoped)
      yield* Deferred.await(isDone)
      const revised = yield* other.backlog.revise({ id: "b", body: "by the other", actor: "other" })
      yield* Fiber.join(transaction)
      expect([revised.title, revised.body]).toEqual(["by the caller", "by the other"])
    }))

  test("an interruption cancels a command that has not started and does not stop one that has started", (pools) =>
    Effect.gen(function* () {
      const { head, sql } = yield* tables
      const { backlog } = at(pools, 0)
      const holder = yield* startTransaction(sql`SELECT position FROM ${head} FOR UPDATE`)
      const { session } = holder
      const begun = yield* Effect.forkScoped(backlog.create({ id: "begun", title: "T", actor: "ann" }))
      yield* awaitWaiting(session)
      const queued = yield* Effect.forkScoped(backlog.create({ id: "queued", title: "T", actor: "ann" }), {
        startImmediately: true
      })
      const last = yield* Effect.forkScoped(backlog.create({ id: "last", title: "T", actor: "ann" }), {
        startImmediately: true
      })
      yield* Fiber.interrupt(queued)
      yield* Fiber.interrupt(begun)
      yield* holder.release
      yield* Fiber.join(last)
      expect((yield* readLog).map((event) => event.cardId)).toEqual(["begun", "last"])
    }))

  test("many commands of one service run in two concurrent transactions, few run in one", (pools) =>
    Effect.gen(function* () {
      const { head, sql } = yield* tables
      const { backlog } = at(pools, 0)
      const whileHeld = Effect.fnUntraced(function* (name: string, count: number) {
        const holder = yield* startTransaction(sql`SELECT position FROM ${head} FOR UPDATE`)
        const ids = Array.from({ length: count }, (_, index) => `${name}-${index}`)
        const creating = yield* Effect.forkScoped(
          Effect.forEach(ids, (id) => backlog.create({ id, title: "T", actor: "ann" }), unbounded),
          { startImmediately: true }
        )
        yield* awaitWaiting(holder.session)
        if (count > 64) yield* awaitWaiting(holder.session, 2)
        // When this query returns, another batch would also be waiting.
        yield* backlog.stats
        const waiting = yield* countWaiting(holder.session)
        yield* holder.release
        expect((yield* Fiber.join(creating)).map(({ id }) => id)).toEqual(ids)
        return waiting
      })
      expect(yield* whileHeld("few", 20)).toBe(1)
      expect(yield* whileHeld("many", 300)).toBe(2)
      expect((yield* readLog).length).toBe(320)
    }))

  test("layers that are built concurrently on a new schema all succeed", (_, other) =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const schema = yield* freshSchema
      const count = 10
      const clients = yield* Layer.build(Layer.fresh(postgresClient(count)))
      const client = Context.get(clients, SqlClient.SqlClient)

      // Every session has looked up the schema before and has cached that it does not exist.
      const allQueried = yield* Deferred.make<void>()
      let queried = 0
      const lookUpSchema = Effect.gen(function* () {
        yield* client`SELECT to_regclass(${`${schema}.migrations`})::text`
        yield* client`CREATE SCHEMA IF NOT EXISTS ${client(other)}`
        if (++queried === count) yield* Deferred.succeed(allQueried, undefined)
        yield* Deferred.await(allQueried)
      }).pipe(client.withTransaction)
      yield* Effect.all(
        Array.from({ length: count }, () => lookUpSchema),
        unbounded
      )

      // Another transaction creates the schema and rolls back. Until then all layers wait.
      const hasCreated = yield* Deferred.make<number>()
      const mayEnd = yield* Deferred.make<void>()
      const creator = yield* sql`CREATE SCHEMA ${sql(schema)}`.pipe(
        Effect.andThen(sessionOf(sql)),
        Effect.flatMap((pid) => Deferred.succeed(hasCreated, pid)),
        Effect.andThen(Deferred.await(mayEnd)),
        Effect.andThen(Effect.fail("not after all")),
        sql.withTransaction,
        Effect.flip,
        Effect.forkScoped
      )
      const session = yield* Deferred.await(hasCreated)
      const built = yield* Effect.forkScoped(
        Effect.all(
          Array.from({ length: count }, () =>
            Layer.build(Layer.fresh(layerTestOver(Layer.succeedContext(clients), schema)))
          ),
          unbounded
        )
      )
      yield* awaitWaiting(session, count)
      yield* Deferred.succeed(mayEnd, undefined)
      expect(yield* Fiber.join(creator)).toBe("not after all")
      for (const [index, context] of (yield* Fiber.join(built)).entries()) {
        const { create, list } = Context.get(context, BacklogService)
        yield* create({ id: `c${index}`, title: "T", actor: "ann" })
        expect((yield* list()).length).toBe(index + 1)
      }
    }))

  test("8 processes complete a backlog together", (pools, schema) =>
    Effect.gen(function* () {
      const cards = layeredCards(makeRandom(5), 8, 50)
      yield* at(pools, 0).backlog.createMany({ actor: "planner", cards })
      const worker = new URL("../../support/worker.mjs", import.meta.url).pathname
      const outputs = yield* Effect.all(
        Array.from({ length: 8 }, (_, index) =>
          Effect.promise((signal) =>
            promisify(execFile)(process.execPath, [worker, postgresUrl(), schema, `p${index}`, "6"], { signal })
          )
        ),
        unbounded
      )
      const completed = outputs.map(({ stdout }) => JSON.parse(stdout) as ReadonlyArray<string>)
      expect(completed.flat().length).toBe(cards.length)
      expect(new Set(completed.flat()).size).toBe(cards.length)
      const log = yield* readLog
      expectDrained(log, cards.length)
      // More than one process completed cards.
      expect(completed.filter((ids) => ids.length > 0).length).toBeGreaterThan(1)
    }))
})
