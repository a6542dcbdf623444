// Six workers on one backlog, and the comparison of their answers with the log.
import { execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { pathToFileURL } from "node:url"
import { promisify } from "node:util"
import { rolldown } from "rolldown"
import { until } from "./processes.mjs"

const checkout = join(import.meta.dirname, "../..")
const workerScript = join(checkout, "test/proof/support/faultWorker.mjs")

/** Maximum time until a worker receives its next answers once the cluster has a leader, in milliseconds. */
const answerTimeout = 120_000

/** Bundles and imports the comparison that the tests use. */
export const loadCheck = async (directory) => {
  const file = join(directory, "checkCommands.mjs")
  const bundle = await rolldown({
    input: join(checkout, "test/proof/support/checkCommands.ts"),
    platform: "node",
    external: (id) => !id.startsWith(".") && !id.startsWith("/")
  })
  await bundle.write({ file, format: "esm" })
  await bundle.close()
  return (await import(pathToFileURL(file).href)).checkCommands
}

/** Starts six workers on one backlog with a build of the program, and records each answer with its time. */
export const startLoad = async ({ program, schema, url }) => {
  const workers = Array.from({ length: 6 }, (_, index) =>
    startWorker({
      url,
      schema,
      program,
      name: `${schema}-w${index}`,
      seed: index + 1,
      claimers: 2,
      ttlSeconds: 5,
      pauseMillis: 50
    })
  )
  const end = () => {
    for (const { child } of workers) child.kill("SIGKILL")
  }
  const load = {
    schema,
    workers,
    end,
    acknowledged: () => workers.flatMap(({ answers }) => answers.map(({ answer }) => answer)),
    unanswered: () => workers.reduce((sum, worker) => sum + worker.unanswered, 0),
    /** Waits until every worker has `count` more answers. */
    answers: async (count) => {
      const before = workers.map(({ answers }) => answers.length)
      await until(`${count} more answers to every worker`, answerTimeout, () => {
        for (const { child, stderr, name } of workers) {
          if (child.exitCode !== null) throw new Error(`worker ${name} ended with ${child.exitCode}: ${stderr()}`)
        }
        return workers.every(({ answers }, index) => answers.length >= before[index] + count)
      })
    },
    /** The longest time in seconds between two answers to one worker, from one moment to another. */
    longestGap: (from, to) =>
      Math.max(
        ...workers.map(({ answers }) => {
          const times = answers.map(({ at }) => at).filter((at) => at >= from && at <= to)
          return Math.max(...[...times, to].map((at, index) => at - (times[index - 1] ?? from)))
        })
      ) / 1000,
    countBetween: (from, to) =>
      workers.reduce((sum, { answers }) => sum + answers.filter(({ at }) => at >= from && at <= to).length, 0)
  }
  try {
    await load.answers(3)
  } catch (error) {
    end()
    throw error
  }
  return load
}

const startWorker = (options) => {
  const child = spawn(process.execPath, [workerScript, JSON.stringify(options)], { stdio: ["pipe", "pipe", "pipe"] })
  let stderr = ""
  child.stderr.setEncoding("utf8").on("data", (text) => (stderr = (stderr + text).slice(-4096)))
  child.stdin.on("error", () => undefined)
  const worker = { child, name: options.name, answers: [], unanswered: 0, stderr: () => stderr }
  createInterface(child.stdout).on("line", (line) => {
    // The program's logger writes to the same stream.
    if (!line.startsWith("{")) return
    const message = JSON.parse(line)
    if (message.id !== undefined) worker.answers.push({ at: Date.now(), answer: message })
    else if (message.unanswered !== undefined) worker.unanswered++
  })
  return worker
}

/** Reads the log of a backlog from one node. */
export const readLog = async (cluster, node, schema) => {
  const rows = await cluster.query(
    node,
    `SELECT json_build_object('position', position, 'cardId', card_id, 'version', version, 'type', type, 'data', data,
       'commandId', command_id, 'occurredAt', occurred_at, 'chainHash', encode(chain_hash, 'hex'))
     FROM ${schema}.events ORDER BY events.position`,
    "work"
  )
  return rows.map((row) => {
    const event = JSON.parse(row)
    return { ...event, occurredAt: new Date(event.occurredAt) }
  })
}

/** Runs the command line of this checkout. Returns its exit code and output. */
export const backlog = async (url, schema, ...args) => {
  const program = join(checkout, "dist/cli/main.js")
  try {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [program, ...args, "--db", url, "--schema", schema, "--json"],
      { maxBuffer: 2 ** 28, timeout: 300_000 }
    )
    return { code: 0, ...JSON.parse(stdout) }
  } catch (error) {
    if (typeof error.code !== "number") throw error
    return { code: error.code, text: `${error.stdout}${error.stderr}` }
  }
}

/** Waits until the workers' processes have ended. */
export const waitForEnd = ({ workers }) =>
  Promise.all(
    workers.map(({ child }) => (child.exitCode === null && child.signalCode === null ? once(child, "exit") : undefined))
  )
