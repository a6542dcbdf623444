import { Effect, Layer } from "effect"
import { randomBytes } from "node:crypto"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import { BacklogSchema } from "../../src/sql/SchemaName.ts"
import { AuditService, BacklogService, layerPglite } from "../../src/index.ts"
import { sql } from "../cli/support.ts"
import { completionsOf } from "../support/claimRules.ts"
import { layeredCards, makeRandom } from "../support/random.ts"
import { amount, isSoak, report, seed } from "../support/soak.ts"
import type { EventRow } from "../support/verifyBacklog.ts"
import type { Acknowledged } from "./support/checkCommands.ts"
import { faultsTimeout, withBacklog, nothingWrong, wholeBacklog } from "./support/load.ts"
import {
  askOver,
  type Follower,
  followEventSource,
  followInProcess,
  followTyped,
  type LoadWorker,
  letGo,
  resultOf,
  startServing,
  workByHand,
  workInProcess,
  workOver
} from "./support/served.ts"

type Fault = "restarted" | "killed"

interface Options {
  /** The label in the table at the end of the soak. */
  readonly name: string
  readonly flags: ReadonlyArray<string>
  readonly readLog: () => Promise<ReadonlyArray<EventRow>>
  readonly cards: number
  /** Workers of the library, over HTTP. */
  readonly typed: number
  /** Workers that use plain HTTP. */
  readonly byHand: number
  /** Processes of `backlog work`. */
  readonly processes: number
  /** The faults of the server, in order. */
  readonly faults: ReadonlyArray<Fault>
}

/**
 * Serves a backlog to workers and followers, over HTTP and directly. The server is killed and restarted without warning.
 */
const serveThrough = async (
  { byHand, cards, faults, flags, name, processes, readLog, typed }: Options,
  signal: AbortSignal
): Promise<void> => {
  const random = makeRandom(seed)
  const folder = await mkdtemp(join(inject("scratch"), "served-"))
  const server = await startServing(flags)
  const ask = askOver(server.url)
  const acknowledged: Array<Acknowledged> = []
  const overHttp: Array<LoadWorker> = []
  const processWorkers: Array<LoadWorker> = []
  const followers: Array<Follower> = []
  const began = performance.now()
  let problem: unknown
  const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
    while (!(await holds())) {
      signal.throwIfAborted()
      if (problem !== undefined) throw problem
      await setTimeout(amount(20, 100))
    }
  }
  const isOn = <A extends Follower | LoadWorker>(each: A): A => {
    void each.broken.then((error) => (problem ??= error))
    return each
  }
  let made = 0
  const make = async (more: ReadonlyArray<{ readonly id: string; readonly title: string }>): Promise<void> => {
    made += more.length
    const commandId = `make-${made}`
    await ask(
      Effect.flatMap(BacklogService, (backlog) => backlog.createMany({ cards: more, actor: "maker", commandId }))
    )
  }
  const makeMany = (count: number): Promise<void> =>
    make(
      layeredCards(random, 4, Math.ceil(count / 4)).map(({ dependsOn, id, ...card }) => ({
        ...card,
        id: `${made}-${id}`,
        dependsOn: dependsOn.map((on) => `${made}-${on}`)
      }))
    )
  const isDone = async (left: number): Promise<boolean> =>
    (await ask(Effect.flatMap(BacklogService, ({ stats }) => stats))).counts.done >= made - left
  /** Waits until every worker has a card. */
  const everyoneWorks = async (): Promise<void> => {
    const before = new Map([...overHttp, ...processWorkers].map((worker) => [worker, worker.completed().length]))
    const idle = () => [...before].filter(([worker, count]) => worker.completed().length === count)
    while (idle().length > 0) {
      await makeMany(2 * before.size)
      await until(async () => idle().length === 0 || (await isDone(before.size)))
    }
  }
  try {
    // Each process holds one of these, and so has started.
    await make(Array.from({ length: processes }, (_, index) => ({ id: `first-${index}`, title: "The first" })))
    for (let index = 0; index < processes; index++) {
      processWorkers.push(isOn(workInProcess(flags, `process-${index}`, folder)))
    }
    followers.push(...[followEventSource(server.url), followTyped(server.url), followInProcess(flags)].map(isOn))
    await until(async () => {
      const { counts } = await ask(Effect.flatMap(BacklogService, ({ stats }) => stats))
      return counts.claimed === processes
    })
    for (let index = 0; index < typed; index++) {
      overHttp.push(isOn(workOver(server.url, `typed-${index}`, random)))
    }
    for (let index = 0; index < byHand; index++) {
      overHttp.push(isOn(workByHand(server.url, `hand-${index}`, random, acknowledged)))
    }
    await letGo(folder)

    for (const fault of faults) {
      await makeMany(cards / faults.length)
      await until(() => isDone(cards / faults.length / 2))
      const before = overHttp.map((worker) => worker.retries())
      await (fault === "killed" ? server.kill() : server.end())
      report({ [`faults: serve ${fault}`]: 1 })
      // A worker in the middle of a card detects the fault at the completion, and no worker can be waiting.
      await until(() => overHttp.every((worker, index) => worker.retries() > (before[index] ?? 0)))
      await server.start()
      await everyoneWorks()
    }
    await until(() => isDone(0))
    const { position } = await ask(Effect.flatMap(AuditService, (audit) => audit.anchor()))
    await until(() => followers.every(({ received }) => (received.at(-1)?.position ?? 0) >= position))
    const { divergences } = await ask(Effect.flatMap(AuditService, (audit) => audit.verify()))
    expect(divergences).toEqual([])
  } finally {
    const ending = [...followers, ...overHttp, ...processWorkers].map((each) => each.end())
    const problems = (await Promise.allSettled(ending)).flatMap((each) =>
      each.status === "rejected" ? each.reason : []
    )
    await server.end()
    expect(problems).toEqual([])
  }
  const seconds = (performance.now() - began) / 1000

  const log = await readLog()
  // The other workers' commands claim the next card in the same transaction: each card must be done once.
  const byHandOnly = log.map((event) => (event.actor.startsWith("hand-") ? event : { ...event, commandId: null }))
  nothingWrong(byHandOnly, acknowledged)
  const done = completionsOf(log)
  expect([...done].filter(([, times]) => times !== 1)).toEqual([])
  expect(done.size).toBe(made)
  const completed = log.filter(({ type }) => type === "CardCompleted")
  const claimOf = ({ data }: EventRow) => data["claim"] as { readonly owner: string; readonly token: number }
  for (const event of completed) {
    expect(event.data["result"]).toBe(resultOf(event.cardId, claimOf(event).owner, claimOf(event).token))
  }
  for (const worker of [...overHttp, ...processWorkers]) {
    const own = completed.filter((event) => claimOf(event).owner === worker.name).map(({ cardId }) => cardId)
    expect(own).toEqual(expect.arrayContaining([...worker.completed()]))
  }
  const expected = log.map(({ cardId, position, type, version }) => ({ position, cardId, version, type }))
  for (const { received, name: follower } of followers) {
    const each = received.map(({ cardId, position, type, version }) => ({ position, cardId, version, type }))
    expect({ follower, received: each }).toEqual({ follower, received: expected })
  }

  const by = (kind: string) => completed.filter((event) => claimOf(event).owner.startsWith(kind)).length
  const count = <A>(all: ReadonlyArray<A>, of: (one: A) => number) => all.reduce((sum, one) => sum + of(one), 0)
  report({
    [`served, ${name}: cards done`]: made,
    [`served, ${name}: cards done by the typed client`]: by("typed"),
    [`served, ${name}: cards done by plain HTTP`]: by("hand"),
    [`served, ${name}: cards done by backlog work`]: by("process"),
    [`served, ${name}: events`]: log.length,
    [`served, ${name}: events received by ${followers.length} followers`]: count(
      followers,
      ({ received }) => received.length
    ),
    [`served, ${name}: reconnects of followers`]: count(followers, ({ resumed }) => resumed()),
    [`served, ${name}: retries of workers over HTTP`]: count(overHttp, ({ retries }) => retries()),
    [`served, ${name}: seconds`]: Math.round(seconds)
  })
}

describe("a served backlog whose server is killed and restarted", { timeout: faultsTimeout }, () => {
  const schema = `served_${randomBytes(6).toString("hex")}`
  let directory: string
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "backlog-served-"))
  })
  afterAll(async () => {
    await sql((client) => client`DROP SCHEMA IF EXISTS ${client(schema)} CASCADE`)
    await rm(directory, { recursive: true, force: true })
  })

  it("over a Postgres server, every card is done once and every follower receives every event once", ({ signal }) =>
    serveThrough(
      {
        name: "Postgres",
        flags: ["--db", inject("postgresUrl"), "--schema", schema],
        readLog: () => withBacklog(inject("postgresUrl"), schema, wholeBacklog),
        cards: amount(24, 1_000),
        typed: amount(3, 35),
        byHand: amount(2, 15),
        processes: amount(2, 20),
        faults: isSoak ? ["restarted", "killed"] : ["restarted"]
      },
      signal
    ))

  it("over a shared directory, every card is done once and every follower receives every event once", ({
    signal,
    skip
  }) => {
    if (!isSoak) skip("most of it is waiting for processes: npm run test:soak -- --only test/proof/served.test.ts")
    return serveThrough(
      {
        name: "directory",
        flags: ["--db", directory],
        readLog: () =>
          Effect.runPromise(
            Effect.provide(
              wholeBacklog,
              Layer.mergeAll(Layer.fresh(layerPglite({ dataDir: directory })), Layer.succeed(BacklogSchema)("backlog"))
            )
          ),
        cards: 300,
        typed: 7,
        byHand: 3,
        processes: 5,
        faults: ["killed", "restarted"]
      },
      signal
    )
  })
})
