/**
 * Profiles commands of this program and of other systems: the processor time of Node and of the server for a pair of claim
 * and completion, by function and by statement, the server's waits for the disk, and the plan of a claim. See README.md.
 */
import { fork } from "node:child_process"
import { once } from "node:events"
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { parseArgs } from "node:util"
import { nodeOptions } from "./lib/nodeOptions.mjs"
import { plainCards } from "./lib/population.mjs"
import { startPostgres } from "./lib/postgres.mjs"
import { countOf, markdownTable } from "./lib/table.mjs"
import { withConnection } from "./lib/withConnection.mjs"
import { names } from "./lib/systemNames.mjs"
import { systems } from "./lib/work.mjs"

const usage = `node bench/profile.mjs [--quick] [--only PATTERN] [--seconds N] [--functions N] [--statements N]
                       [--build DIR] [--previous-build DIR] [--out FILE]

  --quick            only this program on a server, with 1, 10 and 100 workers and in batches of 100, in about a minute.
                     Writes no file.
  --only PATTERN     only profiles whose name matches this regular expression, such as "^mosaic-backlog, 10 workers$";
                     written to no file
  --seconds N        seconds that each is measured (default: 3, with --quick 2)
  --functions N      number of functions of Node that are listed (default: 8, with --quick 20)
  --statements N     number of statements that are listed (default: 8, with --quick 30)
  --build DIR        measure this build instead of ../dist
  --previous-build DIR
                     measure this build too, directly after each profile of this program
  --out FILE         write the profiles into this file instead of results/profile.md
`

const parseArguments = () => {
  try {
    const { values } = parseArgs({
      options: {
        quick: { type: "boolean", default: false },
        only: { type: "string" },
        seconds: { type: "string" },
        functions: { type: "string" },
        statements: { type: "string" },
        build: { type: "string", default: new URL("../dist", import.meta.url).pathname },
        "previous-build": { type: "string" },
        out: { type: "string" },
        help: { type: "boolean", short: "h", default: false }
      }
    })
    if (values.help) {
      process.stdout.write(usage)
      process.exit(0)
    }
    return values
  } catch (error) {
    process.stderr.write(`${error.message}\n\n${usage}`)
    process.exit(2)
  }
}

const { ours } = names
const values = parseArguments()
const isWhole = !values.quick && values.only === undefined
const seconds = Number(values.seconds ?? (values.quick ? 2 : 3))
const functionCount = Number(values.functions ?? (values.quick ? 20 : 8))
const statementCount = Number(values.statements ?? (values.quick ? 30 : 8))
const out = values.out ?? (isWhole ? new URL("results/profile.md", import.meta.url).pathname : undefined)

const nameOf = ({ batch, build, system, workers }) =>
  `${system}, ${countOf(workers)}${batch === undefined ? "" : `, batches of ${batch}`}${build === undefined ? "" : `, ${build}`}`

/** `cards` are enough for two runs of some seconds. */
const jobs = [
  { system: ours, workers: 1, cards: 6000 },
  { system: names.handWritten, workers: 1, cards: 20_000 },
  { system: names.graphileWorker, workers: 1, cards: 30_000 },
  { system: ours, workers: 10, cards: 16_000 },
  { system: names.graphileWorker, workers: 10, cards: 60_000 },
  { system: names.overHttp, workers: 10, cards: 20_000 },
  { system: ours, workers: 100, cards: 40_000 },
  { system: names.batchedGraphileWorker, workers: 24, cards: 400_000 },
  { system: ours, workers: 1, batch: 100, cards: 40_000 },
  { system: names.handWritten, workers: 1, batch: 100, cards: 100_000 }
]
const isSelected = (job) =>
  values.only === undefined ? !values.quick || job.system === ours : new RegExp(values.only).test(nameOf(job))

const directory = mkdtempSync(join(tmpdir(), "backlog-profile-"))
chmodSync(directory, 0o711)
process.once("exit", () => rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }))
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1))
mkdirSync(join(directory, "postgres"))
const server = await startPostgres(join(directory, "postgres"), {
  shared_preload_libraries: "pg_stat_statements",
  // Statements inside functions too.
  "pg_stat_statements.track": "all",
  "pg_stat_statements.track_planning": "on",
  track_wal_io_timing: "on"
})
const common = { directory, build: resolve(values.build), quick: false, url: server.url }
const query = (text, parameters) =>
  withConnection(server.url, async (client) => (await client.query(text, parameters)).rows)

/** What the server has written to its write-ahead log and waited for: `{ fsyncs, milliseconds, bytes }`. */
const writeAheadLog = async () => {
  const [row] = await query(`SELECT
    (SELECT sum(fsyncs)::float8 FROM pg_stat_io WHERE object = 'wal') AS fsyncs,
    (SELECT sum(fsync_time)::float8 FROM pg_stat_io WHERE object = 'wal') AS milliseconds,
    (SELECT wal_bytes::float8 FROM pg_stat_wal) AS bytes`)
  return row
}

const ownStatements = "query NOT LIKE '%pg_stat_%'"

const readStatements = () =>
  query(
    `SELECT regexp_replace(left(regexp_replace(query, '\\s+', ' ', 'g'), 110), '\\|', '/', 'g') AS text,
      sum(calls)::int4 AS calls, sum(total_exec_time) AS executing, sum(total_plan_time) AS planning, toplevel
    FROM pg_stat_statements WHERE ${ownStatements}
    GROUP BY queryid, query, toplevel ORDER BY sum(total_exec_time + total_plan_time) DESC LIMIT $1`,
    [statementCount]
  )

/** The time of statements of clients, in which the statements inside functions are included. */
const readTotal = async () =>
  (
    await query(`SELECT sum(total_exec_time) FILTER (WHERE toplevel) AS executing, sum(total_plan_time) AS planning
      FROM pg_stat_statements WHERE ${ownStatements}`)
  )[0]

const profiled = async (job) => {
  const { batch, build, cards, system, workers } = job
  const context = build === undefined ? common : { ...common, build: resolve(build) }
  const place = { database: "postgres", schema: "profile" }
  await systems[system].fill(context, place, plainCards(cards))
  await query("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
  const child = fork(new URL("lib/profileProcess.mjs", import.meta.url), {
    execArgv: nodeOptions,
    stdio: ["ignore", "inherit", "inherit", "ipc"]
  })
  let before, after
  const messages = (async () => {
    let measured
    const handled = []
    child.on("message", (message) => {
      if (message === "start") {
        handled.push(
          (async () => {
            before = await writeAheadLog()
            await query("SELECT pg_stat_statements_reset()")
          })()
        )
      } else if (message === "end") {
        handled.push(
          (async () => {
            after = { log: await writeAheadLog(), total: await readTotal(), statements: await readStatements() }
          })()
        )
      } else measured = message
    })
    const [code] = await once(child, "exit")
    await Promise.all(handled)
    if (measured === undefined) throw new Error(`${nameOf(job)} ended with code ${code} and no result`)
    return measured
  })()
  child.send({
    context,
    functionCount,
    job: { system, place, workers, batch, cards, meter: { warmUpSeconds: 2, seconds } },
    profiledSeconds: seconds
  })
  const { cpuMicros, functions, milliseconds, operations, parts } = await messages
  await systems[system].remove(context, place)
  const each = (total) => ((total * 1000) / operations).toFixed(0)
  return {
    name: nameOf(job),
    rate: operations / (milliseconds / 1000),
    wall: each(milliseconds),
    node: each(cpuMicros / 1000),
    executing: each(after.total.executing),
    planning: each(after.total.planning),
    flushing: each(after.log.milliseconds - before.milliseconds),
    flushes: ((after.log.fsyncs - before.fsyncs) / operations).toFixed(2),
    written: ((after.log.bytes - before.bytes) / operations).toFixed(0),
    statements: after.statements.map(({ calls, executing, planning, text, toplevel }) => ({
      text: toplevel ? `\`${text}\`` : `in a function: \`${text}\``,
      calls: (calls / operations).toFixed(2),
      executing: each(executing),
      planning: each(planning)
    })),
    functions,
    parts,
    nodeMicros: cpuMicros / operations
  }
}

/** The plan of a claim over a backlog of which nine tenths are done. */
const planOfClaim = async () => {
  const place = { database: "postgres", schema: "profile" }
  const cards = function* () {
    for (const [index, card] of [...plainCards(100_000)].entries())
      yield index % 10 === 0 ? card : { ...card, status: "done" }
  }
  const { fill } = systems[ours]
  await fill(common, place, cards())
  const rows = await query(`EXPLAIN (ANALYZE, BUFFERS, WAL, COSTS OFF)
    SELECT id FROM profile.cards WHERE status = 'ready' AND unmet_dependencies = 0 AND NOT deferred
    ORDER BY priority DESC, created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED`)
  await systems[ours].remove(common, place)
  return rows.map((row) => row["QUERY PLAN"]).join("\n")
}

const profiles = []
const builds = ({ system }) =>
  system.startsWith(ours) && values["previous-build"] !== undefined
    ? [undefined, values["previous-build"]]
    : [undefined]
for (const job of jobs.filter(isSelected).flatMap((one) => builds(one).map((build) => ({ ...one, build })))) {
  profiles.push(await profiled(job))
  const { name, node, rate } = profiles.at(-1)
  process.stderr.write(`${name}: ${rate.toFixed(0)} pairs/s, Node ${node} µs a pair\n`)
}
const plan = isWhole ? await planOfClaim() : undefined
await server.stop()

const columns = [
  ["", ({ name }) => name],
  ["pairs/s", ({ rate }) => rate.toFixed(0), "right"],
  ["µs per pair", ({ wall }) => wall, "right"],
  ["Node's processor time", ({ node }) => node, "right"],
  ["server executes", ({ executing }) => executing, "right"],
  ["server plans", ({ planning }) => planning, "right"],
  ["waits for the log's fsync", ({ flushing }) => flushing, "right"],
  ["fsyncs", ({ flushes }) => flushes, "right"],
  ["bytes of log", ({ written }) => written, "right"]
]
const statementColumns = [
  ["statement", ({ text }) => text],
  ["times per pair", ({ calls }) => calls, "right"],
  ["executed, µs", ({ executing }) => executing, "right"],
  ["planned, µs", ({ planning }) => planning, "right"]
]
const shareColumns = (nodeMicros) => [
  ["Node", ([name]) => `\`${name}\``],
  ["µs per pair", ([, share]) => (share * nodeMicros).toFixed(1), "right"],
  ["share", ([, share]) => `${(share * 100).toFixed(1)} %`, "right"]
]

const text = [
  "# Where the time goes",
  "Written by `npm run bench:profile`. Microseconds for a pair of claim and completion, in each system's own process. A " +
    "statement that calls a function includes the statements in the function.",
  markdownTable(columns, profiles),
  ...profiles.map(({ functions, name, nodeMicros, parts, statements }) =>
    [
      `### ${name}`,
      markdownTable(statementColumns, statements),
      markdownTable(shareColumns(nodeMicros), parts),
      markdownTable(shareColumns(nodeMicros), functions)
    ].join("\n\n")
  ),
  ...(plan === undefined
    ? []
    : [`### The plan of a claim over 100,000 cards, nine tenths of them done\n\n\`\`\`\n${plan}\n\`\`\``])
].join("\n\n")
if (out !== undefined) writeFileSync(out, `${text}\n`)
process.stdout.write(`${text}\n`)
