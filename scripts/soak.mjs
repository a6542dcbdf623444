/**
 * Runs the tests in test/proof, and the board's slider over a log of 1,000,000 events, repeatedly, each round with a new seed, until
 * the minutes are over, and prints the counts in one table. Exits with code 1 if a test failed, or if a command was lost or applied twice.
 *
 *     npm run test:soak -- --minutes 60 --seed 1
 *
 * The last round is always completed. Each round prints its seed first: `--rounds 1 --seed S` repeats it. Without `--only` the MCP
 * clients and the official conformance suites run before the rounds: see `scripts/mcp/run.mjs`.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    rounds: { type: "string", default: "1000000" },
    seed: { type: "string", default: String(Date.now() % 1_000_000_000) },
    only: { type: "string" }
  }
})

const numberOf = (name, least) => {
  const value = Number(values[name])
  if (!Number.isFinite(value) || value < least) throw new Error(`--${name} takes a number of at least ${least}`)
  return value
}

const minutes = numberOf("minutes", 0)
const rounds = numberOf("rounds", 1)
const firstSeed = Math.trunc(numberOf("seed", 0))
const until = Date.now() + minutes * 60_000

/** Counts that must be zero. They are always printed. */
const mustBeZero = ["acknowledged commands lost", "commands applied twice", "double claims"]

const directory = mkdtempSync(join(tmpdir(), "mosaic-soak-"))
const file = join(directory, "counts.jsonl")
writeFileSync(file, "")
const failedSeeds = []
let round = 0
let clientsPassed = true
const tests = (values.only ?? "test/proof,test/board/browser/largeLog.test.ts").split(",")

const passes = async (command, args, env = {}) => {
  const child = spawn(command, args, { stdio: "inherit", env: { ...process.env, ...env } })
  const [code] = await once(child, "exit")
  return code === 0
}

try {
  if (values.only === undefined) {
    clientsPassed =
      (await passes("npm", ["ci", "--prefix", "scripts/mcp"])) && (await passes("node", ["scripts/mcp/run.mjs"]))
  }
  do {
    const seed = firstSeed + round
    round++
    console.log(`\nround ${round}, seed ${seed}`)
    const passed = await passes("npx", ["vitest", "run", "--project", "backlog", ...tests, "--reporter", "dot"], {
      BACKLOG_SOAK_SEED: String(seed),
      BACKLOG_SOAK_REPORT: file
    })
    if (!passed) failedSeeds.push(seed)
  } while (Date.now() < until && round < rounds)

  const totals = new Map(mustBeZero.map((name) => [name, 0]))
  for (const line of readFileSync(file, "utf8").split("\n").filter(Boolean)) {
    for (const [name, count] of Object.entries(JSON.parse(line))) totals.set(name, (totals.get(name) ?? 0) + count)
  }
  const bad = mustBeZero.filter((name) => totals.get(name) !== 0)
  console.log(`\n| tried, in ${round} rounds from seed ${firstSeed} | |\n|---|---:|`)
  for (const [name, total] of [...totals].sort(([left], [right]) => (left < right ? -1 : 1))) {
    console.log(`| ${name} | ${total.toLocaleString("en-US")} |`)
  }
  console.log(
    `| rounds that failed | ${failedSeeds.length}${failedSeeds.length === 0 ? "" : ` (seeds ${failedSeeds.join(", ")})`} |`
  )
  console.log(
    `| MCP clients and conformance | ${values.only !== undefined ? "not run" : clientsPassed ? "passed" : "failed"} |`
  )
  process.exitCode = failedSeeds.length === 0 && bad.length === 0 && clientsPassed ? 0 : 1
} finally {
  rmSync(directory, { recursive: true, force: true })
}
