import { existsSync } from "node:fs"
import { join } from "node:path"

/** Real backlogs that are not part of the project. Tests that read them are skipped where they are missing. */
export type BeadsFileName = "tearags-issues.jsonl" | "beads-issues-2026-01-22.jsonl"

/** Small files of other trackers with expected results, which are not part of the project either. */
export type InputFileName = "beads-readiness.jsonl" | "beads-readiness.expected.json" | "task-master-mixed.json"

const directory = join(import.meta.dirname, "..", "..", "..", "shared", "data")

const fileIn = (folder: string, name: string): string | undefined => {
  const file = join(directory, folder, name)
  return existsSync(file) ? file : undefined
}

/** The path of a real backlog, or `undefined` if it is missing. */
export const beadsFile = (name: BeadsFileName): string | undefined => fileIn("beads", name)

/** The path of a small file. Where it is missing, prints to standard error what is skipped and why. */
export const inputFileFor = (tests: string, name: InputFileName): string | undefined => {
  const file = fileIn("inputs", name)
  if (file === undefined) console.warn(`SKIPPED: ${tests}: ../shared/data/inputs/${name} is not here.`)
  return file
}

/**
 * The path of a real backlog. Where it is missing, prints to standard error what is skipped and why:
 * `const file = beadsFileFor("imports a real backlog", name)`, then `it.skipIf(file === undefined)(…)`.
 */
export const beadsFileFor = (tests: string, name: BeadsFileName): string | undefined => {
  const file = beadsFile(name)
  if (file === undefined) console.warn(`SKIPPED: ${tests}: ../shared/data/beads/${name} is not here.`)
  return file
}
