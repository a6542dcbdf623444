/**
 * Profiles commands of ours and of other systems: the server's time by statement, its waits for the disk, this process's
 * processor time by function, and the plan of a claim. See README.md.
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { Session } from "node:inspector/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { withConnection } from "./lib/withConnection.mjs"
import { plainCards } from "./lib/population.mjs"
import { startPostgres } from "./lib/postgres.mjs"
import { markdownTable } from "./lib/table.mjs"
import { systems, work } from "./lib/work.mjs"

const { values } = parseArgs({
  options: {
    build: { type: "string", default: new URL("../dist", import.meta.url).pathname },
    seconds: { type: "string", default: "3" },
    only: { type: "string", default: "" },
    out: { type: "string", default: new URL("results/profile.md", import.meta.url).pathname }
  }
})

const jobs = [
  { system: "mosaic-backlog", workers: 1 },
  { system: "floor", workers: 1 },
  { system: "graphile-worker", workers: 1 },
  { system: "mosaic-backlog", workers: 10 },
  { system: "graphile-worker", workers: 10 },
  { system: "mosaic-backlog over HTTP", workers: 10 },
  { system: "mosaic-backlog", workers: 100 },
  { system: "graphile-worker batched", workers: 24 },
  { system: "mosaic-backlog", workers: 1, batch: 100 },
  { system: "floor", workers: 1, batch: 100 }
]

const directory = mkdtempSync(join(tmpdir(), "backlog-profile-"))
chmodSync(directory, 0o711)
process.once("exit", () => rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }))
mkdirSync(join(directory, "postgres"))
const server = await startPostgres(join(directory, "postgres"), {
  shared_preload_libraries: "pg_stat_statements",
  "pg_stat_statements.track_planning": "on",
  track_wal_io_timing: "on"
})
const context = { directory, build: values.build, quick: false, url: server.url }
const query = (text, parameters) =>
  withConnection(server.url, async (client) => (await client.query(text, parameters)).rows)

/** Milliseconds that the server has waited for its write-ahead log to reach the disk, and how often. */
const flushes = async () =>
  (
    await query(`SELECT sum(fsyncs)::float8 AS times, sum(fsync_time)::float8 AS milliseconds FROM pg_stat_io
      WHERE object = 'wal'`)
  )[0]

/** The functions of this process with the most processor time, as shares of it. */
const busiest = ({ nodes, samples, timeDeltas }) => {
  const byId = new Map(nodes.map((node) => [node.id, node.callFrame]))
  const times = new Map()
  let busy = 0
  for (const [index, id] of samples.entries()) {
    const { functionName, lineNumber, url } = byId.get(id)
    if (functionName === "(idle)") continue
    const file = url.split("/").slice(-2).join("/")
    const name = url === "" ? functionName : `${functionName || "anonymous"} (${file}:${lineNumber + 1})`
    times.set(name, (times.get(name) ?? 0) + timeDeltas[index])
    busy += timeDeltas[index]
  }
  return [...times]
    .sort(([, a], [, b]) => b - a)
    .slice(0, 8)
    .map(([name, time]) => `${name} ${((time / busy) * 100).toFixed(0)} %`)
}

const profiled = async ({ batch, system, workers }) => {
  const cards = batch === undefined && workers === 1 ? 10_000 : 60_000
  const place = { database: "postgres", schema: "profile" }
  const { fill } = systems[system]
  await fill(context, place, plainCards(cards))
  await query("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
  const session = new Session()
  session.connect()
  await session.post("Profiler.enable")
  let before
  const meter = { warmUpSeconds: 1, seconds: Number(values.seconds) }
  const ready = async () => {
    await query("SELECT pg_stat_statements_reset()")
    before = { flushes: await flushes(), cpu: process.cpuUsage(), time: performance.now() }
    await session.post("Profiler.start")
  }
  const { milliseconds, operations } = await work(context, { system, place, workers, batch, cards, meter }, ready)
  const { profile } = await session.post("Profiler.stop")
  const cpu = process.cpuUsage(before.cpu)
  const seconds = (performance.now() - before.time) / 1000
  const after = await flushes()
  session.disconnect()
  const statements = await query(
    `SELECT regexp_replace(left(regexp_replace(query, '\\s+', ' ', 'g'), 90), '\\|', '/', 'g') AS text, calls::int4 AS calls,
      total_exec_time AS executing, total_plan_time AS planning
     FROM pg_stat_statements WHERE query NOT LIKE '%pg_stat_%' ORDER BY total_exec_time + total_plan_time DESC LIMIT 8`
  )
  const [all] = await query(
    `SELECT sum(total_exec_time) AS executing, sum(total_plan_time) AS planning FROM pg_stat_statements
     WHERE query NOT LIKE '%pg_stat_%'`
  )
  await systems[system].remove(context, place)
  const rate = operations / (milliseconds / 1000)
  const pairs = rate * seconds
  const each = (total) => ((total * 1000) / pairs).toFixed(0)
  return {
    name: `${system}, ${workers === 1 ? "1 worker" : `${workers} workers`}${batch === undefined ? "" : `, batches of ${batch}`}`,
    rate,
    wall: (1_000_000 / rate).toFixed(0),
    node: each((cpu.user + cpu.system) / 1000),
    executing: each(all.executing),
    planning: each(all.planning),
    flushing: each(after.milliseconds - before.flushes.milliseconds),
    flushes: ((after.times - before.flushes.times) / pairs).toFixed(2),
    statements: statements.map(({ calls, executing, planning, text }) => ({
      text,
      calls: (calls / pairs).toFixed(2),
      executing: each(executing),
      planning: each(planning)
    })),
    functions: busiest(profile)
  }
}

/** The plan of a claim over a backlog of which nine tenths are done. */
const planOfClaim = async () => {
  const place = { database: "postgres", schema: "profile" }
  const cards = function* () {
    for (const [index, card] of [...plainCards(100_000)].entries())
      yield index % 10 === 0 ? card : { ...card, status: "done" }
  }
  const { fill } = systems["mosaic-backlog"]
  await fill(context, place, cards())
  const rows = await query(`EXPLAIN (ANALYZE, BUFFERS, WAL, COSTS OFF)
    SELECT id FROM profile.cards WHERE status = 'ready' AND unmet_dependencies = 0 AND NOT deferred
    ORDER BY priority DESC, created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED`)
  await systems["mosaic-backlog"].remove(context, place)
  return rows.map((row) => row["QUERY PLAN"]).join("\n")
}

const profiles = []
for (const job of jobs) {
  if (!`${job.system}, ${job.workers}, ${job.batch ?? 1}`.match(values.only)) continue
  profiles.push(await profiled(job))
  const { name, rate } = profiles.at(-1)
  process.stderr.write(`${name}: ${rate.toFixed(0)} pairs/s\n`)
}
const plan = await planOfClaim()
await server.stop()

const columns = [
  ["", ({ name }) => name],
  ["pairs/s", ({ rate }) => rate.toFixed(0), "right"],
  ["µs each", ({ wall }) => wall, "right"],
  ["Node computes", ({ node }) => node, "right"],
  ["server executes", ({ executing }) => executing, "right"],
  ["server plans", ({ planning }) => planning, "right"],
  ["waits for the disk", ({ flushing }) => flushing, "right"],
  ["times", ({ flushes: times }) => times, "right"]
]
const statementColumns = [
  ["statement", ({ text }) => `\`${text}\``],
  ["times", ({ calls }) => calls, "right"],
  ["executed, µs", ({ executing }) => executing, "right"],
  ["planned, µs", ({ planning }) => planning, "right"]
]
const text = [
  "# Where the time goes",
  "Made by `npm run bench:profile`. Microseconds for a pair of claim and completion:",
  markdownTable(columns, profiles),
  ...profiles.map(
    ({ functions, name, statements }) =>
      `### ${name}\n\n${markdownTable(statementColumns, statements)}\n\nNode: ${functions.join(", ")}.`
  ),
  `### The plan of a claim over 100,000 cards, nine tenths of them done\n\n\`\`\`\n${plan}\n\`\`\``
].join("\n\n")
writeFileSync(values.out, `${text}\n`)
process.stdout.write(`${text}\n`)
