// The faults. Each gets a healthy cluster under load, injects one fault, and returns when the cluster has dealt with
// it.
import { Cause, Effect, Exit, ManagedRuntime, Option } from "effect"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { setTimeout } from "node:timers/promises"
import { until } from "./processes.mjs"

/** How long walsenders and standbys are frozen, in milliseconds. Less than `wal_sender_timeout`. */
const frozenMillis = 10_000

/** Ends the sessions of the role. The programs open new ones with the new settings of the role. */
const endSessions = (cluster, leader) =>
  cluster.query(leader, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'backlog_writer'")

const killLeader = async ({ cluster }) => {
  const leader = await cluster.leader()
  await cluster.killNode(leader)
  await cluster.leaderOtherThan(leader)
  return { after: () => cluster.startNode(leader) }
}

const stopLeader = async ({ cluster }) => {
  const leader = await cluster.leader()
  cluster.signalNode(leader, "SIGSTOP")
  try {
    await setTimeout(30_000)
  } finally {
    cluster.signalNode(leader, "SIGCONT")
  }
  await cluster.leaderOtherThan(leader)
  return {}
}

const switchOver = async ({ cluster }) => {
  const leader = await cluster.leader()
  await cluster.switchover(leader, await cluster.synchronousStandby())
  await cluster.leaderOtherThan(leader)
  return {}
}

/** Patroni starts the server again, or another node becomes the leader. */
const killPostgres = async ({ cluster }) => {
  const leader = await cluster.leader()
  await cluster.killPostgres(leader)
  await cluster.leader()
  return {}
}

const killStandby = async ({ cluster }) => {
  const standby = await cluster.synchronousStandby()
  await cluster.killNode(standby)
  await cluster.synchronousStandbyOtherThan(standby)
  return { after: () => cluster.startNode(standby) }
}

/** Freezes the replication of the leader, and kills it. A commit that did not wait for a standby is lost. */
const freezeWalsenders = async ({ cluster, load }) => {
  const first = await cluster.leader()
  await cluster.query(first, "ALTER ROLE backlog_writer SET synchronous_commit = off")
  await endSessions(cluster, first)
  await load.answers(3)
  const frozenAt = Date.now()
  cluster.signalServerProcesses(first, "walsender", "SIGSTOP")
  await setTimeout(frozenMillis)
  const gapFrom = Date.now()
  await cluster.killNode(first)
  await cluster.leaderOtherThan(first)
  return {
    gapFrom,
    whileFrozen: load.countBetween(frozenAt + 1_000, gapFrom),
    after: async () => {
      cluster.startNode(first)
      const leader = await cluster.leader()
      await cluster.query(leader, "ALTER ROLE backlog_writer RESET synchronous_commit")
      await endSessions(cluster, leader)
    }
  }
}

/**
 * A claim waits for frozen standbys when the server ends its session, which commits the claim on the leader alone. The
 * claim is sent again with the same id and finds its receipt. An answer at this moment would be lost when the leader is
 * killed.
 */
const retryClaim = async ({ cluster, load, program, round }) => {
  const leader = await cluster.leader()
  const standbys = cluster.standbysOf(leader)
  const schema = `retried_${round}`
  const probe = await startProbe(program, cluster.url, schema)
  const thaw = () => {
    cluster.signalServerProcesses(leader, "walsender", "SIGCONT")
    for (const standby of standbys) cluster.signalServerProcesses(standby, "walreceiver", "SIGCONT")
  }
  try {
    await load.answers(1)
    const frozenAt = Date.now()
    cluster.signalServerProcesses(leader, "walsender", "SIGSTOP")
    for (const standby of standbys) cluster.signalServerProcesses(standby, "walreceiver", "SIGSTOP")
    const claim = probe.claim()
    // Commits that notify wait for each other, so the claim's own may come after those of other sessions.
    const waits = `SELECT pid, EXISTS (
        SELECT FROM pg_locks WHERE pg_locks.pid = activity.pid AND relation = '${schema}.head'::regclass) AS is_claim,
      pg_terminate_backend(pid)
      FROM pg_stat_activity AS activity WHERE usename = 'backlog_writer' AND wait_event = 'SyncRep'`
    await until("the claim's session to end while it waits for a standby", 60_000, async () => {
      const ended = await cluster.query(leader, waits, "work")
      return probe.answered !== undefined || ended.some((row) => row.split("\t")[1] === "t")
    })
    await setTimeout(frozenMillis)
    const gapFrom = Date.now()
    const early = load.countBetween(frozenAt + 1_000, gapFrom) + (probe.answered === undefined ? 0 : 1)
    await cluster.killNode(leader)
    thaw()
    await cluster.leaderOtherThan(leader)
    await claim
    return {
      gapFrom,
      whileFrozen: early,
      alsoIn: [{ schema, acknowledged: [probe.answered] }],
      after: () => cluster.startNode(leader)
    }
  } finally {
    thaw()
    await probe.end()
  }
}

/** Creates a backlog with one card, and a program that claims it until it has an answer. */
const startProbe = async (program, url, schema) => {
  const { BacklogService, layerPostgres } = await import(pathToFileURL(join(program, "dist/index.js")).href)
  const runtime = ManagedRuntime.make(layerPostgres({ url, schema, poolSize: 2 }))
  const actor = "probe"
  const run = (use) => runtime.runPromiseExit(Effect.flatMap(BacklogService, use))
  const created = await run((backlog) => backlog.create({ id: "card", title: "Card", actor }))
  if (Exit.isFailure(created)) throw new Error(`the probe could not create its card: ${Cause.pretty(created.cause)}`)
  const probe = {
    answered: undefined,
    claim: async () => {
      const id = "retried-claim"
      for (let unknown = 0; ; unknown++) {
        const exit = await run((backlog) => backlog.claim({ owner: actor, ttlSeconds: 900, actor, commandId: id }))
        if (Exit.isSuccess(exit)) {
          const { claimToken, id: card, version } = Option.getOrThrow(exit.value)
          probe.answered = { id, op: "claim", unknown, card, version, token: claimToken }
          return probe.answered
        }
        await setTimeout(50)
      }
    },
    end: () => runtime.dispose()
  }
  return probe
}

export const scenarios = [
  { key: "leader", name: "`kill -9` of the leader's node", inject: killLeader },
  { key: "stop", name: "`SIGSTOP` of the leader's node for 30 s", inject: stopLeader },
  { key: "switchover", name: "switchover", inject: switchOver },
  { key: "postgres", name: "`kill -9` of the leader's Postgres only", inject: killPostgres },
  { key: "standby", name: "`kill -9` of the synchronous standby's node", inject: killStandby },
  {
    key: "walsenders",
    name: "frozen walsenders, then `kill -9` of the leader's node; `synchronous_commit = off` for the role",
    inject: freezeWalsenders,
    losesWithoutWaiting: true
  },
  {
    key: "retry",
    name: "a claim retried while the standbys are frozen, then `kill -9` of the leader's node",
    inject: retryClaim,
    losesWithoutWaiting: true,
    // A commit whose wait the server canceled can be read, and anchored, before a standby has it.
    noAnchors: true
  }
]
