/** Mosaic Backlog through `backlog serve`, with claims by the load generator wrk instead of the client. */
import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { withServer } from "../server.mjs"
import { names } from "../systemNames.mjs"
import { fill, remove } from "./mosaic.mjs"
import { databaseOf } from "./mosaicHttp.mjs"

export { fill, remove }

export const name = names.loadGenerator

/** Why this system cannot be measured here, or nothing. */
export const skipped = () =>
  spawnSync("wrk", ["-v"]).error === undefined ? undefined : "there is no program wrk on PATH"

const script = new URL("claims.lua", import.meta.url).pathname

/** Sends claims over so many connections, and returns what claims.lua counted. */
const generate = async (url, connections, seconds) => {
  const child = spawn("wrk", ["-t1", `-c${connections}`, `-d${seconds}s`, "--timeout", "10s", "-s", script, url], {
    stdio: ["ignore", "pipe", "inherit"]
  })
  let output = ""
  child.stdout.setEncoding("utf8").on("data", (text) => {
    output += text
  })
  const [code] = await once(child, "close")
  const line = output.split("\n").find((one) => one.startsWith("{"))
  if (code !== 0 || line === undefined) throw new Error(`wrk ended with code ${code}:\n${output}`)
  return JSON.parse(line)
}

/** Claims for so many whole seconds, with one connection for each worker. Memory and processor time are the server's. */
export const claim = (context, place, { seconds, warmUpSeconds, workers }) =>
  withServer(context, databaseOf(context, place), async (url, serverCpuMicros) => {
    await generate(url, workers, warmUpSeconds)
    const before = await serverCpuMicros()
    const { answers, claims, errors, milliseconds } = await generate(url, workers, seconds)
    const cpuMicros = (await serverCpuMicros()) - before
    if (errors > 0 || answers > claims)
      throw new Error(`${answers - claims} of ${answers} answers are no card, ${errors} errors`)
    return { operations: claims, milliseconds, cpuMicros, latencies: null }
  })
