/** The process of one measurement: receives a scenario and its options, and returns the result. */
import { once } from "node:events"
import { peakMemoryMiB } from "./memory.mjs"

const [{ module, id, context }] = await once(process, "message")
const { scenarios } = await import(module)
const measured = await scenarios(context)
  .find((scenario) => scenario.id === id)
  .measure()
process.send({ peakMiB: peakMemoryMiB(), ...measured }, () => process.disconnect())
