/**
 * Processes of a service that are measured in many rounds. A new process takes several times the processor time until its code is
 * optimized, which takes thousands of transactions. So a crew is warmed up once, and then measured.
 */
import { fork } from "node:child_process"
import { once } from "node:events"
import { setTimeout } from "node:timers/promises"
import { plainCards } from "../population.mjs"
import { median } from "../statistics.mjs"
import { createAll, fill, withBacklog } from "../systems/mosaic.mjs"
import { withConnection } from "../withConnection.mjs"

const program = new URL("serviceProcess.mjs", import.meta.url)

/** Splits a number as evenly as possible. */
const shares = (whole, parts) =>
  Array.from({ length: parts }, (_, index) => Math.floor(whole / parts) + (index < whole % parts ? 1 : 0))

/** How many cards a round completes at most. */
const cardsOfRound = ({ quick }) => (quick ? 10_000 : 50_000)

/** How many cards are claimable at first, and after more were created. */
const leastCards = (context) => 3 * cardsOfRound(context)

const eventsPerKeyframe = 2_000

/** Waits until the processes have written the keyframes of all events, for at most a minute. */
const awaitKeyframes = (url, schema) =>
  withConnection(url, async (client) => {
    const until = performance.now() + 60_000
    for (;;) {
      const { rows } = await client.query(
        `SELECT (SELECT position FROM ${schema}.head) - coalesce((SELECT max(position) FROM ${schema}.keyframes), 0) AS missing`
      )
      if (Number(rows[0].missing) < eventsPerKeyframe || performance.now() > until) return
      await setTimeout(200)
    }
  })

/**
 * Starts processes, each over a backlog at `{ url, schema, options }`, and fills the backlogs. Those that are equal share one backlog.
 * Later, each round first creates the cards that it needs.
 */
export const startCrew = async (context, places) => {
  const schemas = [...new Set(places.map(({ schema }) => schema))]
  const created = new Map()
  for (const schema of schemas) {
    await fill(context, { database: "postgres", schema }, plainCards(leastCards(context)))
    created.set(schema, leastCards(context))
  }
  const members = places.map((place) => {
    const child = fork(program, { stdio: ["ignore", "inherit", "inherit", "ipc"] })
    const ended = new Promise((_, reject) => {
      child.once("exit", (code) => reject(new Error(`a process of the service ended with code ${code}`)))
    })
    ended.catch(() => {})
    const response = () => Promise.race([ended, once(child, "message").then(([message]) => message)])
    const ready = response()
    child.send({ build: context.build, url: context.url, options: {}, ...place })
    return { child, ready, place, response }
  })
  await Promise.all(members.map(({ ready }) => ready))

  const kill = () => {
    for (const { child } of members) child.kill("SIGKILL")
  }
  process.once("exit", kill)

  const readyCards = (schema) =>
    withConnection(context.url, async (client) => {
      const { rows } = await client.query(`SELECT ready FROM ${schema}.counts`)
      return Number(rows[0].ready)
    })

  /** Creates cards where a round could need more than there are, many at once: what the processes do with their events must end too. */
  const topUp = async (schema) => {
    const ready = await readyCards(schema)
    if (ready >= cardsOfRound(context)) return
    const from = created.get(schema)
    const missing = leastCards(context) - ready
    created.set(schema, from + missing)
    await withBacklog(context, { database: "postgres", schema, keyframes: "off" }, (backlog) =>
      createAll(backlog, plainCards(missing, from))
    )
    await awaitKeyframes(context.url, schema)
  }

  /** Sends a round to each of the first processes, or of those from another one on. Returns what they measured. */
  const run = async (rounds, from = 0) => {
    const used = members.slice(from, from + rounds.length)
    for (const schema of new Set(used.map(({ place }) => place.schema))) await topUp(schema)
    const responses = rounds.map((round, index) => {
      const response = used[index].response()
      used[index].child.send(round)
      return response
    })
    return Promise.all(responses)
  }

  /**
   * Measures workers in a number of processes, and reads in another process with `readsPauseMs` between two of them.
   * `callsPerBatch` and the latencies are medians over the processes.
   */
  const measure = async ({ commandsEach = 1, processes, readsPauseMs, workers }, from = 0) => {
    const { seconds } = context
    const loops = processes === 0 ? [] : shares(workers, processes)
    const results = await run(
      [
        ...loops.map((count) => ({ kind: "loops", workers: count, commandsEach, seconds })),
        ...(readsPauseMs === undefined ? [] : [{ kind: "reads", pauseMs: readsPauseMs, seconds }])
      ],
      from
    )
    const measured = results.slice(0, loops.length)
    const operations = measured.reduce((sum, each) => sum + each.operations, 0)
    return {
      perSecond: measured.reduce((sum, each) => sum + (each.operations / each.milliseconds) * 1000, 0),
      callsPerBatch: loops.length === 0 ? 0 : median(measured.map((each) => each.callsPerBatch)),
      p50Ms: loops.length === 0 ? 0 : median(measured.flatMap((each) => each.latencies)),
      cpuMicrosEach: (measured.reduce((sum, each) => sum + each.cpuMillis, 0) / operations) * 1000,
      readMs: results[loops.length]?.latencies
    }
  }

  /**
   * Works until each process has carried out as many transactions as it takes to optimize its code, with one worker in each process
   * and with ten. Returns the processor time for a card in each round, in microseconds.
   */
  const warmUp = async () => {
    const each = []
    let transactions = 0
    while (transactions < context.warmUpTransactions) {
      const workersEach = each.length % 2 === 0 ? 1 : 10
      const { callsPerBatch, cpuMicrosEach, perSecond } = await measure({
        processes: members.length,
        workers: members.length * workersEach
      })
      transactions += ((2 * perSecond) / callsPerBatch / members.length) * context.seconds
      each.push(Math.round(cpuMicrosEach))
    }
    return each
  }

  return {
    measure,
    measureAlone: (member, workers) => measure({ processes: 1, workers }, member),
    run,
    warmUp,
    end: async () => {
      const ended = Promise.all(members.map(({ child }) => once(child, "exit")))
      for (const { child } of members) child.send(null)
      await ended
      process.off("exit", kill)
    },
    kill
  }
}

/** Uses a crew, which is warm. Ends its processes. */
export const withCrew = async (context, places, say, use) => {
  const crew = await startCrew(context, places)
  try {
    const each = await crew.warmUp()
    say(`warm after ${each.length} rounds: the processor time for a card was ${each.join(", ")} µs`)
    const result = await use(crew)
    await crew.end()
    return result
  } finally {
    crew.kill()
  }
}
