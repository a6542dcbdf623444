import type { PgClient } from "@effect/sql-pg"
import { Context, DateTime, type Duration, Effect, Layer } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { AuditService } from "./AuditService.ts"
import { BacklogService } from "./BacklogService.ts"
import type { DirectoryLocked, DirectoryUnusable } from "./files/directoryErrors.ts"
import { type BacklogMissing, BacklogOpening, type Opening } from "./schema/BacklogOpening.ts"
import { BacklogRoles, type RoleNames } from "./schema/BacklogRoles.ts"
import { DatabaseClock } from "../sql/DatabaseClock.ts"
import { BacklogSchema } from "../sql/SchemaName.ts"
import type { MigrationRefused } from "./schema/Migrations.ts"
import { layerPgliteClient } from "./pglite/PgliteClient.ts"
import { layerPostgresClient, type PostgresOptions } from "./postgres/PostgresClient.ts"
import { RemovalSchedule } from "./audit/Erasures.ts"

/** Everything that a program needs of a backlog, and the client under it, for tables of the program's own. */
export type BacklogServices = BacklogService | AuditService | PgClient.PgClient | SqlClient.SqlClient

/**
 * Both services, shared with nothing outside: layers are memoised by identity, and a program that uses two backlogs at
 * once must not be given the first one twice.
 */
const services = () =>
  Layer.effectContext(
    Effect.gen(function* () {
      const both = Layer.mergeAll(BacklogService.layer, AuditService.layer)
      return yield* Layer.buildWithMemoMap(both, yield* Layer.makeMemoMap, yield* Effect.scope)
    })
  )

const inSchema = (schema: string | undefined) =>
  schema === undefined ? Layer.empty : Layer.succeed(BacklogSchema)(schema)

/** An option that says nothing leaves what the program provides as it is. */
const openedBy = (opening: Opening | undefined) =>
  opening === undefined
    ? Layer.empty
    : Layer.effect(
        BacklogOpening,
        Effect.map(BacklogOpening, (around) => ({ ...around, opening }))
      )

/** An embedded backlog. */
export interface PgliteOptions {
  /** The directory that holds the backlog, made if it is missing; in memory when absent. */
  readonly dataDir?: string | undefined
  /** How long to wait for a process that holds the directory and does not serve it, 10 seconds unless told otherwise. */
  readonly lockWait?: Duration.Input | undefined
  /** The Postgres schema, `backlog` unless told otherwise. */
  readonly schema?: string | undefined
  /**
   * `create` creates a backlog that does not exist and applies missing migrations. `existing` does neither and fails with
   * `BacklogMissing` or `MigrationRefused`, without writing to the disk. Defaults to `create`.
   */
  readonly opening?: Opening | undefined
}

/**
 * A backlog in an embedded database: in memory, or in a directory, which any number of processes of one user may use at
 * once; `layerPgliteClient` says how. Fails with `DirectoryLocked` when a process holds the directory that does not share it
 * with this one, with `DirectoryUnusable` when it cannot hold a backlog.
 */
export const layerPglite = (
  options: PgliteOptions = {}
): Layer.Layer<
  BacklogServices,
  BacklogMissing | DirectoryLocked | DirectoryUnusable | MigrationRefused | SqlError.SqlError
> =>
  services().pipe(
    Layer.provideMerge(layerPgliteClient(options)),
    Layer.provide([inSchema(options.schema), openedBy(options.opening)])
  )

/**
 * A backlog on a Postgres server, 15 or newer, in the schema `schema` (`backlog` unless told otherwise). `roles` are given
 * what they need of it, and nothing else: for the program that connects as the owner, and not for those that connect as
 * one of the others. Fails with `MigrationRefused` when that cannot be. With `opening: "existing"` nothing is created or
 * migrated: a missing backlog is `BacklogMissing`, a missing migration `MigrationRefused`. Defaults to `create`.
 */
export const layerPostgres = (
  options: PostgresOptions & {
    readonly schema?: string | undefined
    readonly roles?: RoleNames | undefined
    readonly opening?: Opening | undefined
  }
): Layer.Layer<BacklogServices, BacklogMissing | MigrationRefused | SqlError.SqlError> =>
  services().pipe(
    Layer.provideMerge(layerPostgresClient(options)),
    Layer.provide([
      inSchema(options.schema),
      openedBy(options.opening),
      options.roles === undefined ? Layer.empty : Layer.succeed(BacklogRoles)(options.roles)
    ])
  )

/** The clock of a backlog made by `layerTest` or `layerTestOver`: it stands still until a test moves it. */
export class BacklogTestClock extends Context.Service<
  BacklogTestClock,
  {
    readonly now: Effect.Effect<DateTime.Utc>
    readonly set: (time: DateTime.Utc) => Effect.Effect<void>
    readonly advance: (by: Duration.Input) => Effect.Effect<void>
  }
>()("mosaic-backlog/services/BacklogTestClock") {}

/** Makes such a clock, and how to read it at once; it starts at 2026-01-01T00:00:00Z. */
export const makeTestClock = (): { readonly clock: BacklogTestClock["Service"]; readonly read: () => DateTime.Utc } => {
  let now = DateTime.makeUnsafe("2026-01-01T00:00:00Z")
  return {
    read: () => now,
    clock: BacklogTestClock.of({
      now: Effect.sync(() => now),
      set: (time) =>
        Effect.sync(() => {
          now = time
        }),
      advance: (by) =>
        Effect.sync(() => {
          now = DateTime.addDuration(now, by)
        })
    })
  }
}

const testClock = Layer.effectContext(
  Effect.sync(() => {
    const { clock, read } = makeTestClock()
    return Context.make(BacklogTestClock, clock).pipe(
      Context.add(DatabaseClock, { override: () => DateTime.toDateUtc(read()) })
    )
  })
)

/**
 * A backlog over a given client for tests: its own schema, and a clock that the test moves. Erased bytes are removed from
 * the data files only by `removeErased`.
 */
export const layerTestOver = <E, R>(
  client: Layer.Layer<PgClient.PgClient | SqlClient.SqlClient, E, R>,
  schema?: string
): Layer.Layer<BacklogServices | BacklogTestClock, E | BacklogMissing | MigrationRefused | SqlError.SqlError, R> =>
  services().pipe(
    Layer.provideMerge(client),
    Layer.provideMerge(testClock),
    Layer.provide([inSchema(schema), Layer.succeed(RemovalSchedule)("off")])
  )

/** A backlog in memory for tests, with a clock that the test moves; it starts at 2026-01-01T00:00:00Z. */
export const layerTest: Layer.Layer<
  BacklogServices | BacklogTestClock,
  BacklogMissing | DirectoryLocked | DirectoryUnusable | MigrationRefused | SqlError.SqlError
> = layerTestOver(layerPgliteClient())
