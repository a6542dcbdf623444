/**
 * Mutates copies of the program, one guarantee at a time, and runs the tests on each: first the tests that should kill the
 * mutation, then, when it survives them, all tests. Before that it checks that the files contain the texts of all mutations, and
 * runs the tests on an unchanged copy, where all must pass. Prints a table, and ends with code 1 when a mutation survives.
 *
 *     node scripts/mutation/run.mjs [--only PATTERN] [--tests PATTERN] [--targeted]
 *
 * `--only` selects mutations by name, `--tests` by the tests that should kill them. `--targeted` omits the run of all tests.
 * The copy contains the tracked files of the working tree.
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
const maxMinutes = 8

const copyOf = (directory) => {
  const files = execFileSync("git", ["ls-files", "-z"], { cwd: root, encoding: "utf8" }).split("\0").filter(Boolean)
  for (const file of files.filter((name) => !name.startsWith("bench/"))) {
    mkdirSync(dirname(join(directory, file)), { recursive: true })
    cpSync(join(root, file), join(directory, file))
  }
  symlinkSync(join(root, "node_modules"), join(directory, "node_modules"))
}

/** What is wrong with the texts of a mutation: its file does not contain each of them once. */
const textProblems = ({ also = [], file, find, name }) => {
  if (file === undefined) return [`${name}: it names no file`]
  const text = readFileSync(join(root, file), "utf8")
  return [find, ...also.map((each) => each.find)].flatMap((each) => {
    const count = text.split(each).length - 1
    return count === 1 ? [] : [`${name}: ${file} contains ${JSON.stringify(each)} ${count} times, not once`]
  })
}

/** Runs a program, and returns whether it succeeded, failed or timed out. */
const run = (command, args, cwd) =>
  new Promise((resolve) => {
    const child = spawn(command, args, { cwd, stdio: ["ignore", "pipe", "pipe"], detached: true })
    let output = ""
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => {
        output = (output + text).slice(-200_000)
      })
    }
    let hasTimedOut = false
    const timer = setTimeout(() => {
      hasTimedOut = true
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL")
    }, maxMinutes * 60_000)
    child.once("exit", (code) => {
      clearTimeout(timer)
      resolve({ result: hasTimedOut ? "timed out" : code === 0 ? "passed" : "failed", output })
    })
  })

/** The first failed test, as the reporter names it. */
const firstFailure = (output) => {
  const plain = stripVTControlCharacters(output)
  const line = /^ *FAIL +(?:\S+ +)?(test\/\S+)(?: > (.*))?$/m.exec(plain)
  if (line !== null) return line[2] === undefined ? line[1] : `${line[1]}: ${line[2]}`
  // The reporter shows some failures without the name of the file.
  return /^ *× (.+?)(?: +\d+ms)?$/m.exec(plain)?.[1] ?? "a run that failed"
}

const testsOn = async (directory, files) => {
  const { output, result } = await run("npx", ["vitest", "run", "--bail", "1", ...files], directory)
  if (result === "passed") return undefined
  return result === "timed out" ? `a run that took more than ${maxMinutes} minutes` : firstFailure(output)
}

/** Builds the programs that tests start. A type error does not prevent the build. */
const build = (directory) => run("npx", ["tsc", "-p", "tsconfig.build.json", "--noEmitOnError", "false"], directory)

/** Makes a copy of the program, applies the changes to a file, and uses the copy. */
const withCopy = async (file, changes, use) => {
  const directory = mkdtempSync(join(tmpdir(), "mosaic-mutation-"))
  try {
    // Tests start programs of the copy as another user.
    chmodSync(directory, 0o711)
    copyOf(directory)
    if (file !== undefined) {
      let text = readFileSync(join(directory, file), "utf8")
      for (const { find, replace } of changes) text = text.split(find).join(replace)
      writeFileSync(join(directory, file), text)
    }
    return await use(directory)
  } finally {
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
  }
}

// All mutations, also those that are not chosen: a text that has changed would otherwise be found late.
const wrong = mutations.flatMap(textProblems)
if (wrong.length > 0) {
  console.error(wrong.join("\n"))
  process.exit(1)
}

const results = []
const chosen = mutations.filter(
  ({ name, tests }) => new RegExp(values.only).test(name) && tests.some((test) => new RegExp(values.tests).test(test))
)

// A test that fails without a mutation cannot kill one.
const needed = values.targeted ? [...new Set(chosen.flatMap(({ tests }) => tests))] : []
const failing = await withCopy(undefined, [], async (directory) => {
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
  const killer = await withCopy(file, [{ find, replace }, ...also], async (directory) => {
    if (startsPrograms) await build(directory)
    const killedBy = await testsOn(directory, tests)
    if (killedBy !== undefined || values.targeted) return killedBy
    await build(directory)
    return testsOn(directory, [])
  })
  results.push({ name, file, killer })
  const seconds = Math.round((Date.now() - began) / 1000)
  console.error(
    `${index + 1}/${chosen.length} ${name}: ${killer === undefined ? "SURVIVES" : `killed by ${killer}`} (${seconds} s)`
  )
}

const survivors = results.filter(({ killer }) => killer === undefined)
const cell = (text) => text.replaceAll("|", "\\|")
console.log("| what the mutation makes false | in | the test that failed first |\n|---|---|---|")
for (const { file, killer, name } of results) {
  console.log(`| ${cell(name)} | \`${file}\` | ${killer === undefined ? "**none: it survives**" : cell(killer)} |`)
}
console.log(`\n${results.length} mutations, ${results.length - survivors.length} killed, ${survivors.length} survive.`)
process.exitCode = survivors.length === 0 ? 0 : 1
