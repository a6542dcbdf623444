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
import { withOneEffect } from "./requireOneEffect.ts"
import { RemovalSchedule } from "./audit/Erasures.ts"
import { KeyframeSchedule } from "./audit/writeKeyframes.ts"

/** The services of a backlog, and its SQL client for tables of your own. */
export type BacklogServices = BacklogService | AuditService | PgClient.PgClient | SqlClient.SqlClient

/**
 * Both services with a memo map of their own. Layers are memoized by identity, so without it a program with two backlogs would
 * get the first one twice.
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

/** Overrides `BacklogOpening` when the option is set. */
const withOpening = (opening: Opening | undefined) =>
  opening === undefined
    ? Layer.empty
    : Layer.effect(
        BacklogOpening,
        Effect.map(BacklogOpening, (provided) => ({ ...provided, opening }))
      )

/** The options of `layerPglite`. */
export interface PgliteOptions {
  /** The directory of the backlog. It is created if it does not exist. Defaults to none: the backlog is in memory. */
  readonly dataDir?: string | undefined
  /** Maximum time to wait for another process that has the directory open and does not share it. Defaults to 10 seconds. */
  readonly lockWait?: Duration.Input | undefined
  /** The Postgres schema. Defaults to `backlog`. */
  readonly schema?: string | undefined
  /**
   * `create` creates a backlog that does not exist and applies missing migrations. `existing` does neither and fails with
   * `BacklogMissing` or `MigrationRefused`, without writing to the disk. Defaults to `create`.
   */
  readonly opening?: Opening | undefined
}

/**
 * A backlog in an embedded database, in memory or in a directory.
 *
 * **When to use**
 *
 * Use without a server: for tools of one machine, for tests and for experiments. Any number of processes of one user can use
 * a directory at the same time; `layerPgliteClient` explains how.
 *
 * **Example** (A backlog in a directory)
 *
 * ```ts
 * Effect.runPromise(Effect.provide(program, layerPglite({ dataDir: ".backlog" })))
 * ```
 *
 * **Errors**
 *
 * - `DirectoryLocked`: another process has the directory open and does not share it.
 * - `DirectoryUnusable`: the directory cannot contain a backlog.
 * - `BacklogMissing`, `MigrationRefused`: see `opening`.
 */
export const layerPglite = (
  options: PgliteOptions = {}
): Layer.Layer<
  BacklogServices,
  BacklogMissing | DirectoryLocked | DirectoryUnusable | MigrationRefused | SqlError.SqlError
> =>
  services().pipe(
    Layer.provideMerge(layerPgliteClient(options)),
    Layer.provide([inSchema(options.schema), withOpening(options.opening)]),
    withOneEffect
  )

/**
 * A backlog on a Postgres server, version 15 or newer.
 *
 * **When to use**
 *
 * Use when several machines share a backlog, or when commands must survive a power failure.
 *
 * **Example** (A backlog on a server)
 *
 * ```ts
 * Effect.runPromise(Effect.provide(program, layerPostgres({ url: "postgres://app:secret@db.example.com/work" })))
 * ```
 *
 * **Errors**
 *
 * - `MigrationRefused`: the database cannot be migrated or used, or `roles` cannot be granted. With `opening: "existing"`, a
 *   migration is missing.
 * - `BacklogMissing`: with `opening: "existing"`, there is no backlog.
 */
export const layerPostgres = (
  options: PostgresOptions & {
    /** The Postgres schema. Defaults to `backlog`. */
    readonly schema?: string | undefined
    /**
     * The database roles that receive exactly the privileges that they need. Only for programs that connect as the owner.
     * Defaults to none.
     */
    readonly roles?: RoleNames | undefined
    /**
     * `create` creates a backlog that does not exist and applies missing migrations. `existing` does neither, and writes
     * nothing. Defaults to `create`.
     */
    readonly opening?: Opening | undefined
  }
): Layer.Layer<BacklogServices, BacklogMissing | MigrationRefused | SqlError.SqlError> =>
  services().pipe(
    Layer.provideMerge(layerPostgresClient(options)),
    Layer.provide([
      inSchema(options.schema),
      withOpening(options.opening),
      options.roles === undefined ? Layer.empty : Layer.succeed(BacklogRoles)(options.roles)
    ]),
    withOneEffect
  )

/** The clock of `layerTest` and `layerTestOver`. It starts at 2026-01-01T00:00:00Z and moves only when a test moves it. */
export class BacklogTestClock extends Context.Service<
  BacklogTestClock,
  {
    /** The current time of the clock. */
    readonly now: Effect.Effect<DateTime.Utc>
    /** Sets the clock. */
    readonly set: (time: DateTime.Utc) => Effect.Effect<void>
    /** Moves the clock forward. */
    readonly advance: (by: Duration.Input) => Effect.Effect<void>
  }
>()("mosaic-backlog/services/BacklogTestClock") {}

/** Makes a test clock, and a function that reads it synchronously. `start` defaults to 2026-01-01T00:00:00Z. */
export const makeTestClock = (
  start = DateTime.makeUnsafe("2026-01-01T00:00:00Z")
): { readonly clock: BacklogTestClock["Service"]; readonly read: () => DateTime.Utc } => {
  let now = start
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

const layerTestClock = (start?: DateTime.Utc) =>
  Layer.effectContext(
    Effect.sync(() => {
      const { clock, read } = makeTestClock(start)
      return Context.make(BacklogTestClock, clock).pipe(
        Context.add(DatabaseClock, { override: () => DateTime.toDateUtc(read()) })
      )
    })
  )

const testClock = layerTestClock()

/** A layer of a backlog over a client, for tests, with a test clock of its own that starts at a time. */
export const layerTestAt = <E, R>(
  client: Layer.Layer<PgClient.PgClient | SqlClient.SqlClient, E, R>,
  options: { readonly schema: string | undefined; readonly start: DateTime.Utc | undefined }
): Layer.Layer<BacklogServices | BacklogTestClock, E | BacklogMissing | MigrationRefused | SqlError.SqlError, R> =>
  layerTestWith(client, options.schema, layerTestClock(options.start))

const layerTestWith = <E, R>(
  client: Layer.Layer<PgClient.PgClient | SqlClient.SqlClient, E, R>,
  schema: string | undefined,
  clock: ReturnType<typeof layerTestClock>
): Layer.Layer<BacklogServices | BacklogTestClock, E | BacklogMissing | MigrationRefused | SqlError.SqlError, R> =>
  services().pipe(
    Layer.provideMerge(client),
    Layer.provideMerge(clock),
    Layer.provide([inSchema(schema), Layer.succeed(RemovalSchedule)("off"), Layer.succeed(KeyframeSchedule)("off")]),
    withOneEffect
  )

/**
 * A backlog over a client of yours, for tests, with a `BacklogTestClock`. Nothing runs in the background: erased bytes are removed from
 * the data files only by `removeErased`, and no keyframes are written. `schema` defaults to `backlog`.
 */
export const layerTestOver = <E, R>(
  client: Layer.Layer<PgClient.PgClient | SqlClient.SqlClient, E, R>,
  schema?: string
): Layer.Layer<BacklogServices | BacklogTestClock, E | BacklogMissing | MigrationRefused | SqlError.SqlError, R> =>
  layerTestWith(client, schema, testClock)

/** A backlog in memory, for tests, with a `BacklogTestClock`. */
export const layerTest: Layer.Layer<
  BacklogServices | BacklogTestClock,
  BacklogMissing | DirectoryLocked | DirectoryUnusable | MigrationRefused | SqlError.SqlError
> = layerTestOver(layerPgliteClient())
