/** The process of one measurement: is told which scenario and what it may use, answers with what it measured. */
import { once } from "node:events"
import { peakMemoryMiB } from "./memory.mjs"

const [{ module, id, context }] = await once(process, "message")
const { scenarios } = await import(module)
const measured = await scenarios(context)
  .find((scenario) => scenario.id === id)
  .measure()
process.send({ peakMiB: peakMemoryMiB(), ...measured }, () => process.disconnect())
