import { PgClient } from "@effect/sql-pg"
import { type Duration, Effect, type Layer } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { Duplex } from "node:stream"
import type { DirectoryLocked, DirectoryUnusable } from "./DirectoryLock.ts"

export const layerPgliteClient = (
  options: {
    readonly dataDir?: string | undefined
    readonly lockWait?: Duration.Input | undefined
  } = {}
): Layer.Layer<PgClient.PgClient | SqlClient.SqlClient, DirectoryLocked | DirectoryUnusable | SqlError.SqlError> =>
  PgClient.layerFrom(
    Effect.gen(function* () {
      const db = yield* Effect.acquireRelease(
        Effect.promise(async () => {
          const { PGlite } = await import("@electric-sql/pglite")
          return options.dataDir === undefined ? PGlite.create() : PGlite.create(`${options.dataDir}/pgdata`)
        }),
        (db) => Effect.promise(() => db.close())
      )
      const stream = () =>
        new Duplex({
          read() {},
          write(chunk: Buffer, _encoding, done) {
            db.execProtocolRaw(new Uint8Array(chunk)).then(
              (answer) => {
                this.push(Buffer.from(answer))
                done()
              },
              (error: unknown) => done(error as Error)
            )
          }
        })
      return yield* PgClient.makeClient({ stream, username: "postgres", database: "postgres" })
    })
  )
