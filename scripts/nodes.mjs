/**
 * Runs what a user runs on every supported version of Node: the packed package in an empty project, and tests of the layers, the
 * command line, HTTP and MCP on both databases. The versions come from npm packages: node scripts/nodes.mjs [VERSION …].
 */
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"

const root = join(import.meta.dirname, "..")

/** The tests need Vitest, which does not support Node 20. There the package alone is tried. */
const versions = process.argv.length > 2 ? process.argv.slice(2) : ["20.20", "22", "24", "26"]
const withoutTests = new Set(["20.20"])

const tests = [
  "test/services/conformance.test.ts",
  "test/cli/process.test.ts",
  "test/cli/work.test.ts",
  "test/http/client.test.ts",
  "test/http/wire.test.ts",
  "test/mcp/sdk.test.ts",
  "test/worker",
  "test/bundles.test.ts",
  "test/effectCopies.test.ts"
]

const run = (command, args, options = {}) => {
  const { error, status } = spawnSync(command, args, { cwd: root, stdio: "inherit", ...options })
  if (error !== undefined) throw error
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} ended with code ${status}`)
}

const folder = mkdtempSync(join(tmpdir(), "backlog-nodes-"))
try {
  run("npm", ["pack", "--ignore-scripts", "--pack-destination", folder])
  const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz"))
  for (const version of versions) {
    const name = `node-${process.platform}-${process.arch}`
    const prefix = join(folder, `node-${version}`)
    mkdirSync(prefix)
    run("npm", ["install", "--prefix", prefix, "--no-audit", "--no-fund", `${name}@${version}`])
    const env = { ...process.env, PATH: [join(prefix, "node_modules", name, "bin"), process.env.PATH].join(delimiter) }
    process.stdout.write(`\n==== Node ${version}\n`)
    run("scripts/pack-smoke.sh", [join(folder, tarball)], { env })
    if (!withoutTests.has(version)) run("node", ["node_modules/vitest/vitest.mjs", "run", ...tests], { env })
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
