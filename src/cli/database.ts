import { Deferred, Duration, Effect, Layer, Schema } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { existsSync } from "node:fs"
import { toDatabaseError } from "./databaseErrors.ts"
import { ProcessIO } from "./ProcessIO.ts"
import { type DatabaseTarget, resolveDatabaseTarget, parseTarget } from "./databaseTarget.ts"
import { Db, nonEmpty, SchemaFlag } from "./flags.ts"
import { escapeLine } from "./terminalText.ts"
import {
  AccessTokens,
  BacklogMissing,
  BacklogOpening,
  type BacklogServices,
  Doctor,
  Erasures,
  InvalidInput,
  layerPglite,
  layerPostgres,
  type Opening,
  RemovalSchedule
} from "../index.ts"
import { type DirectoryLost, OnDirectoryLost } from "../services/files/directoryErrors.ts"
import { layerPgliteClient } from "../services/pglite/PgliteClient.ts"
import { defaultTimeouts, layerPostgresClient, PostgresTimeouts } from "../services/postgres/PostgresClient.ts"
import { createHint } from "../services/schema/BacklogOpening.ts"
import { BacklogRoles, type RoleNames } from "../services/schema/BacklogRoles.ts"
import { Migrations } from "../services/schema/Migrations.ts"
import { BacklogSchema, SchemaName } from "../sql/SchemaName.ts"

const selectTarget = Effect.gen(function* () {
  const schema = yield* SchemaFlag
  if (schema !== undefined && !Schema.is(SchemaName)(schema)) {
    return yield* new InvalidInput({
      problem:
        "--schema takes lower case letters, digits and underscores, not beginning with a digit, at most 63 characters"
    })
  }
  const chosen = yield* Effect.fromResult(resolveDatabaseTarget(yield* Db, (yield* ProcessIO).env))
  return { meant: chosen.target, note: chosen.note, schema }
})

/** A client of a server that is not the backlog's: one connection. The name is for errors, and has no password. */
export const makeServerClient = Effect.fnUntraced(function* (flag: string, url: string) {
  const meant = yield* Effect.fromResult(parseTarget(flag, url, { prepare: false, env: (yield* ProcessIO).env }))
  if (meant._tag === "Directory") return yield* new InvalidInput({ problem: `${flag} takes a postgres:// URL` })
  return { name: meant.name, layer: layerPostgresClient({ url: meant.url, poolSize: 1, prepare: meant.prepare }) }
})

/** Which commands create a backlog, in an error of the others. */
const createCommands =
  "`backlog create`, `import`, `migrate`, `serve` and `mcp` create one; --db names another directory or server."

/** What a command does where there is no backlog, and how it says what people must know. */
interface OpeningMode {
  readonly opening: Opening
  /** Whether erased bytes are removed from the data files in the background: by programs that run for long. */
  readonly removesErasedBytes: boolean
  /** A line on standard error, or an entry of the log that is there. */
  readonly notify: (text: string) => Effect.Effect<void, never, ProcessIO>
}

const writeNote = (text: string) => Effect.map(ProcessIO, ({ stderr }) => stderr.write(`note: ${text}\n`))

const openExisting: OpeningMode = { opening: "existing", removesErasedBytes: false, notify: writeNote }

const openOrCreate: OpeningMode = { opening: "create", removesErasedBytes: false, notify: writeNote }

const openForService: OpeningMode = {
  opening: "create",
  removesErasedBytes: true,
  notify: (text) => Effect.logInfo(text)
}

/** Where a schema is, for people. */
const describePlace = (meant: DatabaseTarget, schema: string | null): string => {
  const name = escapeLine(meant.name)
  return meant._tag === "Directory"
    ? schema === null || schema === "backlog"
      ? name
      : `schema ${JSON.stringify(schema)} of ${name}`
    : `schema ${JSON.stringify(schema)} on ${name}`
}

/** An error of a place without a backlog, in the words of the command line. */
const describeMissing = (error: BacklogMissing, meant: DatabaseTarget): BacklogMissing => {
  const place =
    meant._tag === "Directory" && meant.searchedFrom !== undefined
      ? `${escapeLine(meant.searchedFrom)} or the directories above it (${meant.name})`
      : describePlace(meant, error.schema)
  return new BacklogMissing({ ...error, place, ...(error.toDo === createHint ? { toDo: createCommands } : {}) })
}

/**
 * Runs what needs a layer in the database that is meant; the database's errors then say which one it was. Says on
 * standard error what was created, and which database was chosen over one that people might expect.
 */
const runWithin =
  ({ opening, removesErasedBytes, notify }: OpeningMode) =>
  <R, LE>(layerOf: (meant: DatabaseTarget, schema: string | undefined) => Layer.Layer<R, LE>) =>
    Effect.fnUntraced(function* <A, E, R2>(effect: Effect.Effect<A, E, R | R2>) {
      const { meant, note, schema } = yield* selectTarget
      const io = yield* ProcessIO
      const told = (text: string) => Effect.provideService(notify(text), ProcessIO, io)
      if (note !== undefined) yield* told(note)
      const isNew = opening === "create" && meant._tag === "Directory" && !existsSync(meant.directory)
      if (isNew && io.stderr.isTerminal) {
        io.stderr.write(`Creating a backlog in ${escapeLine(meant.directory)}, which takes some seconds …\n`)
      }
      const onCreated = (created: string) => told(`a new backlog was created in ${describePlace(meant, created)}`)
      const onMigrated = (migrated: string, names: ReadonlyArray<string>) =>
        told(
          `the backlog in ${describePlace(meant, migrated)} was migrated (${names.join(", ")}): older programs cannot start on it any more`
        )
      // A server that waits for requests, and a follower that waits for events, end too.
      const loss = yield* Deferred.make<never, DirectoryLost>()
      const onLost = (lost: DirectoryLost) => Deferred.doneUnsafe(loss, Effect.fail(lost))
      return yield* Effect.raceFirst(effect, Deferred.await(loss)).pipe(
        Effect.provide(
          Layer.provide(layerOf(meant, schema), [
            Layer.succeed(BacklogOpening)({ opening, onCreated, onMigrated }),
            Layer.succeed(OnDirectoryLost)(onLost),
            removesErasedBytes ? Layer.empty : Layer.succeed(RemovalSchedule)("off"),
            layerPostgresTimeouts
          ])
        ),
        Effect.mapError((error) => {
          const trouble = toDatabaseError(error as E | LE | SqlError.SqlError, meant.name)
          return trouble instanceof BacklogMissing ? (describeMissing(trouble, meant) as typeof trouble) : trouble
        })
      )
    })

const layerBacklog =
  (opening: Opening, poolSize: number) =>
  (
    meant: DatabaseTarget,
    schema: string | undefined
  ): Layer.Layer<BacklogServices, Layer.Error<ReturnType<typeof layerPglite>>> =>
    meant._tag === "Server"
      ? layerPostgres({ url: meant.url, schema, poolSize, prepare: meant.prepare })
      : layerPglite({ dataDir: meant.directory, schema, opening })

/** Runs an effect with the services of the backlog that the flags and the environment name, which must exist. */
export const withBacklog = runWithin(openExisting)(layerBacklog("existing", 2))

/** The same, and creates the backlog where there is none. */
export const withNewBacklog = runWithin(openOrCreate)(layerBacklog("create", 2))

/** The same for a program with a log of its own. */
export const withAgentBacklog = runWithin(openForService)(layerBacklog("create", 2))

/** Runs an effect that does many things at once with the services of a backlog, which must exist. */
export const withConcurrentBacklog = runWithin(openExisting)(layerBacklog("existing", 10))

/** Runs an effect with all that a server of that backlog needs, and creates the backlog where there is none. */
export const withServer = runWithin(openForService)((meant, schema) =>
  Layer.mergeAll(AccessTokens.layer, Doctor.layer).pipe(
    Layer.provideMerge(layerBacklog("create", 10)(meant, schema)),
    Layer.provide(layerSchema(schema))
  )
)

const layerSchema = (schema: string | undefined): Layer.Layer<never> =>
  schema === undefined ? Layer.empty : Layer.succeed(BacklogSchema)(schema)

/**
 * Runs an effect with the migrations of that backlog, those that were missing applied, and the roles given what they
 * need of it. Creates the backlog where there is none.
 */
export const withMigrations = Effect.fnUntraced(function* <A, E, R>(
  roles: RoleNames,
  effect: Effect.Effect<A, E, R | Migrations>
) {
  const { meant } = yield* selectTarget
  if (meant._tag === "Directory" && Object.values(roles).some((name) => name !== undefined)) {
    return yield* new InvalidInput({
      problem:
        "roles share a backlog on a server: in a directory, whoever may read and write its files may do everything"
    })
  }
  return yield* runMigrations(roles)(effect)
})

const runMigrations = (roles: RoleNames) =>
  runWithin(openOrCreate)((meant, schema) =>
    provideClient(Layer.provide(Migrations.layer, Layer.succeed(BacklogRoles)(roles)), meant, schema, "create")
  )

/** Runs an effect with the tokens of a server of that backlog, which must exist. */
export const withAccessTokens = runWithin(openExisting)((meant, schema) =>
  provideClient(AccessTokens.layer, meant, schema, "existing")
)

/** Runs an effect with the doctor of that backlog; no migration is applied, and no directory created. */
export const withDoctor = runWithin(openExisting)((meant, schema) =>
  provideClient(Layer.mergeAll(Doctor.layer, Erasures.layer), meant, schema, "existing", 4)
)

/** The directory of the database that is meant; undefined for a server. */
export const targetDirectory = Effect.map(selectTarget, ({ meant }) =>
  meant._tag === "Directory" ? meant.directory : undefined
)

/** A service that needs no more than a client of the database, in the schema that is meant. */
const provideClient = <A, E>(
  service: Layer.Layer<A, E, SqlClient.SqlClient>,
  meant: DatabaseTarget,
  schema: string | undefined,
  opening: Opening,
  poolSize = 2
) =>
  service.pipe(
    Layer.provide(
      meant._tag === "Server"
        ? layerPostgresClient({ url: meant.url, poolSize, prepare: meant.prepare })
        : layerPgliteClient({ dataDir: meant.directory, opening })
    ),
    Layer.provide(layerSchema(schema))
  )

/** A day: longer than any statement of a command, and far from what a timer takes. */
const maxTimeoutSeconds = 24 * 60 * 60

/**
 * The timeouts of connections to a server, in seconds: `BACKLOG_BATCH_TIMEOUT` for batches of commands,
 * `BACKLOG_ANSWER_TIMEOUT` for other statements. Default to those of the library.
 */
const layerPostgresTimeouts: Layer.Layer<never, InvalidInput, ProcessIO> = Layer.effect(
  PostgresTimeouts,
  Effect.gen(function* () {
    const { env } = yield* ProcessIO
    const seconds = (name: string, byDefault: Duration.Duration) => {
      const text = nonEmpty(env[name])
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
