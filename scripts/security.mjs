/**
 * Runs every attack of docs/threat-model.md on both databases, including those that take too long for `npm test`. With
 * `--mutations` it then removes each check that these tests cover, one at a time, from a copy of the program. Exits with
 * code 1 if a test fails or a mutation survives.
 *
 *     npm run test:security [-- --mutations]
 */
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { parseArgs } from "node:util"

const { values } = parseArgs({ options: { mutations: { type: "boolean", default: false } } })

const root = join(import.meta.dirname, "..")

/** Attacks in other folders of the tests. */
const elsewhere = [
  "test/cli/terminalText.test.ts",
  "test/cli/token.test.ts",
  "test/http/access.test.ts",
  "test/http/conformance.test.ts",
  "test/http/operations.test.ts",
  "test/http/problems.test.ts",
  "test/mcp/sdk.test.ts",
  "test/proof/leastPrivilege.test.ts",
  "test/services/access/accessTokens.test.ts",
  "test/services/audit/anchors.test.ts",
  "test/services/audit/tampering.test.ts"
]

const run = (command, ...args) => {
  const { status } = spawnSync(command, args, {
    cwd: root,
    stdio: "inherit",
    env: { BACKLOG_HOSTILE_RUNS: "50", ...process.env, BACKLOG_TEST_SECURITY: "long" }
  })
  return status === 0
}

if (process.getuid?.() !== 0) console.log("Not run as root: the attacks by another user of the machine are skipped.")
const passed = run("npx", "vitest", "run", "test/security", ...elsewhere)
const detected =
  !passed || !values.mutations || run("node", "scripts/mutation/run.mjs", "--targeted", "--tests", "test/security/")
process.exitCode = passed && detected ? 0 : 1
