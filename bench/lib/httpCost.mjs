/**
 * Measures the processor time of `backlog serve` per request, and that of the same operation in process:
 *
 *     node bench/lib/httpCost.mjs [--build DIR] [--seconds N] [--connections N] [--only PATTERN] [--database URL]
 *
 * The load comes from a process of its own over connections that stay open. The time is that of all threads of the measured
 * process, from /proc, so other load on the machine changes it little.
 */
import { fork, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { startPostgres } from "./postgres.mjs"
import { withConnection } from "./withConnection.mjs"

const { values } = parseArgs({
  options: {
    build: { type: "string", default: join(import.meta.dirname, "../../dist") },
    seconds: { type: "string", default: "3" },
    connections: { type: "string", default: "10" },
    only: { type: "string", default: "" },
    database: { type: "string" },
    profile: { type: "string" },
    tokens: { type: "boolean", default: false },
    role: { type: "string" }
  }
})
const seconds = Number(values.seconds)
const connections = Number(values.connections)

/** What is measured. Each takes a function that performs a request and returns its status and body, and the number of its connection. */
const operations = {
  healthz: (request) => request("GET", "/healthz"),
  get: (request, connection, count) => request("GET", `/get?id=read-${(connection * 97 + count) % 1000}`),
  stats: (request) => request("GET", "/stats"),
  claim: async (request, connection) => {
    const { body } = await request("POST", "/claim", { actor: `worker-${connection}`, owner: `worker-${connection}` })
    if (body === "") throw new Error("there is nothing left to claim")
  },
  pair: async (request, connection) => {
    const owner = `worker-${connection}`
    const { body } = await request("POST", "/claim", { actor: owner, owner })
    const { claimToken, id } = JSON.parse(body)
    await request("POST", "/complete", { actor: owner, id, token: claimToken, result: { ok: true } })
  },
  next: async (request, connection, _, held) => {
    const owner = `worker-${connection}`
    const card = held.get(connection) ?? JSON.parse((await request("POST", "/claim", { actor: owner, owner })).body)
    const { body } = await request("POST", "/complete", {
      actor: owner,
      id: card.id,
      token: card.claimToken,
      claimNext: { owner }
    })
    held.set(connection, JSON.parse(body).next)
  }
}
/** Requests per call. */
const requestsOf = { pair: 2 }

if (values.role === "load") await load()
else await main()

async function main() {
  const directory = mkdtempSync(join(tmpdir(), "http-cost-"))
  const postgres = values.database === undefined ? await startPostgres(directory) : undefined
  const url = values.database ?? postgres.url
  try {
    const rows = []
    for (const name of Object.keys(operations).filter((each) => each.match(values.only))) {
      rows.push({ operation: name, ...(await measure(name, url, directory)) })
    }
    process.stdout.write(`${JSON.stringify(rows, undefined, 2)}\n`)
  } finally {
    await postgres?.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}

async function measure(name, url) {
  const schema = "bench_http_cost"
  await withConnection(url, (client) => client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`))
  const database = ["--db", url, "--schema", schema]
  const profiling =
    values.profile === undefined
      ? []
      : ["--cpu-prof", `--cpu-prof-dir=${values.profile}`, `--cpu-prof-name=${name}.cpuprofile`]
  const server = spawn(
    process.execPath,
    [
      ...profiling,
      "--max-semi-space-size=64",
      join(values.build, "cli/main.js"),
      "serve",
      "--port",
      "0",
      "--json",
      ...database
    ],
    { stdio: ["ignore", "pipe", "inherit"] }
  )
  try {
    const [line] = await once(server.stdout.setEncoding("utf8"), "data")
    const address = new URL(JSON.parse(line).data.url)
    const loader = fork(import.meta.filename, [
      "--role",
      "load",
      "--only",
      name,
      "--seconds",
      values.seconds,
      "--connections",
      values.connections,
      "--database",
      address.href
    ])
    await once(loader, "message")
    const before = processorMillis(server.pid)
    loader.send("go")
    const [{ calls, millis }] = await once(loader, "message")
    const used = processorMillis(server.pid) - before
    const requests = calls * (requestsOf[name] ?? 1)
    return {
      perSecond: Math.round((requests / millis) * 1000),
      microsPerRequest: Math.round((used / requests) * 1000)
    }
  } finally {
    if (server.exitCode === null) {
      server.kill("SIGTERM")
      await once(server, "exit")
    }
  }
}

/** Processor time of all threads of a process. */
function processorMillis(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ")
  return (Number(fields[11]) + Number(fields[12])) * 10
}

async function load() {
  const { hostname, port } = new URL(values.database)
  const operation = operations[values.only]
  const clients = await Promise.all(Array.from({ length: connections }, () => makeClient(hostname, Number(port))))
  const held = new Map()
  const texts = {
    body: "What has to be done, in some detail. ".repeat(6),
    acceptance: { tests: ["unit", "integration"], coverage: 0.9 }
  }
  const create = async (prefix, count) => {
    for (let first = 0; first < count; first += 1000) {
      const cards = Array.from({ length: Math.min(1000, count - first) }, (_, index) => ({
        id: `${prefix}-${first + index}`,
        title: `Card ${first + index}`,
        phase: "build",
        priority: index % 7,
        ...texts
      }))
      await clients[0]("POST", "/create-many", { actor: "bench", cards })
    }
  }
  await create("read", 1000)
  if (!["get", "healthz", "stats"].includes(values.only)) await create("work", Number(process.env.CARDS ?? 20000))
  const run = async (millis) => {
    const end = Date.now() + millis
    let calls = 0
    await Promise.all(
      clients.map(async (request, connection) => {
        for (let count = 0; Date.now() < end; count++) {
          await operation(request, connection, count, held)
          calls++
        }
      })
    )
    return calls
  }
  await run(4000)
  process.send("ready")
  await once(process, "message")
  const started = performance.now()
  const calls = await run(seconds * 1000)
  process.send({ calls, millis: performance.now() - started })
  process.disconnect()
  process.exit()
}

/** A client with one connection and one request at a time. */
async function makeClient(host, port) {
  const socket = connect({ host, port, noDelay: true })
  await once(socket, "connect")
  let received = ""
  let respond
  socket.setEncoding("latin1").on("data", (text) => {
    received += text
    const head = received.indexOf("\r\n\r\n")
    if (head === -1) return
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(received.slice(0, head + 2))?.[1] ?? 0)
    if (received.length < head + 4 + length) return
    const status = Number(received.slice(9, 12))
    const body = received.slice(head + 4, head + 4 + length)
    received = ""
    if (status >= 300) throw new Error(`${status} ${body}`)
    respond({ status, body })
  })
  return (method, path, body) =>
    new Promise((resolve) => {
      respond = resolve
      const text = body === undefined ? "" : JSON.stringify(body)
      const head = `${method} ${path} HTTP/1.1\r\nHost: ${host}:${port}\r\n`
      socket.write(
        body === undefined
          ? `${head}\r\n`
          : `${head}Content-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text}`
      )
    })
}
