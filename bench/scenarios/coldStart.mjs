/**
 * From the start of a process to its end: a program that uses the layer for one query, the command line's claim, and programs
 * that only import an entry of the package.
 */
import { rmSync } from "node:fs"
import { join } from "node:path"
import { plainCards } from "../lib/population.mjs"
import { runProgram } from "../lib/runProgram.mjs"
import { schemaOf } from "../lib/schemas.mjs"
import * as mosaic from "../lib/systems/mosaic.mjs"

const size = 1000

/** What a program imports that uses an entry of the package. The first two are what the others are compared with. */
const imports = [
  ["nothing"],
  ["effect", "effect"],
  ["mosaic-backlog", "index.js"],
  ["mosaic-backlog/http", "http/index.js"],
  ["mosaic-backlog/mcp", "mcp/index.js"],
  ["mosaic-backlog/testing", "testing/index.js"],
  ["mosaic-backlog/worker", "worker/index.js"]
]

/** Starts a program several times, each time after `before`. */
const starts = async (count, directory, program, args, before = () => {}) => {
  const runs = []
  for (let number = 0; number < count; number++) {
    before()
    runs.push(await runProgram(program, args, directory, () => 1))
  }
  const latencies = runs.map((one) => one.milliseconds)
  return {
    operations: count,
    milliseconds: latencies.reduce((sum, one) => sum + one, 0),
    latencies,
    peakMiB: Math.max(...runs.map((one) => one.peakMiB))
  }
}

export const scenarios = (context) => {
  const count = context.quick ? 1 : 5
  const schema = schemaOf("start")
  const server = { database: "postgres", schema }
  const embedded = { database: "pglite directory", schema }
  const existing = join(context.directory, `${schema}.pglite`)
  const fresh = join(context.directory, `${schema}-new.pglite`)
  const program = new URL("../lib/coldStart.mjs", import.meta.url).pathname
  const commandLine = join(context.build, "cli/main.js")
  const claim = (...database) => ["claim", "--owner", "bench", "--actor", "bench", ...database]
  const removeFresh = () => rmSync(fresh, { recursive: true, force: true })
  const rows = [
    { scenario: "start, layer", place: server, file: program, args: [context.build, context.url, schema] },
    { scenario: "start, layer", place: embedded, file: program, args: [context.build, existing, schema] },
    { scenario: "start, layer, new directory", file: program, args: [context.build, fresh, schema] },
    {
      scenario: "start, backlog claim",
      place: server,
      target: { p50Ms: { max: 300 } },
      file: commandLine,
      args: claim("--db", context.url, "--schema", schema)
    },
    {
      scenario: "start, backlog claim",
      place: embedded,
      target: { p50Ms: { max: 1500 } },
      file: commandLine,
      args: claim("--db", existing, "--schema", schema)
    }
  ]
  const importProgram = new URL("../lib/importEntry.mjs", import.meta.url).pathname
  const importRows = imports.map(([name, ...modules]) => ({
    id: `start, import ${name}, ${mosaic.name}, none`,
    scenario: `start, import ${name}`,
    system: mosaic.name,
    database: "none",
    workers: 1,
    size: 0,
    unit: "starts",
    measure: () => starts(count, context.directory, importProgram, [context.build, ...modules])
  }))
  const databaseRows = rows.map(({ scenario, place, target, file, args }) => ({
    id: `${scenario}, ${mosaic.name}, ${place?.database ?? embedded.database}`,
    scenario,
    system: mosaic.name,
    database: place?.database ?? embedded.database,
    workers: 1,
    size: place === undefined ? 0 : size,
    unit: "starts",
    target,
    prepare: () => (place === undefined ? undefined : mosaic.fill(context, place, plainCards(size))),
    measure: () => starts(count, context.directory, file, args, place === undefined ? removeFresh : undefined),
    cleanUp: () => (place === undefined ? removeFresh() : mosaic.remove(context, place))
  }))
  return [...databaseRows, ...importRows]
}
