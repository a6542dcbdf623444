import { appendFileSync } from "node:fs"

const seedText = process.env["BACKLOG_SOAK_SEED"]

/** Whether this run is a round of the soak test. */
export const isSoak = seedText !== undefined

/** The seed of the random programs and faults. The same seed gives the same ones. */
export const seed = seedText === undefined ? 20_260_105 : Number(seedText)

/** Selects an amount: one for an ordinary test run, or one for a round of the soak test. */
export const amount = (ordinary: number, inSoak: number): number => (isSoak ? inSoak : ordinary)

/** The counters of the proof tests. They are summed. Counters that must be zero are shown separately. */
export type Count =
  | "programs"
  | "operations"
  | "histories checked"
  | "states checked against the log"
  | "hostile inputs"
  | "acknowledged commands"
  | "acknowledged commands lost"
  | "events seen by readers"
  | "commands applied twice"
  | "double claims"
  | `faults: ${string}`
  | `served, ${string}`

/** Records the counters of a test for the table at the end of the soak test. */
export const report = (counts: Partial<Record<Count, number>>): void => {
  const file = process.env["BACKLOG_SOAK_REPORT"]
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(counts)}\n`)
}
