/**
 * Measures what HTTP adds to an operation: the processor time of `backlog serve` for a request, next to that of a process
 * that carries out the same operation without HTTP. See README.md.
 */
import { fork } from "node:child_process"
import { once } from "node:events"
import { chmodSync, mkdtempSync, rmSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { dirname, join, resolve } from "node:path"
import { parseArgs } from "node:util"
import { nodeOptions } from "./nodeOptions.mjs"
import { startPostgres } from "./postgres.mjs"
import { withServer } from "./server.mjs"
import { median } from "./statistics.mjs"
import { countOf, markdownTable, number } from "./table.mjs"

const usage = `node bench/lib/httpCost.mjs [--seconds N] [--rounds N] [--connections N] [--build DIR] [--previous-build DIR]

  --seconds N            seconds of each measurement. Defaults to 2
  --rounds N             number of measurements, of which the median is printed. Defaults to 5
  --connections N        connections with one request at a time each, or calls at the same time. Defaults to 10
  --build DIR            the build to measure. Defaults to ../dist
  --previous-build DIR   the dist folder of an older build, to measure alternating with this one
`

/** Seconds before the first measurement of an operation: V8 optimizes functions that run for a while. */
const warmUpSeconds = 4
/** Cards that are read. */
const readCards = 1000
/** Cards that can be claimed. */
const workCards = 40_000

const idOf = (worker, count) => `read-${(worker * 97 + count) % readCards}`
const ownerOf = (worker) => `worker-${worker}`
const claimOf = (worker) => ({ actor: ownerOf(worker), owner: ownerOf(worker) })
const completionOf = ({ claimToken, id }, worker) => ({
  actor: ownerOf(worker),
  id,
  token: claimToken,
  claimNext: { owner: ownerOf(worker) }
})

/** The operations, as a request and as a call. `held` has the card that each worker has claimed. */
const operations = {
  healthz: { request: (send) => send("GET", "/healthz") },
  get: {
    request: (send, worker, count) => send("GET", `/get?id=${idOf(worker, count)}`),
    call: (backlog, worker, count) => backlog.get(idOf(worker, count))
  },
  "complete, claim next": {
    request: async (send, worker, _, held) => {
      const card = held.get(worker) ?? JSON.parse(await send("POST", "/claim", claimOf(worker)))
      held.set(worker, JSON.parse(await send("POST", "/complete", completionOf(card, worker))).next)
    },
    call: async (backlog, worker, _, held) => {
      const card = held.get(worker) ?? (await backlog.claim(claimOf(worker))).value
      held.set(worker, (await backlog.complete(completionOf(card, worker))).next)
    }
  }
}

const main = async () => {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "2" },
      rounds: { type: "string", default: "5" },
      connections: { type: "string", default: "10" },
      build: { type: "string", default: join(import.meta.dirname, "../../dist") },
      "previous-build": { type: "string" },
      help: { type: "boolean", short: "h", default: false }
    }
  })
  if (values.help) {
    process.stdout.write(usage)
    return
  }
  const directory = mkdtempSync(join(tmpdir(), "http-cost-"))
  chmodSync(directory, 0o755)
  const postgres = await startPostgres(directory)
  const context = { directory, url: postgres.url, ...values }
  try {
    const builds = {
      build: values.build,
      ...(values["previous-build"] && { "previous build": values["previous-build"] })
    }
    process.stdout.write(`${countOf(Number(values.connections))}, medians of ${values.rounds} measurements\n\n`)
    const measurements = await withMeters(Object.entries(builds), context, (meters) => measureAll(meters, context))
    const rows = measurements.map(({ cpu, name, rates }) => [name, number(median(cpu)), number(median(rates))])
    const columns = [
      ["operation", ([name]) => name],
      ["Node µs", ([, micros]) => micros, "right"],
      ["per second", ([, , rate]) => rate, "right"]
    ]
    process.stdout.write(`${markdownTable(columns, rows)}\n`)
  } finally {
    await postgres.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Uses the processes that measure each build: over HTTP, and in a process of its own. */
const withMeters = async ([build, ...others], context, use, meters = []) => {
  if (build === undefined) return use(meters)
  const [label, dist] = build
  const schema = `bench_http_${meters.length}`
  const caller = startMeter([
    "--build",
    resolve(dist),
    "--url",
    context.url,
    "--schema",
    schema,
    ...countArguments(context)
  ])
  // Creates the cards.
  await caller.cpuMicros()
  const inProcess = { label: `in the process, ${label}`, kind: "call", ...caller }
  const database = ["--db", context.url, "--schema", schema]
  let measured
  await withServer({ build: resolve(dist), directory: context.directory }, database, async (url, cpuMicros) => {
    const load = startMeter(["--server", url, ...countArguments(context)])
    const overHttp = { label: `over HTTP, ${label}`, kind: "request", ...load, cpuMicros }
    measured = await withMeters(others, context, use, [...meters, inProcess, overHttp])
    load.stop()
  })
  caller.stop()
  return measured
}

const countArguments = ({ connections }) => ["--connections", connections]

/** Measures each operation of all meters, alternating. */
const measureAll = async (meters, { rounds, seconds }) => {
  const measurements = []
  for (const operation of Object.keys(operations)) {
    const able = meters
      .filter(({ kind }) => kind in operations[operation])
      .map((meter) => ({ ...meter, name: `${operation}, ${meter.label}`, cpu: [], rates: [] }))
    for (const { run } of able) await run(operation, warmUpSeconds)
    for (let round = 0; round < Number(rounds); round++) {
      for (const { cpu, cpuMicros, rates, run } of able) {
        const before = await cpuMicros()
        const { calls, millis } = await run(operation, Number(seconds))
        cpu.push(((await cpuMicros()) - before) / calls)
        rates.push((calls / millis) * 1000)
      }
    }
    measurements.push(...able)
  }
  return measurements
}

/** Starts this file as a process that runs operations. */
const startMeter = (meterArguments) => {
  const child = fork(import.meta.filename, ["--meter", ...meterArguments], {
    execArgv: [...nodeOptions, "--import", new URL("endWithParent.mjs", import.meta.url).href]
  })
  const failed = once(child, "exit").then(([code]) => {
    throw new Error(`the process that runs operations ended with ${code}`)
  })
  failed.catch(() => {})
  const ask = async (message) => {
    const reply = once(child, "message")
    child.send(message)
    return (await Promise.race([failed, reply]))[0]
  }
  return {
    run: (operation, seconds) => ask({ operation, seconds }),
    cpuMicros: async () => (await ask({})).micros,
    stop: () => child.kill("SIGKILL")
  }
}

/** Runs the operations that the parent names, in this process or as requests to a server. */
const runMeter = async () => {
  const { values } = parseArgs({
    options: {
      meter: { type: "boolean" },
      build: { type: "string" },
      connections: { type: "string" },
      schema: { type: "string" },
      server: { type: "string" },
      url: { type: "string" }
    }
  })
  const connections = Number(values.connections)
  const kind = values.server === undefined ? "call" : "request"
  const targets =
    kind === "call"
      ? Array(connections).fill(await openBacklog(values))
      : await Promise.all(Array.from({ length: connections }, () => openConnection(values.server)))
  process.on("message", ({ operation, seconds }) => {
    if (operation === undefined) {
      const { system, user } = process.cpuUsage()
      process.send({ micros: user + system })
      return
    }
    perform(operations[operation][kind], targets, seconds).then(
      (result) => process.send(result),
      (error) => {
        process.stderr.write(`${error.stack}\n`)
        process.exit(1)
      }
    )
  })
}

const held = new Map()

/** Repeats an operation for some seconds, on each target one at a time. */
const perform = async (operation, targets, seconds) => {
  const started = performance.now()
  const end = started + seconds * 1000
  let calls = 0
  await Promise.all(
    targets.map(async (target, worker) => {
      for (let count = 0; performance.now() < end; count++, calls++) await operation(target, worker, count, held)
    })
  )
  return { calls, millis: performance.now() - started }
}

/** A backlog with cards, whose methods return promises. */
const openBacklog = async ({ build, schema, url }) => {
  const { BacklogService, layerPostgres } = await import(join(build, "index.js"))
  const { Effect, ManagedRuntime, Redacted } = await import(join(dirname(build), "node_modules/effect/dist/index.js"))
  const runtime = ManagedRuntime.make(layerPostgres({ url: Redacted.make(url), schema }))
  const backlog = await runtime.runPromise(
    Effect.gen(function* () {
      return yield* BacklogService
    })
  )
  const create = (cards) => runtime.runPromise(backlog.createMany({ actor: "bench", cards }))
  await create(Array.from({ length: readCards }, (_, index) => cardOf(`read-${index}`)))
  for (let first = 0; first < workCards; first += 1000) {
    await create(Array.from({ length: 1000 }, (_, index) => ({ ...cardOf(`work-${first + index}`), priority: 1 })))
  }
  const promised = (name) => (input) => runtime.runPromise(backlog[name](input))
  return { get: promised("get"), claim: promised("claim"), complete: promised("complete") }
}

const cardOf = (id) => ({
  id,
  title: `The card ${id}`,
  body: "What has to be done, in some detail. ".repeat(6),
  phase: "build",
  acceptance: { tests: ["unit", "integration"], coverage: 0.9 }
})

/** A connection to a server, as a function that sends a request and returns the body of the response. */
const openConnection = async (server) => {
  const { hostname, port } = new URL(server)
  const socket = connect({ host: hostname, port: Number(port), noDelay: true })
  await once(socket, "connect")
  let received = ""
  let respond
  socket.setEncoding("latin1").on("data", (text) => {
    received += text
    const end = received.indexOf("\r\n\r\n") + 4
    if (end === 3) return
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(received)?.[1] ?? 0)
    if (received.length < end + length) return
    const response = received
    received = ""
    if (response.slice(9, 12) !== "200") throw new Error(`the server responded with ${response}`)
    respond(response.slice(end))
  })
  return (method, path, body) =>
    new Promise((resolveBody) => {
      respond = resolveBody
      const text = body === undefined ? "" : JSON.stringify(body)
      const headers = body === undefined ? "" : `Content-Type: application/json\r\nContent-Length: ${text.length}\r\n`
      socket.write(`${method} ${path} HTTP/1.1\r\nHost: ${hostname}:${port}\r\n${headers}\r\n${text}`)
    })
}

await (process.argv.includes("--meter") ? runMeter() : main())
