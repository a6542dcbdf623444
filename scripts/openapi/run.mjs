/*
 * Lints the OpenAPI document with Spectral and Redocly. An error fails, and so does a warning of Spectral.
 *
 *     npm run check:openapi
 */
import { OpenApi } from "effect/http-api"
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { BacklogApi } from "../../dist/http/index.js"

const here = fileURLToPath(new URL(".", import.meta.url))
const folder = mkdtempSync(join(tmpdir(), "backlog-openapi-"))
const document = join(folder, "openapi.json")

/** Runs a linter's program. Returns whether it found nothing. */
const lint = (program, ...options) => {
  console.log(`\n== ${program}`)
  const { error, status } = spawnSync(join(here, "node_modules", ".bin", program), ["lint", document, ...options], {
    cwd: here,
    stdio: "inherit",
    env: { ...process.env, REDOCLY_TELEMETRY: "off", REDOCLY_SUPPRESS_UPDATE_NOTICE: "true" }
  })
  if (error !== undefined) throw error
  return status === 0
}

try {
  writeFileSync(document, JSON.stringify(OpenApi.fromApi(BacklogApi)))
  const passed = [
    lint("spectral", "--ruleset", "spectral.yaml", "--fail-severity", "warn"),
    lint("redocly", "--config", "redocly.yaml", "--max-problems", "1000")
  ]
  process.exitCode = passed.every(Boolean) ? 0 : 1
} finally {
  rmSync(folder, { recursive: true })
}
