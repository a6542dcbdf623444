import { Deferred, Effect, Layer, Schema } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { existsSync } from "node:fs"
import { BacklogSchema, SchemaName } from "../sql/SchemaName.ts"
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
import { createHint } from "../services/schema/BacklogOpening.ts"
import { BacklogRoles, type RoleNames } from "../services/schema/BacklogRoles.ts"
import { type DirectoryLost, OnDirectoryLost } from "../services/files/directoryErrors.ts"
import { Migrations } from "../services/schema/Migrations.ts"
import { layerPgliteClient } from "../services/pglite/PgliteClient.ts"
import { layerPostgresClient } from "../services/postgres/PostgresClient.ts"
import { databaseTrouble } from "./DatabaseUnavailable.ts"
import { type DatabaseTarget, databaseTarget, targetOf } from "./databaseTarget.ts"
import { Db, SchemaFlag } from "./globals.ts"
import { Host } from "./Host.ts"
import { layerPostgresTimeouts } from "./postgresTimeouts.ts"
import { oneLine } from "./terminalText.ts"

const target = Effect.gen(function* () {
  const schema = yield* SchemaFlag
  if (schema !== undefined && !Schema.is(SchemaName)(schema)) {
    return yield* new InvalidInput({
      problem:
        "--schema takes lower case letters, digits and underscores, not beginning with a digit, at most 63 characters"
    })
  }
  const chosen = yield* Effect.fromResult(databaseTarget(yield* Db, (yield* Host).env))
  return { meant: chosen.target, note: chosen.note, schema }
})

/** A client of a server that is not the backlog's: one connection. The name is for errors, and has no password. */
export const otherServer = Effect.fnUntraced(function* (flag: string, url: string) {
  const meant = yield* Effect.fromResult(targetOf(flag, url, { prepare: false, env: (yield* Host).env }))
  if (meant._tag === "Directory") return yield* new InvalidInput({ problem: `${flag} takes a postgres:// URL` })
  return { name: meant.name, layer: layerPostgresClient({ url: meant.url, poolSize: 1, prepare: meant.prepare }) }
})

/** Which commands create a backlog, in an error of the others. */
const howToCreate =
  "`backlog create`, `import`, `migrate`, `serve` and `mcp` create one; --db names another directory or server."

/** What a command does where there is no backlog, and how it says what people must know. */
interface Manner {
  readonly opening: Opening
  /** Whether erased bytes are removed from the data files in the background: by programs that run for long. */
  readonly removes: boolean
  /** A line on standard error, or an entry of the log that is there. */
  readonly say: (text: string) => Effect.Effect<void, never, Host>
}

const line = (text: string) => Effect.map(Host, ({ stderr }) => stderr.write(`note: ${text}\n`))
const reads: Manner = { opening: "existing", removes: false, say: line }
const creates: Manner = { opening: "create", removes: false, say: line }
const createsAndLogs: Manner = { opening: "create", removes: true, say: (text) => Effect.logInfo(text) }

/** Where a schema is, for people. */
const placeOf = (meant: DatabaseTarget, schema: string | null): string => {
  const name = oneLine(meant.name)
  return meant._tag === "Directory"
    ? schema === null || schema === "backlog"
      ? name
      : `schema ${JSON.stringify(schema)} of ${name}`
    : `schema ${JSON.stringify(schema)} on ${name}`
}

/** An error of a place without a backlog, in the words of the command line. */
const missingIn = (error: BacklogMissing, meant: DatabaseTarget): BacklogMissing => {
  const place =
    meant._tag === "Directory" && meant.searchedFrom !== undefined
      ? `${oneLine(meant.searchedFrom)} or the directories above it (${meant.name})`
      : placeOf(meant, error.schema)
  return new BacklogMissing({ ...error, place, ...(error.toDo === createHint ? { toDo: howToCreate } : {}) })
}

/**
 * Runs what needs a layer in the database that is meant; the database's errors then say which one it was. Says on
 * standard error what was created, and which database was chosen over one that people might expect.
 */
const within =
  ({ opening, removes, say }: Manner) =>
  <R, LE>(layerOf: (meant: DatabaseTarget, schema: string | undefined) => Layer.Layer<R, LE>) =>
    Effect.fnUntraced(function* <A, E, R2>(effect: Effect.Effect<A, E, R | R2>) {
      const { meant, note, schema } = yield* target
      const host = yield* Host
      const told = (text: string) => Effect.provideService(say(text), Host, host)
      if (note !== undefined) yield* told(note)
      const isNew = opening === "create" && meant._tag === "Directory" && !existsSync(meant.directory)
      if (isNew && host.stderr.isTerminal) {
        host.stderr.write(`Creating a backlog in ${oneLine(meant.directory)}, which takes some seconds …\n`)
      }
      const onCreated = (created: string) => told(`a new backlog was created in ${placeOf(meant, created)}`)
      const onMigrated = (migrated: string, names: ReadonlyArray<string>) =>
        told(
          `the backlog in ${placeOf(meant, migrated)} was migrated (${names.join(", ")}): older programs cannot start on it any more`
        )
      // A server that waits for requests, and a follower that waits for events, end too.
      const loss = yield* Deferred.make<never, DirectoryLost>()
      const onLost = (lost: DirectoryLost) => Deferred.doneUnsafe(loss, Effect.fail(lost))
      return yield* Effect.raceFirst(effect, Deferred.await(loss)).pipe(
        Effect.provide(
          Layer.provide(layerOf(meant, schema), [
            Layer.succeed(BacklogOpening)({ opening, onCreated, onMigrated }),
            Layer.succeed(OnDirectoryLost)(onLost),
            removes ? Layer.empty : Layer.succeed(RemovalSchedule)("off"),
            layerPostgresTimeouts
          ])
        ),
        Effect.mapError((error) => {
          const trouble = databaseTrouble(error as E | LE | SqlError.SqlError, meant.name)
          return trouble instanceof BacklogMissing ? (missingIn(trouble, meant) as typeof trouble) : trouble
        })
      )
    })

const backlogOf =
  (opening: Opening, poolSize: number) =>
  (
    meant: DatabaseTarget,
    schema: string | undefined
  ): Layer.Layer<BacklogServices, Layer.Error<ReturnType<typeof layerPglite>>> =>
    meant._tag === "Server"
      ? layerPostgres({ url: meant.url, schema, poolSize, prepare: meant.prepare })
      : layerPglite({ dataDir: meant.directory, schema, opening })

/** Runs an effect with the services of the backlog that the flags and the environment name, which must exist. */
export const withBacklog = within(reads)(backlogOf("existing", 2))

/** The same, and creates the backlog where there is none. */
export const withNewBacklog = within(creates)(backlogOf("create", 2))

/** The same for a program with a log of its own. */
export const withAgentsBacklog = within(createsAndLogs)(backlogOf("create", 2))

/** Runs an effect that does many things at once with the services of a backlog, which must exist. */
export const withBusyBacklog = within(reads)(backlogOf("existing", 10))

/** Runs an effect with all that a server of that backlog needs, and creates the backlog where there is none. */
export const withServer = within(createsAndLogs)((meant, schema) =>
  Layer.mergeAll(AccessTokens.layer, Doctor.layer).pipe(
    Layer.provideMerge(backlogOf("create", 10)(meant, schema)),
    Layer.provide(inSchema(schema))
  )
)

const inSchema = (schema: string | undefined): Layer.Layer<never> =>
  schema === undefined ? Layer.empty : Layer.succeed(BacklogSchema)(schema)

/**
 * Runs an effect with the migrations of that backlog, those that were missing applied, and the roles given what they
 * need of it. Creates the backlog where there is none.
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
  within(creates)((meant, schema) =>
    overClient(Layer.provide(Migrations.layer, Layer.succeed(BacklogRoles)(roles)), meant, schema, "create")
  )

/** Runs an effect with the tokens of a server of that backlog, which must exist. */
export const withAccessTokens = within(reads)((meant, schema) =>
  overClient(AccessTokens.layer, meant, schema, "existing")
)

/** Runs an effect with the doctor of that backlog; no migration is applied, and no directory created. */
export const withDoctor = within(reads)((meant, schema) =>
  overClient(Layer.mergeAll(Doctor.layer, Erasures.layer), meant, schema, "existing", 4)
)

/** The directory of the database that is meant; undefined for a server. */
export const meantDirectory = Effect.map(target, ({ meant }) =>
  meant._tag === "Directory" ? meant.directory : undefined
)

/** A service that needs no more than a client of the database, in the schema that is meant. */
const overClient = <A, E>(
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
    Layer.provide(inSchema(schema))
  )
