// Runs as a user other than root with the umask 0777. Folders of root occupy both places for the socket, in the directory and in
// TMPDIR. Uses the build. Prints one JSON document.
import { Cause, Effect, Exit, Layer, Logger } from "effect"
import { SqlClient } from "effect/sql"
import { inspectDirectoryAccess } from "../../dist/services/pglite/directoryPermissions.js"
import { layerPgliteClient } from "../../dist/services/pglite/PgliteClient.js"

const [dataDir] = process.argv.slice(2)
process.umask(0o777)
const warnings = []
const logger = Logger.layer([
  Logger.make(({ logLevel, message }) => void (logLevel === "Warn" && warnings.push(String(message))))
])
const open = (lockWait) =>
  Effect.provide(
    Effect.flatMap(SqlClient.SqlClient, (sql) => sql`CREATE TABLE IF NOT EXISTS written (n int)`),
    Layer.fresh(layerPgliteClient({ dataDir, lockWait }))
  )

const program = Effect.gen(function* () {
  yield* Effect.provide(
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE mine (n int)`
      const refused = yield* Effect.exit(open(0))
      const access = yield* Effect.promise(() => inspectDirectoryAccess(dataDir))
      process.stdout.write(
        JSON.stringify({
          warnings,
          refused: Exit.isFailure(refused) ? Cause.squash(refused.cause).message : "",
          access
        })
      )
    }),
    layerPgliteClient({ dataDir })
  )
})
await Effect.runPromise(Effect.provide(program, logger))
