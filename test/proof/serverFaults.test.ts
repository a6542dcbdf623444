import { Effect, Option } from "effect"
import { setTimeout } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { BacklogService } from "../../src/services/BacklogService.ts"
import { eventsOf } from "../support/backlogs.ts"
import { type PostgresServer, startPostgres } from "../support/postgresServer.ts"
import { amount, report } from "../support/soak.ts"
import { until } from "../support/waiting.ts"
import { faultsTimeout, withBacklog, underLoad } from "./support/load.ts"

/** Some processes of a server, such as those of autovacuum, are short-lived. */
const signalIfThere = (pid: number, signal: "SIGSTOP" | "SIGCONT"): void => {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error
  }
}

describe("processes that end, on a Postgres server", { timeout: faultsTimeout }, () => {
  let server: PostgresServer
  beforeAll(async () => {
    // Acknowledged commands are durable, also when the default of the server is to delay that. Each flush begins 100 ms late, so that
    // most kills come between a commit and its flush. With open_datasync, what is written to the log is on the disk, so a kill
    // loses of the log what a power failure would lose.
    server = await startPostgres({
      settings: {
        synchronous_commit: "off",
        fsync: true,
        wal_writer_delay: "10s",
        commit_delay: 100_000,
        commit_siblings: 0,
        wal_sync_method: "open_datasync"
      }
    })
  })
  afterAll(() => server?.stop())

  it("clients are killed repeatedly during commands", () =>
    underLoad({ url: server.url }, async (load) => {
      const kills = amount(1, 12)
      for (let kill = 0; kill < kills; kill++) {
        const worker = load.random.pick(load.workers())
        await worker.answers(1 + load.random.below(30))
        await load.replace(worker)
        report({ "faults: client killed": 1 })
      }
    }))

  it("the server is killed and recovers", () =>
    underLoad({ url: server.url }, async (load) => {
      const kills = amount(3, 50)
      for (let kill = 0; kill < kills; kill++) {
        await load.random.pick(load.workers()).answers(1 + load.random.below(30))
        // At any time of a batch.
        await setTimeout(load.random.below(120))
        await server.kill()
        await server.start()
        report({ "faults: server killed": 1 })
        await load.answers(5)
      }
      const unknown = load.workers().flatMap((worker) => worker.unanswered)
      expect(unknown.length).toBeGreaterThan(0)
    }))

  it("the server is stopped while claims expire", () =>
    underLoad({ url: server.url, ttlSeconds: 1 }, async ({ schema, url }) => {
      const actor = "holder"
      const held = await withBacklog(
        url,
        schema,
        Effect.gen(function* () {
          const backlog = yield* BacklogService
          for (;;) {
            const claimed = yield* backlog.claim({ owner: actor, ttlSeconds: 1, actor })
            if (Option.isSome(claimed)) return { id: claimed.value.id, token: claimed.value.claimToken ?? 0 }
          }
        })
      )
      const processes = await server.processes()
      try {
        for (const pid of processes) signalIfThere(pid, "SIGSTOP")
        await setTimeout(amount(2_000, 10_000))
      } finally {
        for (const pid of processes) signalIfThere(pid, "SIGCONT")
      }
      report({ "faults: server stopped": 1 })

      await withBacklog(
        url,
        schema,
        Effect.gen(function* () {
          const backlog = yield* BacklogService
          const isTakenBack = Effect.map(eventsOf(held.id), (events) =>
            events.some(({ type, version }) => type === "CardReclaimed" && version > held.token)
          )
          yield* until(isTakenBack)
          // Refused, or returned with the result of another holder.
          yield* Effect.ignore(backlog.complete({ ...held, result: "too late", actor }))
          expect(Option.getOrThrow(yield* backlog.get(held.id)).result).not.toBe("too late")
        })
      )
    }))
})
