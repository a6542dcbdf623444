import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type PostgresServer, startPostgres } from "../support/postgresServer.ts"
import { makeRandom } from "../support/random.ts"
import { amount, report, seed } from "../support/soak.ts"
import { faultsTimeout, underLoad } from "./support/load.ts"
import { type Cut, type Proxy, startProxy } from "./support/proxy.ts"

const everyCut: ReadonlyArray<Cut> = [
  "before the request",
  "within the request",
  "before the answer",
  "within the answer",
  "before the answer to COMMIT"
]

describe("connections that are cut, on a Postgres server", { timeout: faultsTimeout }, () => {
  let server: PostgresServer
  let proxy: Proxy
  beforeAll(async () => {
    server = await startPostgres()
    proxy = await startProxy(server.port, makeRandom(seed))
  })
  afterAll(async () => {
    await proxy?.close()
    await server?.stop()
  })

  it("each command is carried out once, wherever its connection is cut", () => {
    const through = new URL(server.url)
    through.port = String(proxy.port)
    return underLoad({ url: server.url, workersUrl: through.href }, async (load) => {
      const cutsOf = (where: Cut): number => proxy.cuts().get(where) ?? 0
      const wanted = amount(2, 30)
      proxy.begin()
      try {
        while (everyCut.some((where) => cutsOf(where) < wanted)) await load.answers(5)
      } finally {
        proxy.end()
      }
      report(Object.fromEntries(everyCut.map((where) => [`faults: connection cut ${where}`, cutsOf(where)])))
      const unknown = load.workers().flatMap((worker) => worker.unanswered.map(({ reason }) => reason))
      expect(unknown.length).toBeGreaterThan(0)
      expect(new Set(unknown)).toEqual(new Set(["ConnectionError"]))
    })
  })
})
