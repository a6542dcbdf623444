import { appendFileSync } from "node:fs"

const seedText = process.env["BACKLOG_SOAK_SEED"]

/** Whether this is a round of the soak, which takes its time. */
export const isSoak = seedText !== undefined

/** What whatever is random in the tests of proof begins with: the same seed, the same programs and faults. */
export const seed = seedText === undefined ? 20_260_105 : Number(seedText)

/** How much to do: in an ordinary run of the tests, and in a round of the soak. */
export const amount = (ordinary: number, inSoak: number): number => (isSoak ? inSoak : ordinary)

/** What the tests of proof count. Everything is added up but what must be zero, which is shown as such. */
export type Count =
  | "programs"
  | "operations"
  | "histories checked"
  | "states checked against the log"
  | "hostile inputs"
  | "acknowledged commands"
  | "acknowledged commands lost"
  | "commands applied twice"
  | "double claims"
  | `faults: ${string}`
  | `served, ${string}`

/** Notes what a test did, for the table at the end of the soak. */
export const report = (counts: Partial<Record<Count, number>>): void => {
  const file = process.env["BACKLOG_SOAK_REPORT"]
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(counts)}\n`)
}
