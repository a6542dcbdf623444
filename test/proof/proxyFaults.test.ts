import { Effect } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { BacklogService, layerPostgres } from "../../src/index.ts"
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

describe("connections that break, on a Postgres server", { timeout: faultsTimeout }, () => {
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

  it("each command is carried out once, wherever its connection breaks", () => {
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

  it("a command without an id is not run again when its commit is unconfirmed", () => {
    const through = new URL(server.url)
    through.port = String(proxy.port)
    const claims = 10
    return Effect.runPromise(
      Effect.gen(function* () {
        const backlog = yield* BacklogService
        const cards = Array.from({ length: 4 * claims }, (_, index) => ({ id: `c${index}`, title: "T" }))
        yield* backlog.createMany({ cards, actor: "ann" })
        proxy.hideCommits()
        const outcomes = yield* Effect.forEach(
          Array.from({ length: claims }, (_, index) => `w${index}`),
          (owner) => Effect.flip(backlog.claim({ owner, actor: owner })),
          { concurrency: "unbounded" }
        ).pipe(Effect.ensuring(Effect.sync(proxy.end)))
        expect(outcomes.map(({ _tag }) => _tag)).toEqual(outcomes.map(() => "SqlError"))
        const { counts } = yield* backlog.stats
        expect(counts.claimed).toBe(claims)
        const heldBy = (yield* backlog.list({ status: "claimed" })).map(({ claimOwner }) => claimOwner)
        expect(new Set(heldBy).size).toBe(claims)
      }).pipe(Effect.provide(layerPostgres({ url: through.href, schema: "hidden_commits" })))
    )
  })
})
