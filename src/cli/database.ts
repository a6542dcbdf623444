import { Effect, Layer, Result, Schema } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { existsSync } from "node:fs"
import { BacklogSchema, SchemaName } from "../events/SchemaName.ts"
import {
  AccessTokens,
  type BacklogServices,
  DirectoryUnusable,
  Doctor,
  InvalidInput,
  layerPglite,
  layerPostgres
} from "../index.ts"
import { BacklogRoles, type RoleNames } from "../services/BacklogRoles.ts"
import { Migrations } from "../services/Migrations.ts"
import { layerPgliteClient } from "../services/Pglite.ts"
import { layerPostgresClient } from "../services/Postgres.ts"
import { databaseTrouble } from "./DatabaseUnavailable.ts"
import { Db, nonEmpty, SchemaFlag } from "./globals.ts"
import { Host } from "./Host.ts"
import { layerPostgresTimeouts } from "./postgresTimeouts.ts"
import { oneLine } from "./terminalText.ts"

/** The database that is meant, and a name for it that has no password. */
export type DatabaseTarget =
  | { readonly _tag: "Server"; readonly url: string; readonly name: string; readonly prepare: boolean }
  | { readonly _tag: "Directory"; readonly directory: string; readonly name: string }

/** The directory that holds the backlog when nothing else is named. */
const defaultDirectory = ".backlog"

/**
 * Which database: `--db`, else `BACKLOG_DATABASE_URL`, else `DATABASE_URL`, else the directory `.backlog`. With
 * `BACKLOG_PREPARE=off` no statement is prepared by name, for poolers that lose them.
 */
export const databaseTarget = (
  db: string | undefined,
  env: Host["Service"]["env"]
): Result.Result<DatabaseTarget, InvalidInput> => {
  const prepare = nonEmpty(env["BACKLOG_PREPARE"]) ?? "on"
  if (prepare !== "on" && prepare !== "off") {
    return Result.fail(new InvalidInput({ problem: "BACKLOG_PREPARE takes on or off" }))
  }
  const named = (source: string, value: string) => targetOf(source, value, prepare === "on")
  if (db !== undefined) return named("--db", db)
  for (const variable of ["BACKLOG_DATABASE_URL", "DATABASE_URL"]) {
    const value = nonEmpty(env[variable])
    if (value !== undefined) return named(variable, value)
  }
  return named("--db", defaultDirectory)
}

const targetOf = (source: string, value: string, prepare: boolean): Result.Result<DatabaseTarget, InvalidInput> => {
  const refuse = (problem: string) => Result.fail(new InvalidInput({ problem: `${source} ${problem}` }))
  if (value.trim() === "") return refuse("is empty: it takes a postgres:// URL or a directory")
  if (value.includes("\u0000")) return refuse("has a NUL character in it")
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(value)?.[1]?.toLowerCase()
  if (scheme === undefined) return Result.succeed({ _tag: "Directory", directory: value, name: value })
  if (scheme !== "postgres" && scheme !== "postgresql") {
    return refuse(`is a ${scheme}:// URL: it takes a postgres:// URL or a directory`)
  }
  const url = URL.parse(value)
  return url === null
    ? refuse("is not a URL of the form postgres://user:password@host:port/database")
    : Result.succeed({
        _tag: "Server",
        url: value,
        name: serverName(url),
        prepare
      })
}

/** `host:port`, as the driver finds them in a URL. */
const serverName = ({ hostname, port, searchParams }: URL): string =>
  `${searchParams.get("host") ?? (hostname === "" ? "localhost" : hostname)}:${searchParams.get("port") ?? (port === "" ? "5432" : port)}`

const target = Effect.gen(function* () {
  const schema = yield* SchemaFlag
  if (schema !== undefined && !Schema.is(SchemaName)(schema)) {
    return yield* new InvalidInput({
      problem:
        "--schema takes lower case letters, digits and underscores, not beginning with a digit, at most 63 characters"
    })
  }
  const meant = yield* Effect.fromResult(databaseTarget(yield* Db, (yield* Host).env))
  return { meant, schema }
})

/** A client of a server that is not the backlog's: one connection. The name is for errors, and has no password. */
export const otherServer = Effect.fnUntraced(function* (flag: string, url: string) {
  const meant = yield* Effect.fromResult(targetOf(flag, url, false))
  if (meant._tag === "Directory") return yield* new InvalidInput({ problem: `${flag} takes a postgres:// URL` })
  return { name: meant.name, layer: layerPostgresClient({ url: meant.url, poolSize: 1, prepare: meant.prepare }) }
})

/** Making a database takes some seconds: whoever waits for it at a terminal shall know why. */
const announce = (meant: DatabaseTarget) =>
  Effect.map(Host, ({ stderr }) => {
    if (meant._tag === "Directory" && stderr.isTerminal && !existsSync(meant.directory)) {
      stderr.write(`Making a backlog in ${oneLine(meant.directory)} …\n`)
    }
  })

/** Runs what needs a layer in the database that is meant; the database's errors then say which one it was. */
const within = <R, LE>(layerOf: (meant: DatabaseTarget, schema: string | undefined) => Layer.Layer<R, LE>) =>
  Effect.fnUntraced(function* <A, E, R2>(effect: Effect.Effect<A, E, R | R2>) {
    const { meant, schema } = yield* target
    yield* announce(meant)
    return yield* effect.pipe(
      Effect.provide(Layer.provide(layerOf(meant, schema), layerPostgresTimeouts)),
      Effect.mapError((error) => databaseTrouble(error as E | LE | SqlError.SqlError, meant.name))
    )
  })

const backlogOf = (
  meant: DatabaseTarget,
  schema: string | undefined,
  poolSize: number
): Layer.Layer<BacklogServices, Layer.Error<ReturnType<typeof layerPglite>>> =>
  meant._tag === "Server"
    ? layerPostgres({ url: meant.url, schema, poolSize, prepare: meant.prepare })
    : layerPglite({ dataDir: meant.directory, schema })

/** Runs an effect with the services of the backlog that the flags and the environment name. */
export const withBacklog = within((meant, schema) => backlogOf(meant, schema, 2))

/** The same for an effect that does many things at once. */
export const withBusyBacklog = within((meant, schema) => backlogOf(meant, schema, 10))

/** Runs an effect with all that a server of that backlog needs. */
export const withServer = within((meant, schema) =>
  Layer.mergeAll(AccessTokens.layer, Doctor.layer).pipe(
    Layer.provideMerge(backlogOf(meant, schema, 10)),
    Layer.provide(inSchema(schema))
  )
)

const inSchema = (schema: string | undefined): Layer.Layer<never> =>
  schema === undefined ? Layer.empty : Layer.succeed(BacklogSchema)(schema)

/**
 * Runs an effect with the migrations of that backlog, those that were missing applied, and the roles given what they
 * need of it.
 */
export const withMigrations = Effect.fnUntraced(function* <A, E, R>(
  roles: RoleNames,
  effect: Effect.Effect<A, E, R | Migrations>
) {
  const { meant } = yield* target
  if (meant._tag === "Directory" && Object.values(roles).some((name) => name !== undefined)) {
    return yield* new InvalidInput({
      problem:
        "roles share a backlog on a server: in a directory, whoever may read and write its files may do everything"
    })
  }
  return yield* migrationsOf(roles)(effect)
})

const migrationsOf = (roles: RoleNames) =>
  within((meant, schema) =>
    overClient(Layer.provide(Migrations.layer, Layer.succeed(BacklogRoles)(roles)), meant, schema)
  )

/** Runs an effect with the tokens of a server of that backlog. */
export const withAccessTokens = within((meant, schema) => overClient(AccessTokens.layer, meant, schema))

/** Runs an effect with the doctor of that backlog; no migration is applied, and no directory made. */
export const withDoctor = within((meant, schema) =>
  meant._tag === "Directory" && !existsSync(meant.directory)
    ? Layer.effect(Doctor, new DirectoryUnusable({ directory: meant.directory, reason: "it does not exist" }))
    : overClient(Doctor.layer, meant, schema, 4)
)

/** A service that needs no more than a client of the database, in the schema that is meant. */
const overClient = <A, E>(
  service: Layer.Layer<A, E, SqlClient.SqlClient>,
  meant: DatabaseTarget,
  schema: string | undefined,
  poolSize = 2
) =>
  service.pipe(
    Layer.provide(
      meant._tag === "Server"
        ? layerPostgresClient({ url: meant.url, poolSize, prepare: meant.prepare })
        : layerPgliteClient({ dataDir: meant.directory })
    ),
    Layer.provide(inSchema(schema))
  )
