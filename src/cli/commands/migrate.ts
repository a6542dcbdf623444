import { Effect } from "effect"
import { Command } from "effect/cli"
import { type AppliedMigration, Migrations } from "../../services/Migrations.ts"
import { withMigrations } from "../database.ts"
import type { Page } from "../Page.ts"
import { reply } from "../Reply.ts"
import { documented, print, rendered } from "../verb.ts"

export const migrate = documented(
  Command.make("migrate", {}, () =>
    Effect.flatMap(
      withMigrations(
        Effect.flatMap(Migrations, ({ applied }) =>
          rendered(
            reply(
              () => applied,
              (page) => describe(applied, page)
            )
          )
        )
      ),
      print
    )
  ),
  {
    about:
      "Brings the database to the shape that this program needs. Every command does so by itself: this one is for doing it ahead of time, with a user that may.",
    brief: "Prepare the database ahead of time",
    examples: [{ command: "backlog migrate --db postgres://admin@db.example.com/work" }]
  }
)

const describe = (applied: ReadonlyArray<AppliedMigration>, page: Page): string => {
  const fresh = applied.filter((migration) => migration.isNew).length
  return [
    ...applied.map(({ id, isNew, name }) => `${id}  ${name}  ${isNew ? page.green("applied now") : "already there"}`),
    fresh === 0 ? "Nothing was to be done." : `${fresh} applied.`
  ].join("\n")
}
