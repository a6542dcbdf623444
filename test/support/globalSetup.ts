import { Effect } from "effect"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { TestProject } from "vitest/node"
import { templateDirectory } from "../../src/services/packageFiles.ts"
import { buildTemplate } from "../../src/services/pglite/buildTemplate.ts"
import { startPostgres } from "./postgresServer.ts"

declare module "vitest" {
  interface ProvidedContext {
    /** The URL of a Postgres server for the whole run. `inject("postgresUrl")` returns it. Each test uses its own schema. */
    readonly postgresUrl: string
    /** Whether that server was started for this run, and is removed at its end. */
    readonly ownsServer: boolean
    /** A folder for the whole run, which is deleted at its end. */
    readonly scratch: string
  }
}

/** The server of `BACKLOG_TEST_DATABASE_URL`. Defaults to a server that is started for this run. */
export default async (project: TestProject): Promise<() => Promise<void>> => {
  const scratch = await mkdtemp(join(tmpdir(), "backlog-tests-"))
  project.provide("scratch", scratch)
  await Effect.runPromise(buildTemplate(templateDirectory() ?? "template", { always: false }))
  const removeScratch = () => rm(scratch, { recursive: true, force: true })
  const given = process.env["BACKLOG_TEST_DATABASE_URL"]
  const ownsServer = given === undefined || given === ""
  project.provide("ownsServer", ownsServer)
  if (!ownsServer) {
    project.provide("postgresUrl", given)
    return removeScratch
  }
  // The data is not needed after the run, and syncing would take half of the time of a test that creates a schema.
  // Tests of data loss use their own servers, which sync.
  const server = await startPostgres({ settings: { fsync: false } })
  project.provide("postgresUrl", server.url)
  return async () => {
    await Promise.all([removeScratch(), server.stop()])
  }
}
