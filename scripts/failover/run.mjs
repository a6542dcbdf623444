/**
 * Injects faults into a Patroni cluster while six processes work on a backlog, and compares every answer with the log
 * after the failover.
 *
 *     npm run test:failover -- --write
 *
 * `--write` puts the table into docs/high-availability.md. `--only KEY,KEY` injects some of the faults. `--control`
 * runs those faults that lose commands with a copy of the program whose commits wait for no standby, and succeeds when
 * the comparison finds the loss. Without Debian's packages it prints what is missing and succeeds.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { parseArgs } from "node:util"
import { findMissingRequirement, startCluster } from "./cluster.mjs"
import { backlog, loadCheck, readLog, startLoad, waitForEnd } from "./load.mjs"
import { endAll } from "./processes.mjs"
import { scenarios } from "./scenarios.mjs"
import { writeTable } from "./table.mjs"

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    write: { type: "boolean", default: false },
    control: { type: "boolean", default: false }
  }
})

const reason = findMissingRequirement()
if (reason !== undefined) {
  console.log(`Skipped: ${reason}.`)
  process.exit(0)
}

const checkout = join(import.meta.dirname, "../..")
const chosen = scenarios.filter(
  ({ key, losesWithoutWaiting }) =>
    (values.only === undefined || values.only.split(",").includes(key)) && (!values.control || losesWithoutWaiting)
)
if (chosen.length === 0) throw new Error(`--only takes ${scenarios.map(({ key }) => key).join(", ")}`)

const directory = mkdtempSync(join(tmpdir(), "backlog-failover-"))
let cluster
let load
/** Ends every process. Synchronous, for exits. */
const cleanUp = () => {
  load?.end()
  cluster?.end()
  endAll()
}
process.on("exit", cleanUp)
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(name, () => {
    cleanUp()
    console.error(`Interrupted. The logs are in ${directory}.`)
    process.exit(1)
  })
}

/** Copies the build with a change: commits wait only for the leader's own disk. */
const withoutWaiting = () => {
  const copy = join(directory, "control")
  for (const name of ["dist", "migrations", "package.json"]) {
    cpSync(join(checkout, name), join(copy, name), { recursive: true })
  }
  symlinkSync(join(checkout, "node_modules"), join(copy, "node_modules"))
  const file = join(copy, "dist/sql/inTransaction.js")
  const durable = /pg_catalog\.set_config\('synchronous_commit', CASE[^`]* END, true\)/
  const code = readFileSync(file, "utf8")
  if (!durable.test(code)) throw new Error(`${file} does not set synchronous_commit as this script expects`)
  writeFileSync(file, code.replace(durable, "pg_catalog.set_config('synchronous_commit', 'local', true)"))
  return copy
}

const program = values.control ? withoutWaiting() : checkout
const checkCommands = await loadCheck(directory)

/** Takes an anchor every three seconds until it is stopped. */
const takeAnchors = (schema) => {
  const anchors = []
  const over = new AbortController()
  const taking = (async () => {
    while (!over.signal.aborted) {
      const answer = await backlog(cluster.url, schema, "anchor").catch(() => ({ code: 6 }))
      if (answer.code === 0) anchors.push({ ...answer.data, takenAt: Date.now() })
      await setTimeout(3_000)
    }
  })()
  return {
    anchors,
    stop: () => {
      over.abort()
      return taking
    }
  }
}

const runScenario = async ({ inject, name, noAnchors }, round) => {
  await cluster.healthy()
  load ??= await startLoad({ program, url: cluster.url, schema: `round_${round}` })
  const { schema } = load
  await load.answers(3)
  const first = await backlog(cluster.url, schema, "anchor")
  const taking = noAnchors ? { anchors: [], stop: async () => undefined } : takeAnchors(schema)
  const unansweredBefore = load.unanswered()
  const from = Date.now()
  const fault = await inject({ cluster, load, program, round })
  await load.answers(5)
  const to = Date.now()
  await taking.stop()
  await fault.after?.()

  // Reads the answers before the log, which then has every answered command.
  const backlogs = [{ schema, acknowledged: load.acknowledged() }, ...(fault.alsoIn ?? [])]
  const leader = await cluster.leader()
  const findings = { lost: [], twice: [], claims: [] }
  let chain
  for (const { acknowledged, schema: each } of backlogs) {
    const log = await readLog(cluster, leader, each)
    chain ??= new Map(log.map(({ chainHash, position }) => [position, chainHash]))
    const found = checkCommands(log, acknowledged)
    for (const kind of Object.keys(findings)) findings[kind].push(...found[kind])
  }
  const anchors = [first.data, ...taking.anchors]
  const broken = anchors.filter(({ chainHash, position }) => chain.get(position) !== chainHash)
  const newest = anchors.findLast(({ takenAt = from }) => takenAt < (fault.gapFrom ?? to))
  const plain = await backlog(cluster.url, schema, "verify")
  const anchored = await backlog(cluster.url, schema, "verify", "--anchor", newest.line)
  const gap = load.longestGap(fault.gapFrom ?? from, to)
  const limit = cluster.ttlSeconds + 10
  const row = {
    name,
    compared: backlogs.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0),
    repeated: load.unanswered() - unansweredBefore,
    whileFrozen: fault.whileFrozen,
    gap,
    lost: findings.lost.length,
    twice: findings.twice.length,
    claims: findings.claims.length,
    anchors: anchors.length,
    plain: plain.code,
    anchored: anchored.code
  }
  const problems = [
    ...(row.lost > 0 ? [`${row.lost} answered commands are lost, such as ${String(findings.lost[0])}`] : []),
    ...(row.twice > 0 ? [`${row.twice} commands were applied twice, such as ${String(findings.twice[0])}`] : []),
    ...(row.claims > 0 ? [`${row.claims} claims break the rules, such as ${String(findings.claims[0])}`] : []),
    ...(row.whileFrozen > 0 ? [`${row.whileFrozen} commands were acknowledged while no standby could have them`] : []),
    ...(broken.length > 0 ? [`${broken.length} of ${anchors.length} anchors are not in the log`] : []),
    ...(plain.code === 0 ? [] : [`verify ended with ${plain.code}: ${plain.text}`]),
    ...(anchored.code === 0 ? [] : [`verify --anchor ended with ${anchored.code}: ${anchored.text}`]),
    ...(gap > limit ? [`a worker waited ${gap.toFixed(1)} s for an answer, more than ${limit} s`] : [])
  ]
  console.log(`\n${name}\n  ${JSON.stringify({ ...row, name: undefined })}`)
  for (const problem of problems) console.log(`  ${problem}`)
  if (problems.length > 0) {
    // The next fault has new workers and a new backlog without problems.
    load.end()
    await waitForEnd(load)
    load = undefined
  }
  return { ...row, problems }
}

const begun = Date.now()
const rows = []
let failed = false
try {
  cluster = await startCluster(directory)
  console.log(`Three nodes are running after ${Math.round((Date.now() - begun) / 1000)} s, with logs in ${directory}.`)
  for (const [round, scenario] of chosen.entries()) rows.push(await runScenario(scenario, round))
  failed = values.control ? rows.some(({ lost }) => lost === 0) : rows.some(({ problems }) => problems.length > 0)
  const seconds = Math.round((Date.now() - begun) / 1000)
  if (values.control) console.log(failed ? "\nA loss was not found." : `\nEvery loss was found (${seconds} s).`)
  else console.log(failed ? "\nSomething failed." : `\nNothing was lost (${seconds} s).`)
  if (values.write) writeTable(values.control ? "control" : "faults", rows, seconds)
} catch (error) {
  failed = true
  console.error(error)
} finally {
  cleanUp()
}
if (failed) console.error(`The logs are in ${directory}.`)
else rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 })
process.exit(failed ? 1 : 0)
