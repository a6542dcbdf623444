import { Effect, Layer, Option } from "effect"
import { SqlClient } from "effect/sql"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import { AuditService, BacklogService, type BacklogServices, layerPostgres } from "../../src/index.ts"
import { layerPostgresClient } from "../../src/services/postgres/PostgresClient.ts"
import { cli, temporaryDirectory } from "../cli/support.ts"
import { ownDatabase } from "../support/ownDatabase.ts"
import { type PostgresServer, startPostgres } from "../support/postgresServer.ts"
import { until } from "../support/waiting.ts"
import { blocksOn } from "./support/pages.ts"
import { Shell } from "./support/Shell.ts"

const page = "docs/moving.md"
const actor = "me"

/** The only block of the page, or of a section, that contains a text. */
const blockWith = (words: string, under?: string): string => {
  const found = blocksOn(page).filter(
    ({ heading, text }) => text.includes(words) && (under === undefined || heading === under)
  )
  expect([words, found.length]).toEqual([words, 1])
  return found[0]?.text ?? ""
}

/** Statements of a block, one transaction each, as psql runs them. A body in dollar quotes may contain semicolons. */
const statementsIn = (block: string): ReadonlyArray<string> =>
  (block.match(/(?:\$\$[^]*?\$\$|[^;])+;/g) ?? []).map((text) => text.trim())

describe("docs/moving.md", { timeout: 120_000 }, () => {
  let old: PostgresServer
  beforeAll(async () => {
    old = await startPostgres({ settings: { wal_level: "logical", shared_buffers: "16MB" } })
  })
  afterAll(() => old?.stop())

  const withClient = (url: string) => {
    const client = Layer.fresh(layerPostgresClient({ url, poolSize: 1 }))
    return <A>(use: (sql: SqlClient.SqlClient) => Effect.Effect<A, unknown>) =>
      Effect.orDie(Effect.provide(Effect.flatMap(SqlClient.SqlClient, use), client))
  }
  const runSql = (url: string, block: string) =>
    withClient(url)((sql) => Effect.forEach(statementsIn(block), (statement) => sql.unsafe(statement)))

  const withBacklog = <A, E>(url: string, effect: Effect.Effect<A, E, BacklogServices>) =>
    Effect.provide(effect, Layer.fresh(layerPostgres({ url, poolSize: 2 })))

  /** Two empty databases on two servers, and a shell that maps the page's addresses to them. */
  const twoDatabases = Effect.gen(function* () {
    const from = yield* ownDatabaseOf(old.url)
    const to = yield* ownDatabaseOf(inject("postgresUrl"))
    const folder = yield* Effect.promise(temporaryDirectory)
    const shell = yield* Effect.acquireRelease(
      Effect.sync(
        () =>
          new Shell({
            folder,
            instead: [
              ["postgres://admin@old.example.com/work", from],
              ["postgres://admin@new.example.com/work", to]
            ]
          })
      ),
      (each) => Effect.promise(() => each.end())
    )
    return { from, to, folder, shell }
  })

  /** Commands of every kind, and the state that must be the same after the move. */
  const work = Effect.gen(function* () {
    const backlog = yield* BacklogService
    const audit = yield* AuditService
    yield* backlog.createMany({ cards: ["a", "b", "c"].map((id) => ({ id, title: id })), actor })
    yield* backlog.link({ from: "c", to: "a", actor })
    const claim = yield* backlog.claim({ owner: "w", actor, commandId: "claim" })
    yield* audit.consume({ consumer: "mailer", handler: () => Effect.void })
    return Option.getOrThrow(claim)
  })

  it("logical replication moves a backlog while programs run", () =>
    Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const { from, shell, to } = yield* twoDatabases
          const claimed = yield* withBacklog(from, work)
          const login = new URL(from)
          const subscribe = blockWith("CREATE SUBSCRIPTION").replace(
            "host=old.example.com dbname=work user=admin",
            `host=${login.hostname} port=${login.port} dbname=${login.pathname.slice(1)} user=${login.username} password=${login.password}`
          )
          yield* runSql(from, blockWith("CREATE PUBLICATION"))
          yield* Effect.promise(() => shell.runs(blockWith("backlog migrate")))
          yield* Effect.addFinalizer(() =>
            withClient(to)((sql) => sql.unsafe("DROP SUBSCRIPTION IF EXISTS backlog_move"))
          )
          yield* runSql(to, subscribe)
          // Work continues while tables are copied.
          yield* withBacklog(
            from,
            Effect.flatMap(BacklogService, (backlog) =>
              Effect.forEach([1, 2, 3], (n) => backlog.create({ id: `late${n}`, title: "Late", actor }))
            )
          )
          yield* until(Effect.map(runSql(to, blockWith("srsubstate")), ([copying]) => copying?.length === 0))

          // Both servers list their own verifications and anchors, which does not stop the replication.
          for (const url of [to, from]) {
            yield* withBacklog(
              url,
              Effect.flatMap(AuditService, (audit) => Effect.andThen(audit.verify({ actor: url }), audit.anchor()))
            )
          }

          yield* runSql(from, blockWith("CREATE TRIGGER moved"))
          const late = { id: "too-late", title: "Too late", actor, commandId: "too-late" }
          const refused = yield* Effect.flip(
            withBacklog(
              from,
              Effect.flatMap(BacklogService, (backlog) => backlog.create(late))
            )
          )
          expect(refused._tag).toBe("SqlError")
          expect(String((refused as { reason?: { cause?: unknown } }).reason?.cause)).toContain("was moved to another")

          const [[end] = []] = yield* runSql(from, blockWith("pg_current_wal_lsn"))
          const arrival = blockWith("confirmed_flush_lsn").replace("0/0", (end as { lsn: string }).lsn)
          yield* until(
            Effect.map(
              runSql(from, arrival),
              ([rows]) => (rows?.[0] as { arrived: boolean } | undefined)?.arrived === true
            )
          )
          const verified = yield* Effect.promise(() => shell.runs(blockWith("backlog anchor", "Cut-over")))
          for (const { stdout } of verified.slice(1)) expect(stdout).toContain("anchor")
          const { anchors, verifications = [], ...moved } = yield* contents(to)
          const { anchors: _, verifications: before = [], ...left } = yield* contents(from)
          expect(moved).toEqual(left)
          expect(verifications).toEqual(expect.arrayContaining([...before]))
          expect([verifications.length, anchors?.length]).toEqual([before.length + 2, 3])
          yield* runSql(to, blockWith("DROP SUBSCRIPTION"))

          // Receipts are moved too: a retry returns the first answer, and the refused command runs.
          yield* withBacklog(
            to,
            Effect.gen(function* () {
              const backlog = yield* BacklogService
              const again = yield* backlog.claim({ owner: "w", actor, commandId: "claim" })
              expect(Option.getOrThrow(again).claimToken).toBe(claimed.claimToken)
              yield* backlog.create(late)
              yield* backlog.complete({ id: claimed.id, token: claimed.claimToken, actor })
              const audit = yield* AuditService
              expect(Option.getOrThrow(yield* audit.checkpoint("mailer")).position).toBeGreaterThan(0)
              expect((yield* audit.verify()).divergences).toEqual([])
            })
          )
          const slots = yield* withClient(from)((sql) => sql`SELECT slot_name FROM pg_replication_slots`)
          expect(slots).toEqual([])
        })
      )
    ))

  it("export and import move a log, and the move can be canceled", () =>
    Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const { folder, from, shell, to } = yield* twoDatabases
          yield* withBacklog(from, work)
          yield* runSql(from, blockWith("CREATE TRIGGER moved"))
          yield* Effect.promise(() => shell.runs(blockWith("backlog export")))
          const { code } = yield* Effect.promise(() =>
            cli(["verify", join(folder, "move.jsonl"), "--anchor-file", join(folder, "anchor.txt")])
          )
          expect(code).toBe(0)
          expect((yield* contents(to))["cards"]?.length).toBe(3)
          yield* runSql(from, blockWith("DROP FUNCTION"))
          yield* withBacklog(
            from,
            Effect.flatMap(BacklogService, (backlog) => backlog.create({ id: "d", title: "d", actor }))
          )
        })
      )
    ))

  /** Every row of every table of a backlog, except of its migrations. */
  const contents = (url: string) =>
    withClient(url)((sql) =>
      Effect.gen(function* () {
        const tables = yield* sql<{ readonly name: string }>`
          SELECT tablename AS name FROM pg_tables WHERE schemaname = 'backlog' AND tablename <> 'migrations' ORDER BY 1`
        const all: Record<string, ReadonlyArray<unknown>> = {}
        for (const { name } of tables) {
          const rows = yield* sql<{ readonly row: string }>`
            SELECT each::text AS row FROM ${sql(`backlog.${name}`)} AS each ORDER BY 1`
          all[name] = rows.map(({ row }) => row)
        }
        return all
      })
    )

  const ownDatabaseOf = (url: string) =>
    Effect.gen(function* () {
      const admin = yield* Layer.build(Layer.fresh(layerPostgresClient({ url, poolSize: 1 })))
      const { name } = yield* Effect.provide(ownDatabase, admin)
      const own = new URL(url)
      own.pathname = name
      return own.href
    })
})
