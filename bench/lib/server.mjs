/** A `backlog serve` process that runs while it is used. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"

/** Milliseconds until a server must have stopped. Longer than the server's own shutdown timeout. */
const stopTimeoutMillis = 20_000

/**
 * Serves a backlog while `use` runs with its address and a function that returns the server's processor time so far, in
 * microseconds. Returns what `use` returns, and the server's peak memory. The server ends with this process, for any reason.
 */
export const withServer = async ({ build, directory }, database, use) => {
  const place = mkdtempSync(join(directory, "server-"))
  const memory = join(place, "memory")
  const preloaded = ["reportMemory.mjs", "reportCpu.mjs", "endWithParent.mjs"].flatMap((name) => [
    "--import",
    new URL(name, import.meta.url).href
  ])
  const child = spawn(
    process.execPath,
    [...profiling(), ...preloaded, join(build, "cli/main.js"), "serve", "--port", "0", "--json", ...database],
    { stdio: ["ignore", "pipe", "pipe", "ipc"], env: { ...process.env, BENCH_MEMORY_FILE: memory } }
  )
  const ended = once(child, "exit")
  let output = ""
  child.stderr.setEncoding("utf8").on("data", (text) => {
    output = (output + text).slice(-4096)
  })
  const failed = ended.then(([code, signal]) => {
    throw new Error(`the server ended with ${code ?? signal}:\n${output}`)
  })
  failed.catch(() => {})
  const cpuMicros = async () => {
    const reply = once(child, "message")
    child.send("cpu")
    return (await Promise.race([failed, reply]))[0]
  }
  try {
    const url = await Promise.race([failed, addressFrom(child.stdout)])
    const measured = await Promise.race([failed, use(url, cpuMicros)])
    child.kill("SIGTERM")
    await Promise.race([ended, failAfterTimeout(child)])
    return { ...measured, peakMiB: Number(readFileSync(memory, "utf8")) }
  } finally {
    child.kill("SIGKILL")
    rmSync(place, { recursive: true })
  }
}

/** The server's address, as it prints it at its start. */
const addressFrom = async (output) => {
  let text = ""
  for await (const part of output.setEncoding("utf8")) {
    text += part
    if (text.endsWith("\n")) return JSON.parse(text).data.url
  }
  // The server printed nothing. The caller fails when the process ends.
  return new Promise(() => {})
}

const failAfterTimeout = (child) =>
  new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`process ${child.pid} of the server does not end`)), stopTimeoutMillis).unref()
  })

/** Profiles the server when this process is profiled, into a file next to this process's profile. */
const profiling = () =>
  process.execArgv
    .filter((argument) => argument.startsWith("--cpu-prof"))
    .map((argument) => argument.replace(/\.cpuprofile$/, "-server.cpuprofile"))
