/** Runs a line of the official conformance suite, and judges its checks. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { notApplicable } from "./notApplicable.mjs"
import { fileOf, newerNode, versionOf } from "./packages.mjs"

/** The lines of the suite, each with the flags of its runs. The first line has no flag for a single revision. */
export const lines = [
  { name: "conformance-0.1", runs: [{ revision: "2025-11-25", flags: [] }] },
  {
    name: "conformance-0.2",
    runs: ["2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"].map((revision) => ({
      revision,
      flags: ["--spec-version", revision]
    }))
  }
]

/** The scenarios of a run, each with its checks. */
const runSuite = async (name, flags, url, directory) => {
  const output = mkdtempSync(join(directory, "conformance-"))
  const argv = [fileOf(name, "dist/index.js"), "server", "--url", url, "--suite", "all", "-o", output, ...flags]
  const child = spawn(newerNode().program, argv, { stdio: ["ignore", "pipe", "inherit"] })
  let printed = ""
  child.stdout.on("data", (chunk) => (printed += String(chunk)))
  const timer = setTimeout(() => child.kill("SIGKILL"), 5 * 60_000)
  await once(child, "close")
  clearTimeout(timer)
  const scenarios = readdirSync(output).map((folder) => ({
    name: folder.replace(/^server-/, "").replace(/-\d{4}-\d\d-\d\dT[\d-]+Z$/, ""),
    checks: JSON.parse(readFileSync(join(output, folder, "checks.json"), "utf8"))
  }))
  const summarized = printed.split("\n").filter((line) => /^[✓✗] /u.test(line)).length
  if (scenarios.length === 0 || scenarios.length !== summarized) {
    throw new Error(`${name} wrote the checks of ${scenarios.length} scenarios of ${summarized}\n${printed}`)
  }
  return scenarios
}

const reasonOf = (id) => notApplicable.find(({ checks }) => checks.test(id))?.reason

/** Runs all lines against a server. Returns a row for each run, the checks by reason, and the problems. */
export const runConformance = async (url, directory) => {
  const rows = []
  const problems = []
  const byReason = new Map(notApplicable.map(({ reason }) => [reason, new Set()]))
  for (const { name, runs } of lines) {
    const version = versionOf(name)
    for (const { flags, revision } of runs) {
      const scenarios = await runSuite(name, flags, url, directory)
      const failed = scenarios.flatMap(({ checks, name: scenario }) =>
        checks.filter(({ status }) => status === "FAILURE").map((check) => ({ scenario, ...check }))
      )
      for (const { errorMessage, id, scenario } of failed) {
        const reason = reasonOf(id)
        if (reason === undefined) problems.push(`${name} ${version}, ${revision}, ${scenario}: ${id}: ${errorMessage}`)
        else byReason.get(reason).add(id)
      }
      const excused = new Set(failed.map(({ scenario }) => scenario))
      rows.push({
        version,
        revision,
        scenarios: scenarios.length,
        passed: scenarios.length - excused.size,
        checks: scenarios.flatMap(({ checks }) => checks).filter(({ status }) => status === "SUCCESS").length,
        excused: excused.size
      })
    }
  }
  for (const [reason, checks] of byReason) {
    if (checks.size === 0) problems.push(`no check fails any more for the reason: ${reason}`)
  }
  return { rows, byReason, problems }
}
