/** One of several concurrent processes: reports that it is ready, waits for the others, and returns what it measured. */
import { once } from "node:events"
import { peakMemoryMiB } from "./memory.mjs"
import { work } from "./work.mjs"

const [{ context, job }] = await once(process, "message")
const measured = await work(context, job, async () => {
  process.send("ready")
  await once(process, "message")
})
process.send({ ...measured, peakMiB: peakMemoryMiB() })
