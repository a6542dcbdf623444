/** One of several processes that work together: says when it is ready, waits for the others, answers what it measured. */
import { once } from "node:events"
import { peakMemoryMiB } from "./memory.mjs"
import { work } from "./work.mjs"

const [{ context, job }] = await once(process, "message")
const measured = await work(context, job, async () => {
  process.send("ready")
  await once(process, "message")
})
process.send({ ...measured, peakMiB: peakMemoryMiB() })
