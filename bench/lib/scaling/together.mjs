/** Concurrent processes of a service, and alternating measurements. */
import { fork } from "node:child_process"
import { once } from "node:events"
import { median } from "../statistics.mjs"

const program = new URL("serviceProcess.mjs", import.meta.url)

/**
 * Runs a process for each job. Each sends a message when it is ready, when it is warm and with what it measured, and gets a
 * response when all have. Returns what each measured.
 */
export const runTogether = async (jobs) => {
  const children = jobs.map((job) => {
    const child = fork(program, { stdio: ["ignore", "inherit", "inherit", "ipc"] })
    const ended = new Promise((_, reject) => {
      child.once("exit", (code) => reject(new Error(`a process of the service ended with code ${code}`)))
    })
    ended.catch(() => {})
    child.send(job)
    return { child, told: () => Promise.race([ended, new Promise((resolve) => child.once("message", resolve))]) }
  })
  const goOn = () => {
    for (const { child } of children) child.send("go on")
  }
  try {
    await Promise.all(children.map(({ told }) => told()))
    const warm = Promise.all(children.map(({ told }) => told()))
    goOn()
    await warm
    const measured = Promise.all(children.map(({ told }) => told()))
    goOn()
    const results = await measured
    const ended = Promise.all(children.map(({ child }) => once(child, "exit")))
    goOn()
    await ended
    return results
  } finally {
    for (const { child } of children) if (child.connected) child.kill()
  }
}

/** Sums the results of concurrent processes. */
export const sumOf = (measured) => ({
  perSecond: measured.reduce((sum, one) => sum + (one.operations / one.milliseconds) * 1000, 0),
  callsPerBatch: median(measured.map((one) => one.callsPerBatch)),
  p50Ms: median(measured.flatMap((one) => one.latencies))
})

const fields = ["perSecond", "callsPerBatch", "p50Ms"]

/**
 * Measures rows repeatedly, alternating and in a different order each time. Returns the rows with the medians of what
 * `measure` returned.
 */
export const measureAlternating = async (rows, repetitions, measure) => {
  const all = rows.map(() => [])
  for (let repetition = 0; repetition < repetitions; repetition++) {
    for (let turn = 0; turn < rows.length; turn++) {
      const index = (turn + repetition) % rows.length
      all[index].push(await measure(rows[index]))
    }
  }
  return rows.map((row, index) => ({
    ...row,
    ...Object.fromEntries(
      fields.map((field) => [field, Number(median(all[index].map((one) => one[field])).toPrecision(4))])
    )
  }))
}
