/** Claiming and completing with any of the systems, in this process or in several. */
import { fork } from "node:child_process"
import { Meter } from "./meter.mjs"
import { plainCards } from "./population.mjs"
import * as graphileWorker from "./systems/graphileWorker.mjs"
import * as handWritten from "./systems/handWritten.mjs"
import * as mosaic from "./systems/mosaic.mjs"
import * as mosaicHttp from "./systems/mosaicHttp.mjs"
import * as mosaicWorker from "./systems/mosaicWorker.mjs"
import * as mutableTable from "./systems/mutableTable.mjs"
import * as pgBoss from "./systems/pgBoss.mjs"

export const systems = Object.fromEntries(
  [
    mosaic,
    mosaic.claimingNext,
    mosaic.previousBuild,
    mosaicWorker,
    mosaicHttp,
    graphileWorker.plain,
    graphileWorker.batched,
    pgBoss,
    mutableTable,
    handWritten
  ].map((system) => [system.name, system])
)

const optionsOf = ({ batch, cards, meter, way, workers }, ready) => ({
  batch,
  way,
  workers,
  ready,
  cards: () => plainCards(cards),
  makeMeter: () => new Meter({ ...meter, available: cards, atOnce: workers * (batch ?? 1) })
})

/** Works in this process. `job` is `{ system, place, workers, batch?, way?, cards, meter }`. */
export const work = (context, job, ready = async () => {}) =>
  systems[job.system].work(context, job.place, optionsOf(job, ready))

/** Works in several processes with this many workers each. They start at the same time. */
export const workInProcesses = async (context, job, processes) => {
  const program = new URL("workProcess.mjs", import.meta.url)
  const children = Array.from({ length: processes }, () => {
    const child = fork(program, { stdio: ["ignore", "inherit", "inherit", "ipc"] })
    const ended = new Promise((_, reject) => {
      child.once("exit", (code) => reject(new Error(`a process of ${job.system} ended with code ${code}`)))
    })
    ended.catch(() => {})
    const told = () => Promise.race([ended, new Promise((resolve) => child.once("message", resolve))])
    return { child, told }
  })
  const all = (use) => Promise.all(children.map(use))
  try {
    const ready = all(({ told }) => told())
    for (const { child } of children) child.send({ context, job: { ...job, cards: Math.floor(job.cards / processes) } })
    await ready
    const measured = all(({ told }) => told())
    for (const { child } of children) child.send("go")
    const results = await measured
    return {
      operations: results.reduce((sum, one) => sum + one.operations, 0),
      milliseconds: Math.max(...results.map((one) => one.milliseconds)),
      cpuMicros: results.reduce((sum, one) => sum + one.cpuMicros, 0),
      latencies: results.some((one) => one.latencies === null) ? null : results.flatMap((one) => one.latencies),
      peakMiB: Math.max(...results.map((one) => one.peakMiB))
    }
  } finally {
    for (const { child } of children) if (child.connected) child.disconnect()
  }
}
