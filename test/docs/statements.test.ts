import { layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { randomBytes } from "node:crypto"
import { expect } from "vitest"
import { BacklogService } from "../../src/index.ts"
import { layerPostgresClient } from "../../src/services/postgres/PostgresClient.ts"
import { temporaryDirectory } from "../cli/support.ts"
import { mayMakeRoles } from "../proof/roles/support.ts"
import { freshBacklog, postgresClient, tables } from "../support/backlogs.ts"
import { blocksOn, textsOn } from "./support/pages.ts"
import { ownDatabase } from "../support/ownDatabase.ts"
import { Shell } from "./support/Shell.ts"
import { linesIn } from "./support/shellLines.ts"

const statementsIn = (text: string): ReadonlyArray<string> =>
  text.split(/;\n/).filter((statement) => statement.trim() !== "")

const indentedWith = (page: string, words: string): string =>
  blocksOn(page).find(({ language, text }) => language === "indented" && text.includes(words))?.text ?? ""

layer(postgresClient(4), { timeout: "60 seconds", excludeTestServices: true })("the statements on the pages", (it) => {
  it.effect("the query in docs/architecture.md finds the card that a claim takes", () =>
    Effect.gen(function* () {
      const { schema, sql } = yield* tables
      const backlog = yield* BacklogService
      yield* backlog.create({ id: "a", title: "A", actor: "me" })
      yield* backlog.create({ id: "b", title: "B", dependsOn: ["a"], actor: "me" })
      const statement = indentedWith("docs/architecture.md", "SELECT id")
      const there = statement.replace("FROM cards", `FROM ${schema}.cards`)
      expect(yield* sql.unsafe(there, [2])).toEqual([{ id: "a" }])
    }).pipe(Effect.provide(Layer.fresh(freshBacklog)))
  )

  it.effect("the statements of docs/roles.md and docs/faults.md let three roles share a backlog", (context) =>
    Effect.gen(function* () {
      if (!(yield* mayMakeRoles)) return context.skip("the server's user may not make roles")
      const admin = yield* SqlClient.SqlClient
      const suffix = randomBytes(6).toString("hex")
      yield* Effect.addFinalizer(() =>
        Effect.forEach(["owner", "writer", "auditor"], (role) =>
          Effect.orDie(admin.unsafe(`DROP ROLE IF EXISTS backlog_${role}_${suffix}`))
        )
      )
      const database = yield* ownDatabase
      const url = new URL(database.url)
      const here = (text: string): string =>
        text
          .replaceAll(/\bbacklog_(?:owner|writer|auditor)\b/g, `$&_${suffix}`)
          .replaceAll("DATABASE work", `DATABASE ${database.name}`)
      const within = yield* Layer.build(Layer.fresh(layerPostgresClient({ url: url.href, poolSize: 1 })))
      const [setUp = ""] = textsOn("docs/roles.md", "sql")
      const faults = indentedWith("docs/faults.md", "ALTER ROLE")
      yield* Effect.provide(
        Effect.flatMap(SqlClient.SqlClient, (sql) =>
          Effect.forEach([setUp, faults].flatMap(statementsIn), (statement) => sql.unsafe(here(statement)))
        ),
        within
      )

      const as = (user: string): string => `postgres://${user}@${url.host}/${database.name}`
      // The statement on the page, as the server stores it.
      const password = "..."
      yield* Effect.acquireUseRelease(
        Effect.promise(async () => new Shell({ folder: await temporaryDirectory() })),
        (shell) =>
          Effect.promise(async () => {
            for (const role of ["owner", "writer", "auditor"]) {
              const user = `backlog_${role}_${suffix}`
              shell.replace(`postgres://backlog_${role}@db.example.com/work`, as(`${user}:${password}`))
              shell.replace(`postgres://backlog_${role}:…@db.example.com/work`, as(`${user}:${password}`))
              shell.replace(`-role backlog_${role}`, `-role ${user}`)
            }
            shell.replace("postgres://admin@db.example.com/work", url.href)
            const commands = blocksOn("docs/roles.md").flatMap(({ language, text }) =>
              language === "indented" ? linesIn(text).filter((line) => line.startsWith("backlog ")) : []
            )
            expect(commands.length).toBe(2)
            await shell.runs(commands.join("\n"))
            const [variable = ""] = linesIn(indentedWith("docs/roles.md", "BACKLOG_DATABASE_URL"))
            await shell.runs(`${variable} backlog create --id a --title A`)
          }),
        (shell) => Effect.promise(() => shell.end())
      )
    })
  )
})
