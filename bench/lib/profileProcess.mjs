/**
 * The process of one profile: works twice on the same backlog, first without and then with the CPU profiler, whose samples
 * cost processor time. Sends "start" and "end" around the first measured time, and the results last.
 */
import { Session } from "node:inspector/promises"
import { once } from "node:events"
import { summarizeProfile } from "./cpuProfile.mjs"
import { work } from "./work.mjs"

const [{ context, functionCount, job, profiledSeconds }] = await once(process, "message")

const session = new Session()
session.connect()
const half = { ...job, cards: Math.floor(job.cards / 2) }

const measured = await work(context, {
  ...half,
  meter: {
    ...job.meter,
    onStart: () => process.send("start"),
    onEnd: () => process.send("end")
  }
})

await session.post("Profiler.enable")
await session.post("Profiler.setSamplingInterval", { interval: 200 })
// The second run is as warm as the first at its end, but has new connections.
await work(context, {
  ...half,
  meter: {
    warmUpSeconds: 0.4,
    seconds: profiledSeconds,
    onStart: () => void session.post("Profiler.start")
  }
})
const { profile } = await session.post("Profiler.stop")
const profiled = summarizeProfile(profile, context.build, functionCount)
process.send({ ...measured, latencies: null, ...profiled }, () => process.disconnect())
