import { Context, Effect, Schema } from "effect"

/**
 * The action of a program when there is no backlog or a migration is missing. `create` creates the backlog and applies missing
 * migrations. `existing` fails with `BacklogMissing` or `MigrationRefused`, and writes nothing.
 */
export type Opening = "create" | "existing"

/** The options of `BacklogOpening`. */
export interface OpeningOptions {
  /** Whether to create a backlog and apply missing migrations. */
  readonly opening: Opening
  /** Runs after a backlog was created. */
  readonly onCreated: (schema: string) => Effect.Effect<void>
  /** Runs after migrations were applied to an existing backlog, with the names of the migrations. */
  readonly onMigrated: (schema: string, names: ReadonlyArray<string>) => Effect.Effect<void>
}

/** How the layers of a backlog open it. Defaults to `create`. */
export const BacklogOpening: Context.Reference<OpeningOptions> = Context.Reference<OpeningOptions>(
  "mosaic-backlog/BacklogOpening",
  { defaultValue: () => ({ opening: "create", onCreated: () => Effect.void, onMigrated: () => Effect.void }) }
)

/**
 * There is no backlog in this place, and the program does not create one. Nothing was written.
 *
 * What to do: read `toDo`: create a backlog, or name another place.
 */
export class BacklogMissing extends Schema.TaggedError<BacklogMissing>()("BacklogMissing", {
  /** The directory, or the schema and its database, as text for people. */
  place: Schema.String,
  /** The schema; null when there is no database either. */
  schema: Schema.NullOr(Schema.String),
  /** How to create a backlog or find another one. */
  toDo: Schema.String
}) {
  override get message(): string {
    return `There is no backlog in ${this.place}. ${this.toDo}`
  }
}

/** `toDo` for programs that use the library. */
export const createHint = 'Create it with `backlog migrate`, or open it with `opening: "create"`.'
