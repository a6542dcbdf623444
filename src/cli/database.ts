import { Deferred, Duration, Effect, Layer } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { existsSync } from "node:fs"
import { resolve } from "node:path"
import {
  AccessTokens,
  type AuditService,
  BacklogMissing,
  BacklogOpening,
  type BacklogService,
  type BacklogServices,
  Doctor,
  Erasures,
  GeneratedIdPrefix,
  InvalidInput,
  layerPglite,
  layerPostgres,
  type Opening,
  KeyframeSchedule,
  RemovalSchedule
} from "../index.ts"
import { isIdPrefix, maxIdPrefixLength } from "../domain/GeneratedId.ts"
import { type DirectoryLost, OnDirectoryLost } from "../services/files/directoryErrors.ts"
import { layerPgliteClient } from "../services/pglite/PgliteClient.ts"
import { defaultTimeouts, layerPostgresClient, PostgresTimeouts } from "../services/postgres/PostgresClient.ts"
import { createHint } from "../services/schema/BacklogOpening.ts"
import { BacklogRoles, type RoleNames } from "../services/schema/BacklogRoles.ts"
import { Migrations } from "../services/schema/Migrations.ts"
import { BacklogSchema } from "../sql/SchemaName.ts"
import { type EnvironmentVariable, readVariable } from "./environmentVariables.ts"
import { NeedsDatabase } from "./commandErrors.ts"
import { toDatabaseError } from "./databaseErrors.ts"
import { type DatabaseTarget, parseTarget, resolveDatabaseTarget, type ServedTarget } from "./databaseTarget.ts"
import { currentSchema, Db, SchemaFlag } from "./flags.ts"
import { ProcessIO } from "./ProcessIO.ts"
import { toServedError } from "./servedErrors.ts"
import { escapeLine } from "./terminalText.ts"

/** The services that commands use. They work over a database and over HTTP. */
export type CommandServices = BacklogService | AuditService

/** The schema of a backlog that none is named for. */
const defaultSchema = "backlog"

const selectTarget = Effect.gen(function* () {
  const schema = yield* currentSchema
  const chosen = yield* Effect.fromResult(resolveDatabaseTarget(yield* Db, (yield* ProcessIO).env))
  if (chosen.target._tag === "Served" && (yield* SchemaFlag) !== undefined) {
    return yield* new InvalidInput({
      problem: `--schema does not apply to ${chosen.target.name}: its server was started for one schema. Omit --schema`
    })
  }
  return { target: chosen.target, note: chosen.note, schema }
})

/** The server of the selected backlog. `undefined` if the backlog is in a database. */
export const servedTarget = Effect.map(selectTarget, ({ target }) => (target._tag === "Served" ? target : undefined))

/** Selects the database of a command that works with nothing else. */
const selectDatabase = Effect.fnUntraced(function* (command: string) {
  const { target, ...chosen } = yield* selectTarget
  if (target._tag === "Served") return yield* new NeedsDatabase({ command, server: target.name })
  return { ...chosen, target }
})

/** Fails if the selected backlog is that of a server. */
export const requireDatabase = (command: string) => Effect.asVoid(selectDatabase(command))

/** A client with one connection to another server than the backlog's. `name` is for errors and contains no password. */
export const makeServerClient = Effect.fnUntraced(function* (flag: string, url: string) {
  const target = yield* Effect.fromResult(parseTarget(flag, url, { prepare: false, env: (yield* ProcessIO).env }))
  if (target._tag === "Directory") return yield* new InvalidInput({ problem: `${flag} takes a postgres:// URL` })
  return { name: target.name, layer: layerPostgresClient({ url: target.url, poolSize: 1, prepare: target.prepare }) }
})

/** A hint for commands that do not create a backlog. */
const createCommands =
  "`backlog create`, `import`, `migrate`, `serve` and `mcp` create one; --db selects another directory or server."

/** How a command opens the backlog. */
interface OpeningMode {
  readonly opening: Opening
  /** Whether the program removes erased bytes and writes keyframes in the background, as long-running programs do. */
  readonly worksInBackground: boolean
  /** Reports a note: on standard error, or in the program's log. */
  readonly notify: (text: string) => Effect.Effect<void, never, ProcessIO>
}

const writeNote = (text: string) => Effect.map(ProcessIO, ({ stderr }) => stderr.write(`note: ${text}\n`))

const openExisting: OpeningMode = { opening: "existing", worksInBackground: false, notify: writeNote }

const openOrCreate: OpeningMode = { opening: "create", worksInBackground: false, notify: writeNote }

const openForService: OpeningMode = {
  opening: "create",
  worksInBackground: true,
  notify: (text) => Effect.logInfo(text)
}

/** Describes where a schema is. */
const describePlace = (target: DatabaseTarget, schema: string | null): string => {
  const name = escapeLine(target.name)
  return target._tag === "Directory"
    ? schema === null || schema === defaultSchema
      ? name
      : `schema ${JSON.stringify(schema)} of ${name}`
    : `schema ${JSON.stringify(schema)} on ${name}`
}

/** Adds the place that was searched, and the commands that create a backlog, to an error. */
const describeMissing = (error: BacklogMissing, target: DatabaseTarget): BacklogMissing => {
  const place =
    target._tag === "Directory" && target.searchedFrom !== undefined
      ? `${escapeLine(target.searchedFrom)} or the directories above it (${target.name})`
      : describePlace(target, error.schema)
  return new BacklogMissing({ ...error, place, ...(error.toDo === createHint ? { toDo: createCommands } : {}) })
}

/** A selected database, and what was noted and chosen with it. */
type ChosenDatabase = Effect.Success<ReturnType<typeof selectDatabase>>

/**
 * Runs an effect with a layer over a database, and adds the database's name to its errors. Reports on standard error
 * whether a backlog was created or migrated, and whether `DATABASE_URL` was preferred to a `.backlog`.
 */
const runOver =
  ({ opening, worksInBackground, notify }: OpeningMode) =>
  <R, LE>(layerOf: (target: DatabaseTarget, schema: string | undefined) => Layer.Layer<R, LE>) =>
    Effect.fnUntraced(function* <A, E, R2>(
      { note, schema, target }: ChosenDatabase,
      effect: Effect.Effect<A, E, R | R2>
    ) {
      const io = yield* ProcessIO
      const report = (text: string) => Effect.provideService(notify(text), ProcessIO, io)
      if (note !== undefined) yield* report(note)
      const isNew = opening === "create" && target._tag === "Directory" && !existsSync(target.directory)
      if (isNew && io.stderr.isTerminal) {
        io.stderr.write(`Creating a backlog in ${escapeLine(target.directory)} …\n`)
      }
      const onCreated = (created: string) => report(`a new backlog was created in ${describePlace(target, created)}`)
      const onMigrated = (migrated: string, names: ReadonlyArray<string>) =>
        report(
          `the backlog in ${describePlace(target, migrated)} was migrated (${names.join(", ")}): older programs can no longer open it`
        )
      // This also ends a server that waits for requests and a follower that waits for events.
      const loss = yield* Deferred.make<never, DirectoryLost>()
      const onLost = (lost: DirectoryLost) => Deferred.doneUnsafe(loss, Effect.fail(lost))
      return yield* Effect.raceFirst(effect, Deferred.await(loss)).pipe(
        Effect.provide(
          Layer.provide(layerOf(target, schema), [
            Layer.succeed(BacklogOpening)({ opening, onCreated, onMigrated }),
            Layer.succeed(OnDirectoryLost)(onLost),
            layerIdPrefix,
            worksInBackground
              ? Layer.empty
              : Layer.merge(Layer.succeed(RemovalSchedule)("off"), Layer.succeed(KeyframeSchedule)("off")),
            layerPostgresTimeouts
          ])
        ),
        Effect.mapError((error) => {
          const failure = toDatabaseError(error as E | LE | SqlError.SqlError, target.name)
          return failure instanceof BacklogMissing ? (describeMissing(failure, target) as typeof failure) : failure
        })
      )
    })

const layerBacklog =
  (opening: Opening, poolSize: number) =>
  (
    target: DatabaseTarget,
    schema: string | undefined
  ): Layer.Layer<BacklogServices, Layer.Error<ReturnType<typeof layerPglite>>> =>
    target._tag === "Server"
      ? layerPostgres({ url: target.url, schema, poolSize, prepare: target.prepare })
      : layerPglite({ dataDir: target.directory, schema, opening })

/** Runs an effect with the services of a served backlog. */
export const runOverHttp = Effect.fnUntraced(function* <A, E, R>(
  target: ServedTarget,
  effect: Effect.Effect<A, E, CommandServices | R>
) {
  const { layerHttp } = yield* Effect.promise(() => import("../http/client/layerHttp.ts"))
  return yield* effect.pipe(
    Effect.provide(layerHttp({ url: target.url, token: target.token })),
    Effect.mapError((error) => toServedError(error, target))
  )
})

/** Runs an effect with the services of the selected backlog, over its database or over HTTP. */
const runWithBacklog = (mode: OpeningMode, poolSize: number) => {
  const run = runOver(mode)(layerBacklog(mode.opening, poolSize))
  return Effect.fnUntraced(function* <A, E, R>(effect: Effect.Effect<A, E, CommandServices | R>) {
    const { target, ...chosen } = yield* selectTarget
    return yield* target._tag === "Served" ? runOverHttp(target, effect) : run({ ...chosen, target }, effect)
  })
}

/** Runs an effect with the services of the selected backlog, which must exist. */
export const withBacklog = runWithBacklog(openExisting, 2)

/** Runs an effect with the services of the selected backlog, creating it if it is missing and is not served. */
export const withNewBacklog = runWithBacklog(openOrCreate, 2)

/** Like `withBacklog`, with more connections, for an effect that runs many commands concurrently. */
export const withConcurrentBacklog = runWithBacklog(openExisting, 10)

/** Runs an effect over the selected database, for the command that the errors name. */
const runOverDatabase =
  (mode: OpeningMode) =>
  <R, LE>(layerOf: (target: DatabaseTarget, schema: string | undefined) => Layer.Layer<R, LE>) => {
    const run = runOver(mode)(layerOf)
    return <A, E, R2>(command: string, effect: Effect.Effect<A, E, R | R2>) =>
      Effect.flatMap(selectDatabase(command), (chosen) => run(chosen, effect))
  }

/** Runs an effect over the selected database, creating the backlog if it is missing. For a program that keeps its own log. */
export const withAgentBacklog = runOverDatabase(openForService)(layerBacklog("create", 2))

/** Runs an effect with the services that a server of the backlog needs, creating the backlog if it is missing. */
export const withServer = runOverDatabase(openForService)((target, schema) =>
  Layer.mergeAll(AccessTokens.layer, Doctor.layer).pipe(
    Layer.provideMerge(layerBacklog("create", 10)(target, schema)),
    Layer.provide(layerSchema(schema))
  )
)

const layerSchema = (schema: string | undefined): Layer.Layer<never> =>
  schema === undefined ? Layer.empty : Layer.succeed(BacklogSchema)(schema)

/**
 * Runs an effect after applying the missing migrations and granting the roles their privileges. Creates the backlog if it
 * is missing.
 */
export const withMigrations = Effect.fnUntraced(function* <A, E, R>(
  roles: RoleNames,
  effect: Effect.Effect<A, E, R | Migrations>
) {
  const { target } = yield* selectDatabase("migrate")
  if (target._tag === "Directory" && Object.values(roles).some((name) => name !== undefined)) {
    return yield* new InvalidInput({
      problem: "roles need a backlog on a server: in a directory, every user with access to the files can do everything"
    })
  }
  return yield* runMigrations(roles)("migrate", effect)
})

const runMigrations = (roles: RoleNames) =>
  runOverDatabase(openOrCreate)((target, schema) =>
    provideClient(Layer.provide(Migrations.layer, Layer.succeed(BacklogRoles)(roles)), target, schema, "create")
  )

/** Runs an effect with the access tokens of the backlog, which must exist. */
export const withAccessTokens = runOverDatabase(openExisting)((target, schema) =>
  provideClient(AccessTokens.layer, target, schema, "existing")
)

/** Runs an effect with the backlog's doctor. Applies no migration and creates no directory. */
export const withDoctor = <A, E, R>(effect: Effect.Effect<A, E, Doctor | Erasures | R>) => runDoctor("doctor", effect)

const runDoctor = runOverDatabase(openExisting)((target, schema) =>
  provideClient(Layer.mergeAll(Doctor.layer, Erasures.layer), target, schema, "existing", 4)
)

/** The directory of the selected database. `undefined` for a server. */
export const targetDirectory = Effect.map(selectTarget, ({ target }) =>
  target._tag === "Directory" ? target.directory : undefined
)

/**
 * The environment variables by which a command line in any directory selects the same backlog. That of a server also needs
 * `BACKLOG_TOKEN`, which the environment already contains, and has no schema.
 */
export const selectedBacklogVariables = Effect.map(
  selectTarget,
  ({ schema, target }): Readonly<Record<string, string>> =>
    target._tag === "Served"
      ? { BACKLOG_DATABASE_URL: target.url }
      : {
          BACKLOG_DATABASE_URL: target._tag === "Directory" ? resolve(target.directory) : target.url,
          BACKLOG_SCHEMA: schema ?? defaultSchema
        }
)

/** Provides a service with a client of the selected database and its schema. */
const provideClient = <A, E>(
  service: Layer.Layer<A, E, SqlClient.SqlClient>,
  target: DatabaseTarget,
  schema: string | undefined,
  opening: Opening,
  poolSize = 2
) =>
  service.pipe(
    Layer.provide(
      target._tag === "Server"
        ? layerPostgresClient({ url: target.url, poolSize, prepare: target.prepare })
        : layerPgliteClient({ dataDir: target.directory, opening })
    ),
    Layer.provide(layerSchema(schema))
  )

/** The prefix of generated ids: `BACKLOG_ID_PREFIX`. */
const layerIdPrefix: Layer.Layer<never, InvalidInput, ProcessIO> = Layer.effect(
  GeneratedIdPrefix,
  Effect.gen(function* () {
    const prefix = readVariable((yield* ProcessIO).env, "BACKLOG_ID_PREFIX") ?? ""
    return isIdPrefix(prefix)
      ? prefix
      : yield* new InvalidInput({
          problem: `BACKLOG_ID_PREFIX takes at most ${maxIdPrefixLength} characters, without control characters and without white space at the beginning`
        })
  })
)

/** Maximum timeout in seconds: one day, which is longer than any statement and within the range of timers. */
const maxTimeoutSeconds = 24 * 60 * 60

/**
 * The timeouts of connections to a server, in seconds: `BACKLOG_BATCH_TIMEOUT` for batches of commands,
 * `BACKLOG_ANSWER_TIMEOUT` for other statements. Both default to the library's timeouts.
 */
const layerPostgresTimeouts: Layer.Layer<never, InvalidInput, ProcessIO> = Layer.effect(
  PostgresTimeouts,
  Effect.gen(function* () {
    const { env } = yield* ProcessIO
    const seconds = (name: EnvironmentVariable, byDefault: Duration.Duration) => {
      const text = readVariable(env, name)
      if (text === undefined) return Effect.succeed(byDefault)
      const value = Number(text)
      return /^\d+(\.\d+)?$/.test(text) && value >= 1 && value <= maxTimeoutSeconds
        ? Effect.succeed(Duration.seconds(value))
        : Effect.fail(new InvalidInput({ problem: `${name} takes a number of seconds from 1 to ${maxTimeoutSeconds}` }))
    }
    return {
      ...defaultTimeouts,
      batchTimeout: yield* seconds("BACKLOG_BATCH_TIMEOUT", defaultTimeouts.batchTimeout),
      answerTimeout: yield* seconds("BACKLOG_ANSWER_TIMEOUT", defaultTimeouts.answerTimeout)
    }
  })
)
