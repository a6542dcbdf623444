import { Effect } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { MigrationRefused } from "../../src/services/schema/Migrations.ts"
import { type PostgresServer, startPostgres } from "../support/postgresServer.ts"
import { report } from "../support/soak.ts"
import { hold } from "./support/holding.ts"
import { faultsTimeout, withBacklog, underLoad } from "./support/load.ts"
import { newerProgram, olderProgram, type OtherProgram } from "./support/programs.ts"

describe("two versions of the program, on a Postgres server", { timeout: faultsTimeout }, () => {
  let server: PostgresServer
  let newer: OtherProgram
  let older: OtherProgram
  beforeAll(async () => {
    ;[server, newer, older] = await Promise.all([startPostgres(), newerProgram(), olderProgram()])
  })
  afterAll(() => Promise.all([server?.stop(), newer?.remove(), older?.remove()]))

  it("an older program continues while two newer ones migrate, and no older one starts afterward", () =>
    underLoad({ url: server.url }, async (load) => {
      const migrating = [load.start(newer.directory), load.start(newer.directory)]
      await Promise.all(migrating.map((worker) => worker.started()))
      await load.answers(20)
      report({ "faults: migration under load": 1 })

      const refused = await withBacklog(server.url, load.schema, Effect.void).catch((error: unknown) => error)
      expect(refused).toBeInstanceOf(MigrationRefused)
      expect(String(refused)).toContain("which this version does not know: use a newer version")

      // The older program is tested too, so the test reads the tables itself.
      const outsider = await hold(server.url)
      const { run, sql } = outsider
      await run(sql`DELETE FROM ${sql(`${load.schema}.migrations`)} WHERE name LIKE '%later'`)
      await run(sql`COMMIT`)
      await outsider.release()
    }))

  it("two concurrent programs migrate a backlog of the previous version", () =>
    underLoad({ url: server.url, processes: 2, madeBy: older.directory }, async (load) => {
      await load.answers(10)
      report({ "faults: two migrations at once": 1 })
    }))
})
