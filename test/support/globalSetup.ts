import type { TestProject } from "vitest/node"
import { startPostgres } from "./postgresServer.ts"

declare module "vitest" {
  interface ProvidedContext {
    /** A Postgres server for the whole run; tests keep apart by schema. `inject("postgresUrl")` reads it. */
    readonly postgresUrl: string
  }
}

/** The server that `BACKLOG_TEST_DATABASE_URL` names, else one that is started for this run. */
export default async (project: TestProject): Promise<(() => Promise<void>) | undefined> => {
  const given = process.env["BACKLOG_TEST_DATABASE_URL"]
  if (given !== undefined && given !== "") {
    project.provide("postgresUrl", given)
    return undefined
  }
  const server = await startPostgres()
  project.provide("postgresUrl", server.url)
  return server.stop
}
