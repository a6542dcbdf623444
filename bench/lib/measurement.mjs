/** The process of one measurement: is told which scenario and what it may use, answers with what it measured. */
import { peakMemoryMiB } from "./memory.mjs"

process.once("message", async ({ module, id, context }) => {
  const { scenarios } = await import(module)
  const measured = await scenarios(context)
    .find((scenario) => scenario.id === id)
    .measure()
  process.send({ peakMiB: peakMemoryMiB(), ...measured }, () => process.disconnect())
})
