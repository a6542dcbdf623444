import { Effect, Layer, Option } from "effect"
import { SqlClient } from "effect/sql"
import { join } from "node:path"
import { afterAll, describe, expect, inject, it } from "vitest"
import { AuditService, BacklogService, layerPglite, layerPostgres } from "../../src/index.ts"
import { layerPostgresClient } from "../../src/services/postgres/PostgresClient.ts"
import { onServer, temporaryDirectory } from "../cli/support.ts"
import { installedPostgres, startInstalledPostgres } from "../support/debianPostgres.ts"
import { folderWithBacklog } from "./support/folderWithBacklog.ts"
import { blocksOn } from "./support/pages.ts"
import { Shell } from "./support/Shell.ts"

const page = "docs/backup-and-restore.md"

const blockUnder = (heading: string, words: string): string => {
  const found = blocksOn(page).filter((block) => block.heading === heading && block.text.includes(words))
  expect([heading, words, found.length]).toEqual([heading, words, 1])
  return found[0]?.text ?? ""
}

type Database = Layer.Layer<AuditService | BacklogService, unknown>

/** Runs a runbook while a worker with a claim from after the backup continues. Its claim must be invalid after the restore. */
const walk = async (shell: Shell, database: Database, backup: string, restore: string) => {
  /** Opens the database only for the effect, because a directory is copied while no program uses it. */
  const work = <A>(effect: Effect.Effect<A, unknown, AuditService | BacklogService>): Promise<A> =>
    Effect.runPromise(Effect.provide(effect, Layer.fresh(database)))
  const claim = (owner: string, id: string) =>
    Effect.flatMap(BacklogService, (backlog) =>
      Effect.map(backlog.claim({ owner, id, actor: owner }), (card) => Option.getOrThrow(card))
    )
  const held = await work(
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create({ id: "a", title: "A", actor: "ann" })
      yield* backlog.create({ id: "held", title: "H", actor: "ann" })
      return yield* claim("old", "held")
    })
  )
  await shell.runs(backup)
  const lost = await work(claim("a", "a"))
  const ran = await shell.runs(restore)
  expect(ran.find(({ line }) => line.startsWith("backlog restored"))?.stdout).toMatch(
    /^New tokens have generation \d{14}\. Ended 1 active claim: held\.\n$/
  )
  await work(
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const taken = yield* claim("b", "a")
      expect(taken.version).toBe(lost.version)
      const stale = { id: "a", token: lost.claimToken, actor: "a" }
      for (const attempt of [
        backlog.complete(stale),
        Effect.asVoid(backlog.renew(stale)),
        backlog.complete({ id: "held", token: held.claimToken, actor: "old" })
      ]) {
        expect(yield* Effect.flip(attempt)).toMatchObject({ _tag: "ClaimLost" })
      }
      const done = yield* backlog.complete({ id: "a", token: taken.claimToken, actor: "b" })
      expect(done.status).toBe("done")
      yield* claim("c", "held")
      expect((yield* (yield* AuditService).verify()).divergences).toEqual([])
    })
  )
}

describe("the runbook in docs/backup-and-restore.md", () => {
  const place = onServer()
  afterAll(() => place.remove())

  it("the steps restore a copied directory and an exported log", async () => {
    const folder = await folderWithBacklog()
    const shell = new Shell({
      folder,
      instead: [["postgres://me@db.example.com/restored", `${inject("postgresUrl")} --schema ${place.schema}`]]
    })
    try {
      const heading = "An embedded directory"
      const database = layerPglite({ dataDir: join(folder, ".backlog") })
      await walk(shell, database, blockUnder(heading, "cp -a .backlog"), blockUnder(heading, "rm -r"))
      const exported = await shell.runs(blockUnder("An exported log", "--format log"))
      expect(exported.at(-1)?.stdout).toContain("Ended 1 active claim: held.")
      const [again] = await shell.runs(blockUnder("Backup and restore", "backlog restored"))
      expect(again?.stdout).toContain("Ended 1 active claim: held.")
    } finally {
      await shell.end()
    }
  })

  it("the steps restore a dump", async (context) => {
    if (installedPostgres === undefined) {
      return context.skip("needs pg_dump and a server that is not newer: Debian's package postgresql-15 or newer")
    }
    const server = await startInstalledPostgres(installedPostgres)
    const heading = "A server, with pg_dump"
    const setUp = Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE ROLE me LOGIN`
      yield* sql`GRANT CREATE ON DATABASE postgres TO me`
    })
    await Effect.runPromise(Effect.provide(setUp, layerPostgresClient({ url: server.url })))
    const url = server.url.replace("postgres@", "me@")
    const shell = new Shell({
      folder: await temporaryDirectory(),
      instead: [["postgres://me@db.example.com/work", url]],
      programs: { pg_dump: `${installedPostgres}/pg_dump`, pg_restore: `${installedPostgres}/pg_restore` }
    })
    try {
      const database = layerPostgres({ url })
      await walk(shell, database, blockUnder(heading, "pg_dump"), blockUnder(heading, "pg_restore"))
    } finally {
      await shell.end()
      await server.stop()
    }
  })
})
