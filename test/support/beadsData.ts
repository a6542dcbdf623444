import { existsSync } from "node:fs"
import { join } from "node:path"

/** Real backlogs that are not part of the project. Tests that read them are skipped where they are missing. */
export type BeadsFileName = "tearags-issues.jsonl" | "beads-issues-2026-01-22.jsonl"

const directory = join(import.meta.dirname, "..", "..", "..", "shared", "data", "beads")

/** The path of a real backlog, or `undefined` if it is missing. */
export const beadsFile = (name: BeadsFileName): string | undefined => {
  const file = join(directory, name)
  return existsSync(file) ? file : undefined
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
