/** Measures the capacity of one server and its surroundings: see README.md. Updates docs/scaling.md. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { parseArgs } from "node:util"
import { parseRepetitions } from "./lib/arguments.mjs"
import { describeServer, machine, progress } from "./lib/about.mjs"
import { startPostgres } from "./lib/postgres.mjs"
import { readJson } from "./lib/readJson.mjs"
import { backlogs } from "./lib/scaling/backlogs.mjs"
import { checkSimulation } from "./lib/scaling/headRow.mjs"
import { oneServer } from "./lib/scaling/oneServer.mjs"
import { pooler } from "./lib/scaling/pooler.mjs"
import { reads } from "./lib/scaling/reads.mjs"
import { replica } from "./lib/scaling/replica.mjs"
import { scalingTables } from "./lib/scaling/tables.mjs"
import { makeTemporaryDirectory } from "./lib/temporaryDirectory.mjs"
import { fillScalingPage } from "./page.mjs"

const usage = `node bench/scaling.mjs [--only PARTS] [--pgbouncer PATH]... [--quick] [--repetitions N] [--build DIR] [--previous-build DIR] [--results FILE]

  --only PARTS       Measures only these parts: oneServer,reads,pooler,replica,backlogs. Keeps the results of the others
  --pgbouncer PATH   A PgBouncer to measure; repeatable. Defaults to an installed one
  --quick            Measures everything once and briefly. Writes results/quick-scaling.json, and no page
  --repetitions N    Number of times that everything is measured, alternating. Defaults to 3, with --quick to 1
  --build DIR        The build to measure. Defaults to ../dist
  --previous-build DIR
                     Another build, which must be able to load its packages: measured alternately with the first one
  --results FILE     Writes the results into this file, and no page. Defaults to results/scaling.json
`

const parts = { oneServer, reads, pooler, replica, backlogs }

const parseArguments = (args) => {
  try {
    const { values } = parseArgs({
      args,
      options: {
        only: { type: "string", default: Object.keys(parts).join() },
        pgbouncer: { type: "string", multiple: true, default: [] },
        quick: { type: "boolean", default: false },
        repetitions: { type: "string" },
        "previous-build": { type: "string" },
        build: { type: "string", default: new URL("../dist", import.meta.url).pathname },
        results: { type: "string" },
        help: { type: "boolean", short: "h", default: false }
      }
    })
    if (values.help) {
      process.stdout.write(usage)
      process.exit(0)
    }
    const repetitions = parseRepetitions(values)
    const only = values.only.split(",")
    const unknown = only.find((part) => parts[part] === undefined)
    if (unknown !== undefined) throw new Error(`there is no part ${unknown}`)
    return { ...values, repetitions, only }
  } catch (error) {
    process.stderr.write(`${error.message}\n\n${usage}`)
    process.exit(2)
  }
}

const options = parseArguments(process.argv.slice(2))
const { only, quick, repetitions } = options
checkSimulation()
const say = progress()
const directory = makeTemporaryDirectory("backlog-scaling-")

const place = join(directory, "one")
mkdirSync(place)
const server = await startPostgres(place)
const { port, url } = server
const about = [machine(), await describeServer(url)]
for (const line of about) say(line)
const context = {
  directory,
  url,
  port,
  build: resolve(options.build),
  previousBuild: options["previous-build"] && resolve(options["previous-build"]),
  pgbouncers: options.pgbouncer,
  quick,
  repetitions,
  warmUpTransactions: quick ? 20 : 3000,
  seconds: quick ? 0.6 : 2
}
const file = options.results ?? new URL(`results/${quick ? "quick-" : ""}scaling.json`, import.meta.url).pathname
const results = { ...readJson(file, {}), about, repetitions }
for (const part of only) {
  try {
    results[part] = await parts[part](context, say)
    writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`)
  } catch (error) {
    // One failure does not lose the other measurements.
    process.exitCode = 1
    say(`${part}: ${error.stack}`)
  }
}
await server.stop()
process.stdout.write(`${Object.values(scalingTables(results)).join("\n\n")}\n`)
if (!quick && options.results === undefined) fillScalingPage()
