/** Audits, on the log of a backlog's whole life: see `lifeOf`. */
import { Effect } from "effect"
import { execFile } from "node:child_process"
import { createReadStream, existsSync } from "node:fs"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { pathToFileURL } from "node:url"
import { promisify } from "node:util"
import { auditOperations } from "../lib/auditOperations.mjs"
import { withConnection } from "../lib/withConnection.mjs"
import { runProgram } from "../lib/runProgram.mjs"

const run = promisify(execFile)

const million = { cards: 100_000, events: 1_000_000 }
const tenth = { cards: 10_000, events: 100_000 }
const twentieth = { cards: 5000, events: 50_000 }
const schema = "bench_audit"
const memory = { rssMiB: { max: 400 } }
const rate = { opsPerSecond: { min: 50_000 } }

/** Every operation: its scenario's name, its name among the operations, the unit, and the target. */
const operations = [
  ["import", "importLog", "events", memory],
  ["verify file", "verifyFile", "events", memory],
  ["verify", "verify", "events", { ...rate, ...memory }],
  ["backlogAt middle", "backlogAt", "events", memory],
  ["backlogAt with keyframes", "backlogAtAny", "calls", { p50Ms: { max: 300 } }],
  ["backlogAt, next position", "backlogAtNext", "calls", { p50Ms: { max: 20 } }],
  ["keyframes", "keyframes", "events", {}],
  ["list --at middle", "listAt", "cards", memory],
  ["history", "history", "calls", { p50Ms: { max: 5 }, ...memory }],
  ["history of 1,000 events", "longHistory", "calls", memory],
  ["cardAt middle", "cardAt", "calls", memory],
  ["flow of 100,000 events", "flow", "calls", { p50Ms: { max: 100 }, ...memory }],
  ["flow of 100,000 events by phase", "flowByPhase", "calls", memory],
  ["flow of 100,000 events by label", "flowByLabel", "calls", memory],
  ["flow of 100,000 events by owner", "flowByOwner", "calls", memory],
  ["export", "exportLog", "events", memory],
  ["rebuild", "rebuild", "events", { ...rate, ...memory }],
  ["rebuild and verify", "rebuildAndVerify", "events", memory]
]

const embedded = new Set(["import", "verify", "backlogAt middle", "history", "export", "rebuild"])

/**
 * Operations of the command line: the scenario's name, the arguments, the unit, and how many lines of output one of them
 * has.
 */
const commands = ({ events }, logFile) => [
  ["import", ["import", logFile, "--format", "log"], "events"],
  ["verify", ["verify"], "events"],
  ["list --at middle", ["list", "--at", String(events / 2)], "cards", /^card-/],
  ["export", ["export"], "events", /^\{"position"/]
]

export const scenarios = (context, say = () => {}) => {
  const size = context.quick ? twentieth : million
  const embeddedSize = context.quick ? twentieth : tenth
  const common = { system: "mosaic-backlog", workers: 1 }
  const id = (name, database) => `${name} ${database}`

  const operationOf = async (name, its) => {
    const logFile = logFileOf(context, its)
    return (await auditOperations({ ...context, logFile, size: its }))[name]
  }

  const onServer = operations.map(([scenario, operation, unit, target]) => ({
    ...common,
    id: id(scenario, "postgres"),
    scenario,
    database: "postgres",
    size: size.events,
    unit,
    target,
    prepare: async () => {
      await writeLog(context, size, say)
      if (operation !== "importLog" && operation !== "verifyFile") await importLog(context, size, say)
    },
    beforeEach: () => (operation === "importLog" ? dropBacklog(context) : undefined),
    measure: async () => {
      const effect = await operationOf(operation, size)
      if (operation === "verifyFile") return Effect.runPromise(effect)
      return Effect.runPromise(await withoutKeyframes(context, Effect.provide(effect, await serverLayer(context))))
    }
  }))

  const inProcess = operations
    .filter(([scenario]) => (context.quick ? scenario === "verify" : embedded.has(scenario)))
    .map(([scenario, operation, unit]) => ({
      ...common,
      id: id(scenario, "pglite"),
      scenario,
      database: "pglite",
      size: embeddedSize.events,
      unit,
      prepare: () => writeLog(context, embeddedSize, say),
      measure: async () => {
        const effect = await operationOf(operation, embeddedSize)
        const before = operation === "importLog" ? Effect.void : await operationOf("importLog", embeddedSize)
        const { layerPglite } = await load(context)
        return Effect.runPromise(
          await withoutKeyframes(context, Effect.provide(Effect.andThen(before, effect), layerPglite()))
        )
      }
    }))

  const onCommandLine = commands(size, logFileOf(context, size)).map(([scenario, args, unit, line]) => ({
    ...common,
    id: id(`backlog ${String(scenario)}`, "postgres"),
    scenario: `backlog ${String(scenario)}`,
    database: "postgres",
    size: size.events,
    unit,
    target: memory,
    prepare: async () => {
      await writeLog(context, size, say)
      if (scenario !== "import") await importLog(context, size, say)
    },
    beforeEach: () => (scenario === "import" ? dropBacklog(context) : undefined),
    measure: () =>
      runProgram(
        join(context.build, "cli/main.js"),
        [...args, "--db", context.url, "--schema", schema],
        context.directory,
        (output) => (line === undefined ? size.events : countLines(output, line))
      )
  }))

  return [...onCommandLine, ...onServer, ...inProcess]
}

const load = ({ build }) => import(pathToFileURL(join(build, "index.js")).href)

const serverLayer = async (context) => (await load(context)).layerPostgres({ url: context.url, schema })

/** Writes keyframes only where an operation does, so that they do not disturb the others. */
const withoutKeyframes = async (context, effect) => {
  const { KeyframeSchedule } = await load(context)
  return KeyframeSchedule === undefined ? effect : Effect.provideService(effect, KeyframeSchedule, "off")
}

const countLines = async (file, pattern) => {
  let count = 0
  for await (const line of createInterface({ input: createReadStream(file) })) if (pattern.test(line)) count++
  return count
}

const logFileOf = ({ directory }, { events }) => join(directory, `log-${events}.jsonl`)

const writeLog = async (context, size, say) => {
  const file = logFileOf(context, size)
  if (existsSync(file)) return
  say(`writing a log of ${size.events} events`)
  const program = new URL("../lib/writeLog.mjs", import.meta.url).pathname
  await run(process.execPath, [program, file, context.build, String(size.cards), String(size.events)])
}

/** Whether the tables are in the state to be measured. */
let isReady = false

const dropBacklog = async (context) => {
  isReady = false
  await withConnection(context.url, (client) => client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`))
}

const isImported = (context, { events }) =>
  withConnection(context.url, async (client) => {
    const table = await client.query(`SELECT to_regclass('${schema}.head') IS NOT NULL AS exists`)
    if (!table.rows[0].exists) return false
    const head = await client.query(`SELECT position::int FROM ${schema}.head`)
    return head.rows[0].position === events
  })

/** Imports the log unless it was imported before, and does what autovacuum would do within minutes. */
const importLog = async (context, size, say) => {
  if (isReady) return
  if (!(await isImported(context, size))) {
    say("importing the log")
    await dropBacklog(context)
    const { importLog: effect } = await auditOperations({ ...context, logFile: logFileOf(context, size), size })
    await Effect.runPromise(Effect.provide(effect, await serverLayer(context)))
  }
  say("vacuum and analyze")
  const tables = ["events", "cards", "dependencies"].map((table) => `${schema}.${table}`)
  await withConnection(context.url, (client) => client.query(`VACUUM ANALYZE ${tables.join()}`))
  isReady = true
}
