/**
 * Takes out of a copy of the program, one at a time, what its guarantees rest on, and runs the tests on it: first those
 * that should notice, then, when they do not, all. Begins with a copy from which nothing is taken, where all must pass. Prints a table; ends with code 1 when a mutation survives.
 *
 *     node scripts/mutation/run.mjs [--only PATTERN] [--tests PATTERN] [--targeted]
 *
 * `--only` selects by the name, `--tests` by the tests that should notice.
 * `--targeted` leaves out the run of all tests. The copy is what git knows of the working tree.
 */
import { execFileSync, spawn } from "node:child_process"
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { parseArgs, stripVTControlCharacters } from "node:util"
import { mutations } from "./mutations.mjs"

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    tests: { type: "string", default: "" },
    targeted: { type: "boolean", default: false }
  }
})
const root = join(import.meta.dirname, "../..")
const minutesAtMost = 8

const copyOf = (directory) => {
  const files = execFileSync("git", ["ls-files", "-z"], { cwd: root, encoding: "utf8" }).split("\0").filter(Boolean)
  for (const file of files.filter((name) => !name.startsWith("bench/"))) {
    mkdirSync(dirname(join(directory, file)), { recursive: true })
    cpSync(join(root, file), join(directory, file))
  }
  symlinkSync(join(root, "node_modules"), join(directory, "node_modules"))
}

const replaceOnce = (text, find, replace, name) => {
  const parts = text.split(find)
  if (parts.length !== 2) throw new Error(`${name}: its text is in the file ${parts.length - 1} times, not once`)
  return parts.join(replace)
}

/** Runs a program and answers whether it ended well, ended ill, or had to be stopped. */
const run = (command, args, cwd) =>
  new Promise((resolve) => {
    const child = spawn(command, args, { cwd, stdio: ["ignore", "pipe", "pipe"], detached: true })
    let output = ""
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => {
        output = (output + text).slice(-200_000)
      })
    }
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL")
    }, minutesAtMost * 60_000)
    child.once("exit", (code) => {
      clearTimeout(timer)
      resolve({ ended: isLate ? "late" : code === 0 ? "well" : "ill", output })
    })
  })

/** The first test that failed, as the reporter names it. */
const firstFailure = (output) => {
  const plain = stripVTControlCharacters(output)
  const line = /^ *FAIL +(?:\S+ +)?(test\/\S+)(?: > (.*))?$/m.exec(plain)
  if (line !== null) return line[2] === undefined ? line[1] : `${line[1]}: ${line[2]}`
  // Some failures have no text that the reporter would show with the file's name.
  return /^ *× (.+?)(?: +\d+ms)?$/m.exec(plain)?.[1] ?? "a run that ended ill"
}

const testsOn = async (directory, files) => {
  const { ended, output } = await run("npx", ["vitest", "run", "--bail", "1", ...files], directory)
  if (ended === "well") return undefined
  return ended === "late" ? `a run that did not end within ${minutesAtMost} minutes` : firstFailure(output)
}

/** Builds what tests start that start programs. A type error does not keep it from being built. */
const build = (directory) => run("npx", ["tsc", "-p", "tsconfig.build.json", "--noEmitOnError", "false"], directory)

/** A copy of the program as the changes make it. */
const withCopy = async (file, changes, name, use) => {
  const directory = mkdtempSync(join(tmpdir(), "mosaic-mutation-"))
  try {
    // Tests start programs of it as another user.
    chmodSync(directory, 0o711)
    copyOf(directory)
    if (file !== undefined) {
      let text = readFileSync(join(directory, file), "utf8")
      for (const change of changes) text = replaceOnce(text, change.find, change.replace, name)
      writeFileSync(join(directory, file), text)
    }
    return await use(directory)
  } finally {
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
  }
}

const results = []
const chosen = mutations.filter(
  ({ name, tests }) => new RegExp(values.only).test(name) && tests.some((test) => new RegExp(values.tests).test(test))
)

// Tests that fail anyway notice nothing.
const needed = values.targeted ? [...new Set(chosen.flatMap(({ tests }) => tests))] : []
const failing = await withCopy(undefined, [], "the program", async (directory) => {
  await build(directory)
  return testsOn(directory, needed)
})
if (failing !== undefined) {
  console.error(`The tests fail without a mutation: ${failing}`)
  process.exit(1)
}
console.error("Without a mutation the tests pass.")

for (const [index, { also = [], file, find, name, replace, startsPrograms = true, tests }] of chosen.entries()) {
  const began = Date.now()
  const killer = await withCopy(file, [{ find, replace }, ...also], name, async (directory) => {
    if (startsPrograms) await build(directory)
    const noticed = await testsOn(directory, tests)
    if (noticed !== undefined || values.targeted) return noticed
    await build(directory)
    return testsOn(directory, [])
  })
  results.push({ name, file, killer })
  const seconds = Math.round((Date.now() - began) / 1000)
  console.error(
    `${index + 1}/${chosen.length} ${name}: ${killer === undefined ? "SURVIVED" : `killed by ${killer}`} (${seconds} s)`
  )
}

const survivors = results.filter(({ killer }) => killer === undefined)
const cell = (text) => text.replaceAll("|", "\\|")
console.log("| taken out or changed | in | the test that failed first |\n|---|---|---|")
for (const { file, killer, name } of results) {
  console.log(`| ${cell(name)} | \`${file}\` | ${killer === undefined ? "**none: it survived**" : cell(killer)} |`)
}
console.log(`\n${results.length} mutations, ${results.length - survivors.length} killed, ${survivors.length} survived.`)
process.exitCode = survivors.length === 0 ? 0 : 1
