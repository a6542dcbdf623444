/**
 * Measures the first start of an embedded backlog, with the template of this package and with `initdb`, alternating:
 * node scripts/firstStart.mjs [ROUNDS]. Needs `npm run build`. Prints medians of the time and of the processor time of a whole
 * process, and in brackets the processor time of its main thread (Linux).
 */
import { spawn } from "node:child_process"
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const rounds = Number(process.argv[2] ?? 5)
const root = join(import.meta.dirname, "..")
const scratch = mkdtempSync(join(tmpdir(), "backlog-first-start-"))

/** A copy of the built package, with or without its template. */
const install = (name, hasTemplate) => {
  const target = join(scratch, name)
  for (const part of ["dist", "migrations", "package.json", ...(hasTemplate ? ["template"] : [])]) {
    cpSync(join(root, part), join(target, part), { recursive: true })
  }
  symlinkSync(join(root, "node_modules"), join(target, "node_modules"))
  writeFileSync(
    join(target, "layerTest.mjs"),
    `import { Effect } from "effect"
import { layerTest } from "./dist/testing/index.js"
const before = performance.now()
await Effect.runPromise(Effect.provide(Effect.void, layerTest))
globalThis.measured = performance.now() - before`
  )
  return target
}

/** Prints the processor time at the end of a process, and what the process itself has measured. */
const report = `data:text/javascript,${encodeURIComponent(`
import { existsSync, readFileSync } from "node:fs"
process.on("exit", () => {
  const { user, system } = process.cpuUsage()
  const main = "/proc/self/task/" + process.pid + "/schedstat"
  const mainMs = existsSync(main) ? Number(readFileSync(main, "utf8").split(" ")[0]) / 1e6 : NaN
  process.stderr.write("\\n" + JSON.stringify({ cpu: (user + system) / 1000, main: mainMs, measured: globalThis.measured }))
})`)}`

const run = async (args) => {
  const before = performance.now()
  const child = spawn(process.execPath, ["--import", report, ...args], { stdio: ["ignore", "ignore", "pipe"] })
  let stderr = ""
  child.stderr.on("data", (chunk) => (stderr += chunk))
  const code = await new Promise((resolve) => child.once("close", resolve))
  const wall = performance.now() - before
  if (code !== 0) throw new Error(`${args.join(" ")} ended with ${code}: ${stderr}`)
  const found = JSON.parse(stderr.slice(stderr.lastIndexOf("\n") + 1))
  return { ...found, wall: found.measured ?? wall }
}

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]

try {
  const packages = { template: install("with", true), initdb: install("without", false) }
  const existing = join(scratch, "existing")
  let number = 0
  // A new path each time: ext4 is slow for minutes where many files were deleted.
  const create = (from, directory = join(scratch, String(number++))) =>
    run([
      join(from, "dist/cli/main.js"),
      "create",
      "--id",
      `c${number++}`,
      "--title",
      "A",
      "--actor",
      "a",
      "--db",
      directory
    ])
  await create(packages.template, existing)
  const cases = {
    "backlog --version": () => run([join(packages.template, "dist/cli/main.js"), "--version"]),
    "backlog create, existing directory": () => create(packages.template, existing),
    "backlog create, new directory, template": () => create(packages.template),
    "backlog create, new directory, initdb": () => create(packages.initdb),
    "layerTest, template": () => run([join(packages.template, "layerTest.mjs")]),
    "layerTest, initdb": () => run([join(packages.initdb, "layerTest.mjs")])
  }
  const results = Object.fromEntries(Object.keys(cases).map((name) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    for (const [name, measure] of Object.entries(cases)) results[name].push(await measure())
  }
  for (const [name, found] of Object.entries(results)) {
    const of = (key) => Math.round(median(found.map((one) => one[key])))
    console.log(`${name.padEnd(42)} ${of("wall")} ms, processor ${of("cpu")} ms (${of("main")} ms)`)
  }
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
