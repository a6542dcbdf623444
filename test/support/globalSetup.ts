import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { TestProject } from "vitest/node"
import { startPostgres } from "./postgresServer.ts"

declare module "vitest" {
  interface ProvidedContext {
    /** A Postgres server for the whole run; tests keep apart by schema. `inject("postgresUrl")` reads it. */
    readonly postgresUrl: string
    /** A folder of the whole run, which is deleted when that ends. */
    readonly scratch: string
  }
}

/** The server that `BACKLOG_TEST_DATABASE_URL` names, else one that is started for this run. */
export default async (project: TestProject): Promise<() => Promise<void>> => {
  const scratch = await mkdtemp(join(tmpdir(), "backlog-tests-"))
  project.provide("scratch", scratch)
  const removeScratch = () => rm(scratch, { recursive: true, force: true })
  const given = process.env["BACKLOG_TEST_DATABASE_URL"]
  if (given !== undefined && given !== "") {
    project.provide("postgresUrl", given)
    return removeScratch
  }
  // Nothing of it is looked at after the run, and a test that makes a schema would wait for the disk half of its time.
  // What is lost with a server that ends is tested with servers of their own, which do sync.
  const server = await startPostgres({ settings: { fsync: false } })
  project.provide("postgresUrl", server.url)
  return async () => {
    await Promise.all([removeScratch(), server.stop()])
  }
}
