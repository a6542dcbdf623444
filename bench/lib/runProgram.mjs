import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { open } from "node:fs/promises"
import { join } from "node:path"

/**
 * Runs a Node program as a user would, with its output in a file. Returns its duration, its peak memory, and how many
 * operations `operationsIn` finds in its output. Fails when the program does.
 */
export const runProgram = async (program, args, directory, operationsIn) => {
  const place = mkdtempSync(join(directory, "program-"))
  const memory = join(place, "memory")
  const output = await open(join(place, "output"), "w")
  try {
    const started = performance.now()
    const preload = new URL("reportMemory.mjs", import.meta.url).href
    const child = spawn(process.execPath, ["--import", preload, program, ...args], {
      stdio: ["ignore", output.fd, "pipe"],
      env: { ...process.env, BENCH_MEMORY_FILE: memory }
    })
    let errors = ""
    child.stderr.setEncoding("utf8").on("data", (text) => {
      errors = (errors + text).slice(-4096)
    })
    const [code] = await once(child, "close")
    const milliseconds = performance.now() - started
    if (code !== 0) throw new Error(`${args[0]} ended with code ${code}:\n${errors}`)
    const operations = await operationsIn(join(place, "output"))
    return { operations, milliseconds, peakMiB: Number(readFileSync(memory, "utf8")) }
  } finally {
    await output.close()
    rmSync(place, { recursive: true })
  }
}
