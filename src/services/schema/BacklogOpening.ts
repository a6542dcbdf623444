import { Context, Effect, Schema } from "effect"

/**
 * What a program does where there is no backlog. `create` creates it and applies the migrations that are missing.
 * `existing` does neither: it fails with `BacklogMissing` or `MigrationRefused`, and writes nothing.
 */
export type Opening = "create" | "existing"

/** How the layers of a backlog open it. */
export interface OpeningOptions {
  readonly opening: Opening
  /** Runs after a backlog was created in a schema. */
  readonly onCreated: (schema: string) => Effect.Effect<void>
  /** Runs after migrations were applied to a backlog that existed, with their names. */
  readonly onMigrated: (schema: string, names: ReadonlyArray<string>) => Effect.Effect<void>
}

/** How the layers of a backlog open it. Defaults to `create`. */
export const BacklogOpening: Context.Reference<OpeningOptions> = Context.Reference<OpeningOptions>(
  "mosaic-backlog/BacklogOpening",
  { defaultValue: () => ({ opening: "create", onCreated: () => Effect.void, onMigrated: () => Effect.void }) }
)

/** There is no backlog in the place that was named, and this program does not create one. Nothing was written. */
export class BacklogMissing extends Schema.TaggedError<BacklogMissing>()("BacklogMissing", {
  /** The place, for people: a directory, or a schema of a database. */
  place: Schema.String,
  /** The schema that was searched; null where there is no database at all. */
  schema: Schema.NullOr(Schema.String),
  /** How to create one, or find another. */
  toDo: Schema.String
}) {
  override get message(): string {
    return `There is no backlog in ${this.place}. ${this.toDo}`
  }
}

/** How a program of the library creates one. */
export const createHint = 'Create it with `backlog migrate`, or open it with `opening: "create"`.'
