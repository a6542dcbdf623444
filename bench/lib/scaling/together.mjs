/** Alternating measurements. */
import { median } from "../statistics.mjs"

const fields = ["perSecond", "callsPerBatch", "p50Ms", "previousPerSecond"]

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
      fields
        .filter((field) => all[index][0][field] !== undefined)
        .map((field) => [field, Number(median(all[index].map((one) => one[field])).toPrecision(4))])
    )
  }))
}
