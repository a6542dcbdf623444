/**
 * Runs the tests that depend on the server against every kind of server and setting, and measures that a server's own
 * settings do not slow the program down. Ends with code 1 when a test fails, a setting is neither accepted nor refused by
 * name, or a rate falls below 0.8 of the rate with the benchmark's settings.
 *
 *     npm run test:servers -- [--ci] [--only PATTERN] [--write]
 *
 * --ci             the oldest and the newest servers, and Debian's 15, without the single settings
 * --only PATTERN   servers and settings whose name matches the regular expression
 * --write          put the tables into docs/servers.md
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { randomUUID } from "node:crypto"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { settings as benchmarkSettings } from "../../bench/lib/settings.mjs"
import { compareRates } from "./lib/rate.mjs"
import { onServer, runSql } from "./lib/sql.mjs"
import { loadSupport } from "./lib/support.mjs"
import { serverTable, variationTable, writeTable } from "./lib/table.mjs"
import { targets } from "./lib/targets.mjs"
import { variations } from "./lib/variations.mjs"

const { values } = parseArgs({
  options: {
    ci: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    write: { type: "boolean", default: false }
  }
})
const pattern = new RegExp(values.only, "i")
const root = fileURLToPath(new URL("../../", import.meta.url))

const leastRatio = 0.8
const rateOptions = { least: leastRatio, millis: values.ci ? 1_500 : 2_000, repetitions: values.ci ? 5 : 9 }
const rateOptionsOfSetting = { least: leastRatio, millis: 700, repetitions: 5 }
/** The timeout on a machine that is six times overloaded. On a quiet one, a run takes half a minute. */
const testMinutes = 15

const tests = [
  "test/services/conformance.test.ts",
  "test/services/commands/claimPlan.test.ts",
  "test/services/commands/batchPlans.test.ts",
  "test/services/commands/keptPlans.test.ts",
  "test/services/postgres/sessionSettings.test.ts",
  "test/services/audit/rebuild.test.ts",
  "test/security/removal.test.ts",
  "test/security/receipts.test.ts",
  "test/security/locks.test.ts"
]
/** The tests for a single setting: the other tests open sessions of their own. */
const testsOfSetting = tests.slice(0, 2)

const { createShadows, startPostgres } = await loadSupport()
const scratch = mkdtempSync(join(tmpdir(), "backlog-servers-"))

/** Runs tests on a server and returns the result. Omits the tests on PGlite, which do not depend on the server. */
const runTests = async (url, files) => {
  const report = join(scratch, "report.json")
  rmSync(report, { force: true })
  const child = spawn(
    join(root, "node_modules/.bin/vitest"),
    [
      "run",
      "--project",
      "backlog",
      ...files,
      "-t",
      "on a Postgres server",
      "--reporter",
      "json",
      "--outputFile",
      report
    ],
    {
      cwd: root,
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...process.env, BACKLOG_TEST_DATABASE_URL: url, NO_COLOR: "1" }
    }
  )
  let stderr = ""
  child.stderr.setEncoding("utf8").on("data", (text) => {
    stderr = (stderr + text).slice(-4096)
  })
  const timer = setTimeout(() => child.kill("SIGTERM"), testMinutes * 60_000)
  await once(child, "close")
  clearTimeout(timer)
  let result
  try {
    result = JSON.parse(readFileSync(report, "utf8"))
  } catch {
    return { failed: [stderr.trim() || `the tests did not end within ${testMinutes} minutes`], passed: 0 }
  }
  const all = result.testResults.flatMap(({ assertionResults, message, name, status }) =>
    assertionResults.length === 0 && status === "failed"
      ? [{ status, title: name, failureMessages: [message] }]
      : assertionResults
  )
  const failed = all
    .filter(({ status }) => status === "failed")
    .map(({ failureMessages, title }) => `${title}: ${(failureMessages[0] ?? "").slice(0, 1500)}`)
  const passed = all.filter(({ status }) => status === "passed").length
  return { failed: passed === 0 && failed.length === 0 ? ["no test ran"] : failed, passed }
}

const problems = []
const outcomeOf = (where, { failed, passed }) => {
  for (const one of failed) problems.push(`${where}: ${one}`)
  return failed.length === 0 ? `${passed} passed` : `**${failed.length} failed**, ${passed} passed`
}

const started = performance.now()
const note = (text) => console.log(`${((performance.now() - started) / 1000).toFixed(0).padStart(5)} s  ${text}`)

const judgeRate = (where, { ratio }) => {
  if (ratio >= leastRatio) return
  problems.push(`${where}: the rate is ${ratio.toFixed(2)} of that with the benchmark's settings`)
}

const checkServer = async ({ find, name }) => {
  const { installation, missing } = find()
  if (missing !== undefined) {
    note(`${name}: not run: ${missing}`)
    return { name, missing }
  }
  // With the default fsync, because the rates are compared.
  const [own, benchmark] = await Promise.all([
    startPostgres({ installation }),
    startPostgres({ installation, settings: { ...benchmarkSettings, jit: "off" } })
  ])
  try {
    const [{ jit, version }] = await runSql(own.url, [
      "SELECT current_setting('server_version') AS version, CASE WHEN pg_jit_available() THEN 'on' ELSE 'none' END AS jit"
    ])
    const rate = await compareRates(own.url, benchmark.url, rateOptions)
    note(
      `${name} (${version}): ${rate.rates.map((one) => one.toFixed(0)).join(" and ")} pairs/s, ratio ${rate.ratio.toFixed(2)}`
    )
    judgeRate(name, rate)
    await benchmark.stop()
    const result = outcomeOf(name, await runTests(own.url, tests))
    note(`${name} (${version}): ${result}`)
    return { name, version: version.split(" ")[0], jit, rate, tests: result }
  } finally {
    await Promise.all([own.stop(), benchmark.stop()])
  }
}

/** Returns the exit code and output of a command with a setting that must be refused. */
const refusalOf = async (url) => {
  const child = spawn(
    process.execPath,
    [join(root, "dist/cli/main.js"), "create", "--id", randomUUID(), "--title", "T", "--db", url],
    {
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...process.env, NO_COLOR: "1" }
    }
  )
  let stderr = ""
  child.stderr.setEncoding("utf8").on("data", (text) => {
    stderr += text
  })
  const [code] = await once(child, "close")
  return { code, stderr: stderr.trim() }
}

const checkVariation = async (server, benchmark, { database, expect, name, role = {}, shadow = false }) => {
  const owner = "varied"
  const isReadOnly = role.default_transaction_read_only === "on"
  const admin = server.url
  const place = database === undefined ? "postgres" : "varied"
  const url = onServer(admin, { database: place, user: owner })
  const password = new URL(admin).password
  await runSql(admin, [
    `CREATE ROLE ${owner} SUPERUSER LOGIN PASSWORD '${password}'`,
    ...(database === undefined ? [] : [`CREATE DATABASE ${place} TEMPLATE template0 ${database}`])
  ])
  try {
    if (isReadOnly) {
      const { code, stderr } = await refusalOf(url)
      if (code !== 0) throw new Error(`a backlog cannot be created without the setting: ${stderr}`)
    }
    if (shadow) await runSql(onServer(admin, { database: place }), [createShadows("shadow")])
    // A list, such as a search path, must not be quoted as one value.
    const written = (value) => (value.includes(",") ? value : `'${value}'`)
    await runSql(
      admin,
      Object.entries(role).map(([setting, value]) => `ALTER ROLE ${owner} SET ${setting} = ${written(value)}`)
    )
    if (expect === undefined) {
      const rate = await compareRates(url, benchmark.url, rateOptionsOfSetting)
      judgeRate(name, rate)
      return `${outcomeOf(name, await runTests(url, testsOfSetting))}, ratio ${rate.ratio.toFixed(2)}`
    }
    const { code, stderr } = await refusalOf(url)
    const isRefused = code !== 0 && stderr.includes(expect)
    if (!isRefused) problems.push(`${name}: ended with ${code} and ${stderr}, which does not say ${expect}`)
    return isRefused ? `refused: …${expect}…` : "**not refused**"
  } finally {
    await runSql(admin, [
      ...(database === undefined ? [] : [`DROP DATABASE ${place} WITH (FORCE)`]),
      ...(shadow ? [`DROP SCHEMA IF EXISTS shadow CASCADE`] : []),
      ...(isReadOnly ? ["DROP SCHEMA IF EXISTS backlog CASCADE"] : []),
      `REASSIGN OWNED BY ${owner} TO postgres`,
      `DROP ROLE ${owner}`
    ])
  }
}

const servers = []
const varied = []
try {
  for (const target of targets.filter(({ inCi, name }) => (inCi || !values.ci) && pattern.test(name))) {
    servers.push(await checkServer(target))
    if (values.write) writeTable("servers", serverTable(servers))
  }
  const chosen = values.ci ? [] : variations.filter(({ name }) => pattern.test(name))
  const found = targets
    .map((target) => ({ ...target, ...target.find() }))
    .filter(({ missing }) => missing === undefined)
  // Debian's server if it is installed: the oldest version, which compiles statements.
  for (const target of chosen.length === 0 ? [] : found.slice(0, 1)) {
    const [server, benchmark] = await Promise.all(
      [{}, { ...benchmarkSettings, jit: "off" }].map((settings) =>
        startPostgres({ installation: target.installation, settings: { ...settings, fsync: false } })
      )
    )
    try {
      for (const variation of chosen) {
        const outcome = await checkVariation(server, benchmark, variation)
        note(`${target.name}, ${variation.name}: ${outcome}`)
        varied.push({ server: target.name, name: variation.name, outcome })
        // Written after each setting, so that an interrupted run keeps its results.
        if (values.write) writeTable("settings", variationTable(varied))
      }
    } finally {
      await Promise.all([server.stop(), benchmark.stop()])
    }
  }
} finally {
  rmSync(scratch, { recursive: true, force: true })
}

if (servers.length > 0) console.log(`\n${serverTable(servers)}`)
if (varied.length > 0) console.log(`\n${variationTable(varied)}`)
for (const problem of problems) console.error(`\n${problem}`)
process.exitCode = problems.length === 0 && servers.length + varied.length > 0 ? 0 : 1
