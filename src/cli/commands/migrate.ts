import { Effect } from "effect"
import { Command } from "effect/cli"
import type { RoleNames } from "../../services/schema/BacklogRoles.ts"
import { type AppliedMigration, Migrations } from "../../services/schema/Migrations.ts"
import { withMigrations } from "../database.ts"
import { text } from "../flags.ts"
import type { Page } from "../Page.ts"
import { reply } from "../Reply.ts"
import { oneLine } from "../terminalText.ts"
import { documented, print, rendered } from "../verb.ts"

export const migrate = documented(
  Command.make(
    "migrate",
    {
      owner: text("owner-role", "Make this role the owner of the backlog", "ROLE"),
      writer: text("writer-role", "Let this role append and project, and nothing else", "ROLE"),
      auditor: text("auditor-role", "Let this role read, and nothing else", "ROLE")
    },
    (roles) =>
      Effect.flatMap(
        withMigrations(
          roles,
          Effect.flatMap(Migrations, ({ applied }) =>
            rendered(
              reply(
                () => applied,
                (page) => [describe(applied, page), ...describeRoles(roles)].join("\n")
              )
            )
          )
        ),
        print
      )
  ),
  {
    about:
      "Creates the backlog where there is none, and applies the migrations that it lacks. create, import, serve and mcp do so too; all other commands refuse a backlog that is missing or not migrated. Use migrate to do it ahead of time, as a user with the rights, and to share a backlog on a server between database roles with the least privileges that each needs. The roles must exist.",
    brief: "Prepare the database ahead of time",
    examples: [
      { command: "backlog migrate --db postgres://admin@db.example.com/work" },
      {
        command:
          "backlog migrate --owner-role backlog_owner --writer-role backlog_writer --auditor-role backlog_auditor",
        description: "Least privilege, as a user that may make roles owners"
      }
    ]
  }
)

const describe = (applied: ReadonlyArray<AppliedMigration>, page: Page): string => {
  const fresh = applied.filter((migration) => migration.isNew).length
  return [
    ...applied.map(({ id, isNew, name }) => `${id}  ${name}  ${isNew ? page.green("applied now") : "already there"}`),
    fresh === 0 ? "Nothing was to be done." : `${fresh} applied.`
  ].join("\n")
}

const describeRoles = (roles: RoleNames): ReadonlyArray<string> =>
  (["owner", "writer", "auditor"] as const).flatMap((kind) => {
    const name = roles[kind]
    return name === undefined ? [] : [`The ${kind} is ${oneLine(name)}.`]
  })
