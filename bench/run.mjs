/** Runs the benchmarks: see README.md. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { availableParallelism, cpus, tmpdir, totalmem } from "node:os"
import { join, resolve } from "node:path"
import { parseArguments } from "./lib/arguments.mjs"
import { connected } from "./lib/connected.mjs"
import { measure } from "./lib/measure.mjs"
import { settings, startPostgres } from "./lib/postgres.mjs"
import { resultOf, writeResults } from "./lib/results.mjs"
import { tableOf } from "./lib/table.mjs"

const modules = ["./scenarios/audit.mjs"].map((path) => new URL(path, import.meta.url).href)

const began = performance.now()
const say = (text) => {
  const seconds = ((performance.now() - began) / 1000).toFixed(0)
  process.stderr.write(`${seconds.padStart(5)} s  ${text}\n`)
}

const machine = () =>
  `${availableParallelism()} × ${cpus()[0]?.model ?? "unknown processor"}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, ` +
  `${process.platform} ${process.arch}, Node ${process.version}`

/** The server that is to be used, or one of this run's own; and in words how it is set. */
const serverIn = async (directory) => {
  const given = process.env.BACKLOG_BENCH_DATABASE_URL
  const place = join(directory, "postgres")
  mkdirSync(place)
  const server = given === undefined ? await startPostgres(place) : { url: given, stop: async () => {} }
  const shown = ["server_version", ...Object.keys(settings)]
  const values = await connected(server.url, async (client) => {
    const { rows } = await client.query("SELECT name, current_setting(name) AS value FROM unnest($1::text[]) AS name", [
      shown
    ])
    return rows.map(({ name, value }) => `${name} ${value}`).join(", ")
  })
  return { ...server, description: `Postgres: ${values}` }
}

const options = parseArguments(process.argv.slice(2))
const directory = mkdtempSync(join(tmpdir(), "backlog-bench-"))
// Postgres's user has to get through.
chmodSync(directory, 0o711)
process.once("exit", () => rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }))
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1))

const context = { directory, build: resolve(options.build), quick: options.quick, url: undefined }
const selected = []
for (const module of modules) {
  const { scenarios } = await import(module)
  for (const scenario of scenarios(context, say))
    if (options.only.test(scenario.id)) selected.push({ module, scenario })
}
const needsServer = selected.some(({ scenario }) => scenario.database === "postgres")
const server = needsServer ? await serverIn(directory) : undefined
context.url = server?.url
const about = [machine(), ...(server === undefined ? [] : [server.description])].join("\n")
say(about.replace("\n", `\n${" ".repeat(9)}`))

const file = new URL(`results/${options.quick ? "quick" : "latest"}.json`, import.meta.url)
const rows = []
for (const { module, scenario } of selected) {
  await scenario.prepare?.()
  const measurements = []
  for (let repetition = 1; repetition <= options.repetitions; repetition++) {
    await scenario.beforeEach?.()
    const measured = await measure(module, scenario, context, options)
    const seconds = (measured.milliseconds / 1000).toFixed(2)
    say(`${scenario.id} ${repetition}/${options.repetitions}: ${seconds} s, ${measured.peakMiB.toFixed(0)} MiB`)
    measurements.push(measured)
  }
  const result = resultOf(scenario, measurements)
  rows.push({ result, unit: scenario.unit, target: scenario.target })
  writeResults(file, [result])
}
await server?.stop()
process.stdout.write(rows.length === 0 ? "No scenario was measured.\n" : `${about}\n\n${tableOf(rows)}\n`)
