/** Runs the benchmarks: see README.md. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { pathToFileURL } from "node:url"
import { describeServer, machine, progress } from "./lib/about.mjs"
import { parseArguments } from "./lib/arguments.mjs"
import { measure } from "./lib/measure.mjs"
import { makeTemporaryDirectory } from "./lib/temporaryDirectory.mjs"
import { startPostgres } from "./lib/postgres.mjs"
import { writePlots } from "./lib/plots.mjs"
import { isOfWritePath, ratiosOf, writePathRatiosOf } from "./lib/ratios.mjs"
import { resultsOf, writeResults } from "./lib/results.mjs"
import { tableOf } from "./lib/table.mjs"

const modules = ["work", "claims", "create", "graphs", "coldStart", "audit", "soak"].map(
  (name) => new URL(`./scenarios/${name}.mjs`, import.meta.url).href
)

const say = progress()

/** The given server, or one of this run's own; and a description of its settings. */
const serverIn = async (directory) => {
  const given = process.env.BACKLOG_BENCH_DATABASE_URL
  const place = join(directory, "postgres")
  mkdirSync(place)
  const server = given === undefined ? await startPostgres(place) : { url: given, stop: async () => {} }
  return { ...server, description: await describeServer(server.url) }
}

/** Scenarios that are measured alternating: those of one group, or a single one. */
const groupsOf = (selected) => {
  const groups = new Map()
  for (const one of selected) {
    const name = one.scenario.group ?? one.scenario.id
    groups.set(name, [...(groups.get(name) ?? []), one])
  }
  return [...groups.values()]
}

/** Rotates the order, so that no scenario always runs after the same other one. */
const rotated = (list, by) => [...list.slice(by % list.length), ...list.slice(0, by % list.length)]

const measureOnce = async ({ module, scenario }, repetition, of) => {
  await scenario.beforeEach?.()
  try {
    const measured = await measure(module, scenario, context, options)
    const seconds = (measured.milliseconds / 1000).toFixed(2)
    const rate = ((measured.operations / measured.milliseconds) * 1000).toFixed(0)
    say(
      `${scenario.id} ${repetition + 1}/${of}: ${seconds} s, ${rate} ${scenario.unit}/s, ${measured.peakMiB.toFixed(0)} MiB`
    )
    return measured
  } finally {
    await scenario.afterEach?.()
  }
}

/** Runs a scenario. Its failure is printed and the other scenarios run, so that hours of results are not lost. */
const orTold = async (id, use) => {
  try {
    return await use()
  } catch (error) {
    process.exitCode = 1
    say(`${id}: ${error.stack}`)
    return undefined
  }
}

const measureGroup = async (group) => {
  const measurements = new Map()
  for (const one of group) {
    const { id, prepare } = one.scenario
    if ((await orTold(id, async () => [await prepare?.()])) !== undefined) measurements.set(one, [])
  }
  for (let repetition = 0; repetition < options.repetitions; repetition++) {
    for (const one of rotated(group, repetition)) {
      const { id, repetitions: of = options.repetitions } = one.scenario
      if (repetition >= of || !measurements.has(one)) continue
      const measured = await orTold(id, () => measureOnce(one, repetition, of))
      if (measured === undefined) measurements.delete(one)
      else measurements.get(one).push(measured)
    }
  }
  for (const { scenario } of group) await orTold(scenario.id, async () => scenario.cleanUp?.())
  return [...measurements].flatMap(([one, measured]) => {
    const { target, unit } = one.scenario
    const series = measured.at(-1).series
    return resultsOf(run, one.scenario, measured).map((result, index) =>
      index === 0 ? { result, unit, target, series } : { result, unit }
    )
  })
}

const options = parseArguments(process.argv.slice(2))
const directory = makeTemporaryDirectory("backlog-bench-")

const { previousBuild, quick, soakMinutes } = options
const context = {
  directory,
  build: resolve(options.build),
  previousBuild: previousBuild === undefined ? undefined : resolve(previousBuild),
  quick,
  soakMinutes,
  url: undefined
}
const isSelected = (scenario) =>
  options.only.test(scenario.id) && (options.set === undefined || isOfWritePath(scenario))
const all = []
for (const module of modules) {
  const { scenarios } = await import(module)
  all.push(...scenarios(context, say).map((scenario) => ({ module, scenario })))
}
const ofSelection = all.filter(({ scenario }) => isSelected(scenario))
const selected = ofSelection.filter(({ scenario }) => scenario.skipped === undefined)
const skipped = ofSelection
  .filter(({ scenario }) => scenario.skipped !== undefined)
  .map(({ scenario }) => `Skipped: ${scenario.id}: ${scenario.skipped}.`)
if (options.list) {
  for (const { scenario } of ofSelection) process.stdout.write(`${scenario.id}\n`)
  process.exit(0)
}
const needsServer = selected.some(({ scenario }) => scenario.database === "postgres")
const server = needsServer ? await serverIn(directory) : undefined
context.url = server?.url
const about = [machine(), ...(server === undefined ? [] : [server.description])].join("\n")
say(about.replace("\n", `\n${" ".repeat(9)}`))

for (const reason of skipped) say(reason)

const run = new Date().toISOString()
const rows = []
const place = pathToFileURL(`${resolve(options.results)}/`)
mkdirSync(place, { recursive: true })
const prefix = quick ? "quick" : "latest"
writeFileSync(new URL(`${prefix}-about.txt`, place), `${about}\n`)
let results = []
for (const group of groupsOf(selected)) {
  const measured = await measureGroup(group)
  rows.push(...measured)
  results = writeResults(
    new URL(`${prefix}.json`, place),
    measured.map(({ result }) => result)
  )
  const series = measured.find((row) => row.series !== undefined)?.series
  if (series !== undefined) writeFileSync(new URL(`${prefix}-soak.json`, place), `${JSON.stringify(series, null, 2)}\n`)
}
await server?.stop()
if (rows.length === 0) process.stdout.write("No scenario was measured.\n")
else {
  writePlots(place, prefix, results)
  const ofRun = rows.map(({ result }) => result)
  const ratios = options.set === undefined ? ratiosOf(ofRun) : writePathRatiosOf(ofRun)
  const dead = rows.flatMap((row) => row.series?.at(-1)?.deadRows ?? [])
  const soaked = dead.map((count) => `${count} dead rows at the end of the soak.`)
  process.stdout.write(
    `${[about, tableOf(rows), ...(ratios === "" ? [] : [ratios]), ...soaked, ...skipped].join("\n\n")}\n`
  )
}
