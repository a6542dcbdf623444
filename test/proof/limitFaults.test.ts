import { Effect } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { BacklogService } from "../../src/services/BacklogService.ts"
import { layerPostgres } from "../../src/services/layers.ts"
import { type PostgresServer, startPostgres } from "../support/postgresServer.ts"
import { amount, report } from "../support/soak.ts"
import { eventually, hold, type Holder } from "./support/holding.ts"
import { faultsTimeout, type Load, underLoad } from "./support/load.ts"
import type { Unanswered } from "./support/workers.ts"

/** The server's limit of connections. */
const connections = 20

describe("limits that are reached, on a Postgres server", { timeout: faultsTimeout }, () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres({ settings: { max_connections: connections } })
  })
  afterAll(() => server?.stop())

  const withSettings = (settings: string): string => {
    const url = new URL(server.url)
    url.searchParams.set("options", settings)
    return url.href
  }

  /** Returns a function that checks whether every worker has had such an error since this call. */
  const everyWorkerMeets = (load: Load, error: (unanswered: Unanswered) => boolean): (() => boolean) => {
    const before = new Map(load.workers().map((worker) => [worker, worker.unanswered.length]))
    return () => load.workers().every((worker) => worker.unanswered.slice(before.get(worker)).some(error))
  }

  /** Ends the connections of the workers, which would keep them, and takes the free ones before they reconnect. */
  const terminateOthers = async (holders: ReadonlyArray<Holder>): Promise<void> => {
    const [first] = holders
    if (first === undefined) throw new Error("no connection was to be had from the beginning")
    const own = await Promise.all(
      holders.map(({ run, sql }) => run(sql<{ readonly pid: number }>`SELECT pg_backend_pid() AS pid`))
    )
    const pids = own.map(([row]) => row?.pid ?? 0)
    // Within a transaction, pg_stat_activity keeps the state of its first read.
    await first.run(first.sql`SELECT pg_stat_clear_snapshot()::text`)
    await first.run(first.sql`
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE backend_type = 'client backend' AND NOT pid = ANY(${`{${pids.join()}}`}::int4[])`)
  }

  /** Opens connections until the server accepts no more. */
  const takeWhatIsLeft = async (holders: Array<Holder>): Promise<void> => {
    for (;;) {
      try {
        holders.push(await hold(server.url))
      } catch {
        return
      }
    }
  }

  it("there is no connection for a second batch", async () => {
    const holders: Array<Holder> = []
    const program = Effect.gen(function* () {
      const backlog = yield* BacklogService
      const ids = Array.from({ length: 300 }, (_, index) => `c${index}`)
      yield* backlog.create({ id: "first", title: "T", actor: "ann" })
      yield* Effect.promise(() => takeWhatIsLeft(holders))
      for (const round of ["a", "b"]) {
        yield* Effect.forEach(ids, (id) => backlog.create({ id: `${round}-${id}`, title: "T", actor: "ann" }), {
          concurrency: "unbounded"
        })
      }
      expect((yield* backlog.stats).total).toBe(601)
    })
    try {
      await Effect.runPromise(
        Effect.provide(program, layerPostgres({ url: server.url, schema: "second_batch", poolSize: 1 }))
      )
    } finally {
      await Promise.all(holders.map(({ release }) => release()))
    }
  })

  it("there is no connection for a new client", () =>
    underLoad({ url: server.url }, async (load) => {
      const holders: Array<Holder> = []
      const fill = () => takeWhatIsLeft(holders)
      try {
        for (let round = 0; round < amount(1, 5); round++) {
          const met = everyWorkerMeets(load, ({ message }) => message.includes("too many clients"))
          await fill()
          await eventually(async () => {
            await terminateOthers(holders)
            await fill()
            return met()
          })
          report({ "faults: no connection left": 1 })
          await Promise.all(holders.splice(0).map(({ release }) => release()))
          await load.answers(5)
        }
      } finally {
        await Promise.all(holders.map(({ release }) => release()))
      }
    }))

  it.each([
    ["lock", "LockTimeoutError"],
    ["statement", "StatementTimeoutError"]
  ])("a %s timeout expires while another transaction holds the head of the log", (kind, reason) =>
    underLoad({ url: server.url, workersUrl: withSettings(`-c ${kind}_timeout=300`), processes: 2 }, async (load) => {
      const holder = await hold(server.url)
      try {
        const head = holder.sql(`${load.schema}.head`)
        const [before] = await holder.run(holder.sql`SELECT position FROM ${head} FOR UPDATE`)
        await eventually(everyWorkerMeets(load, (unanswered) => unanswered.reason === reason))
        const [after] = await holder.run(holder.sql`SELECT position FROM ${head}`)
        expect(after).toEqual(before)
      } finally {
        await holder.release()
      }
      report({ [`faults: ${kind} time-out`]: 1 })
      const reasons = new Set(load.workers().flatMap((worker) => worker.unanswered.map((each) => each.reason)))
      expect(reasons).toEqual(new Set([reason]))
    })
  )

  it("the server ends the transaction of a client that is stopped", () =>
    underLoad(
      { url: server.url, workersUrl: withSettings("-c idle_in_transaction_session_timeout=400"), processes: 2 },
      async (load) => {
        const [stopped, other] = load.workers()
        if (stopped === undefined || other === undefined) throw new Error("there are not two workers")
        const watcher = await hold(server.url, "BEGIN")
        try {
          const stands = async (): Promise<boolean> => {
            process.kill(stopped.pid, "SIGSTOP")
            await watcher.run(watcher.sql`SELECT pg_sleep(0.2)::text, pg_stat_clear_snapshot()::text`)
            const idle = await watcher.run(watcher.sql`
              SELECT pid FROM pg_stat_activity WHERE state = 'idle in transaction'
                AND state_change < clock_timestamp() - interval '150 milliseconds' AND pid <> pg_backend_pid()`)
            if (idle.length === 0) process.kill(stopped.pid, "SIGCONT")
            return idle.length > 0
          }
          await eventually(stands)
          await other.answers(20)
          report({ "faults: client stopped in a transaction": 1 })
        } finally {
          process.kill(stopped.pid, "SIGCONT")
          await watcher.release()
        }
        await stopped.answers(10)
      }
    ))

  it("a transaction keeps an old snapshot during thousands of commands", () =>
    underLoad({ url: server.url, processes: 2 }, async (load) => {
      const holder = await hold(server.url, "BEGIN ISOLATION LEVEL REPEATABLE READ")
      try {
        const count = Effect.map(
          holder.sql<{ readonly count: bigint }>`SELECT count(*) FROM ${holder.sql(`${load.schema}.events`)}`,
          ([row]) => row?.count
        )
        const before = await holder.run(count)
        await load.answers(amount(40, 2_000))
        expect(await holder.run(count)).toBe(before)
      } finally {
        await holder.release()
      }
      report({ "faults: old snapshot held": 1 })
    }))
})
