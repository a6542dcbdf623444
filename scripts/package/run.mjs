/**
 * Checks the packed package: its size and files, the links of llms.txt, and its entries with publint and
 * are-the-types-wrong.
 *
 *     npm run check:package
 */
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const here = import.meta.dirname
const root = join(here, "../..")

/** Maximum sizes of the package. docs/versioning.md states them. */
const budgets = { packed: 3.5 * 2 ** 20, unpacked: 11 * 2 ** 20, files: 850 }

const required = [
  "dist/index.js",
  "dist/index.d.ts",
  "dist/cli/main.js",
  "dist/board/index.html",
  "template/manifest.json",
  "migrations/0001_event_log.sql",
  "llms.txt",
  "README.md",
  "CHANGELOG.md",
  "SECURITY.md",
  "LICENSE",
  "THIRD-PARTY-LICENSES.md"
]
/** Nothing of these helps a user: source maps, sources, tests, records of the build. */
const forbidden =
  /\.map$|\.tsbuildinfo$|(?<!\.d)\.tsx?$|\.test\.|(^|\/)test\/|bundled\.json$|\.tgz$|(^|\/)node_modules\//

const run = (command, args) => {
  const { error, status, stdout } = spawnSync(command, args, { cwd: root, encoding: "utf8" })
  if (error !== undefined) throw error
  return { passed: status === 0, stdout }
}

const problems = []
const check = (passed, problem) => {
  if (!passed) problems.push(problem)
}

const lint = (program, ...args) => {
  const { passed, stdout } = run(join(here, "node_modules", ".bin", program), args)
  console.log(`${program}: ${passed ? "no problem" : `\n${stdout}`}`)
  check(passed, `${program} found problems.`)
}

const folder = mkdtempSync(join(tmpdir(), "backlog-package-"))
try {
  const packing = run("npm", ["pack", "--ignore-scripts", "--json", "--pack-destination", folder])
  if (!packing.passed) throw new Error("npm pack failed")
  const [{ entryCount, filename, files, size, unpackedSize }] = JSON.parse(packing.stdout)
  const tarball = join(folder, filename)
  const paths = new Set(files.map(({ path }) => path))

  for (const [what, value] of Object.entries({ packed: size, unpacked: unpackedSize, files: entryCount })) {
    const show = (number) => (what === "files" ? String(number) : `${(number / 2 ** 20).toFixed(2)} MiB`)
    console.log(`${what}: ${show(value)}, of at most ${show(budgets[what])}`)
    check(value <= budgets[what], `${what}: ${show(value)} exceeds the budget of ${show(budgets[what])}.`)
  }
  for (const path of required) check(paths.has(path), `${path} is not in the package.`)
  for (const path of paths) check(!forbidden.test(path), `${path} must not be in the package.`)
  for (const [, link] of readFileSync(join(root, "llms.txt"), "utf8").matchAll(/\]\(([^)#]+)[^)]*\)/g)) {
    check(paths.has(link) || link.startsWith("https://"), `llms.txt links to ${link}, which is not in the package.`)
  }

  lint("publint", tarball, "--strict")
  lint("attw", tarball, "--profile", "esm-only", "--format", "table-flipped", "--no-emoji")
} finally {
  rmSync(folder, { recursive: true })
}

if (problems.length > 0) {
  console.error(problems.join("\n"))
  process.exit(1)
}
