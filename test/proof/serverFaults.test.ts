import { setTimeout } from "node:timers/promises"
import { afterAll, beforeAll, describe, it } from "vitest"
import { type PostgresServer, startPostgres } from "../support/postgresServer.ts"
import { amount, report } from "../support/soak.ts"
import { underLoad } from "./support/load.ts"

describe("processes that end, on a Postgres server", () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server?.stop())

  it("clients are killed in mid-command, again and again", () =>
    underLoad({ url: server.url }, async (load) => {
      const kills = amount(2, 20)
      for (let kill = 0; kill < kills; kill++) {
        const worker = load.random.pick(load.workers())
        await worker.answers(1 + load.random.below(30))
        await load.replace(worker)
        report({ "faults: client killed": 1 })
      }
    }))

  it("the server is killed and recovers", () =>
    underLoad({ url: server.url }, async (load) => {
      const kills = amount(2, 8)
      for (let kill = 0; kill < kills; kill++) {
        await load.random.pick(load.workers()).answers(1 + load.random.below(30))
        await server.kill()
        await server.start()
        report({ "faults: server killed": 1 })
        await load.answers(5)
      }
    }))

  it("the server stands still while claims expire", () =>
    underLoad({ url: server.url, ttlSeconds: 1 }, async () => {
      const processes = await server.processes()
      try {
        for (const pid of processes) process.kill(pid, "SIGSTOP")
        await setTimeout(amount(2_000, 10_000))
      } finally {
        for (const pid of processes) process.kill(pid, "SIGCONT")
      }
      report({ "faults: server stopped": 1 })
    }))
})
