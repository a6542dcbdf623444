import { execFile } from "node:child_process"
import { join } from "node:path"
import { promisify } from "node:util"
import { expect, it } from "vitest"

const script = join(import.meta.dirname, "../scripts/licenses.mjs")

it("THIRD-PARTY-LICENSES.md is up to date, and every license is accepted", async () => {
  const { stderr } = await promisify(execFile)(process.execPath, [script, "--check"], { timeout: 60_000 })
  expect(stderr).toBe("")
})
