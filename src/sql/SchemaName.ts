import { Context, Schema } from "effect"

/** The name of a Postgres schema: lower case letters, digits and underscores, at most 63 characters. */
export const SchemaName = Schema.String.check(
  Schema.isPattern(/^[a-z_][a-z0-9_]{0,62}$/, {
    expected: "lower case letters, digits and underscores, not beginning with a digit, at most 63"
  })
)

/** The Postgres schema of the backlog. Each schema contains one backlog. Defaults to `backlog`. */
export const BacklogSchema: Context.Reference<string> = Context.Reference<string>("mosaic-backlog/BacklogSchema", {
  defaultValue: () => "backlog"
})
