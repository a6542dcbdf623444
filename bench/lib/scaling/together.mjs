/** Measurements that alternate. */
import { median } from "../statistics.mjs"
import { withCrew } from "./crew.mjs"

const fields = ["perSecond", "callsPerBatch", "p50Ms"]

/** The medians of what was measured several times, by field. */
export const mediansOf = (measured) =>
  Object.fromEntries(
    fields
      .filter((field) => measured[0][field] !== undefined)
      .map((field) => [field, Number(median(measured.map((one) => one[field])).toPrecision(4))])
  )

/** The indexes of rows, from another one on in each repetition. */
export const turnsOf = (rows, repetition) => rows.map((_, turn) => (turn + repetition) % rows.length)

/**
 * Measures rows repeatedly, alternating and in a different order each time. Returns the rows with the medians of what
 * `measure` returned.
 */
export const measureAlternating = async (rows, repetitions, measure) => {
  const all = rows.map(() => [])
  for (let repetition = 0; repetition < repetitions; repetition++) {
    for (const index of turnsOf(rows, repetition)) all[index].push(await measure(rows[index]))
  }
  return rows.map((row, index) => ({ ...row, ...mediansOf(all[index]) }))
}

/**
 * Uses a new crew of this build in each repetition, and then one of the previous build if there is one; in every second repetition that
 * one comes first. One crew exists at a time: processes that only wait would slow down others that need the processor.
 */
export const withEachBuild = async (context, places, say, use) => {
  const builds = [["now", context.build]]
  if (context.previousBuild !== undefined) builds.push(["before", context.previousBuild])
  for (let repetition = 0; repetition < context.repetitions; repetition++) {
    for (const [name, build] of repetition % 2 === 0 ? builds : builds.toReversed()) {
      await withCrew({ ...context, build }, places, say, (crew) => use(crew, name, repetition))
    }
  }
}
