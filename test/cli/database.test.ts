import { layer } from "@effect/vitest"
import { Effect, Result } from "effect"
import { SqlClient } from "effect/sql"
import { describe, expect, test } from "vitest"
import { databaseTarget } from "../../src/cli/databaseTarget.ts"
import { databaseTrouble } from "../../src/cli/DatabaseUnavailable.ts"
import { postgresClient } from "../support/backlogs.ts"

const url = "postgres://me:secret@db.example:6432/work"

describe("the database that is meant", () => {
  test("prepares statements by name unless it is told not to", () => {
    const meant = (env: Record<string, string>) => Result.getOrThrow(databaseTarget(url, env)).target
    expect(meant({})).toEqual({ _tag: "Server", url, name: "db.example:6432", prepare: true })
    expect(meant({ BACKLOG_PREPARE: "on" })).toMatchObject({ prepare: true })
    expect(meant({ BACKLOG_PREPARE: "off" })).toMatchObject({ prepare: false })
  })

  test("is refused where that is said in words that nobody knows", () => {
    const refused = databaseTarget(url, { BACKLOG_PREPARE: "no" })
    expect(Result.isFailure(refused) && refused.failure.message).toContain("BACKLOG_PREPARE takes on or off")
  })
})

layer(postgresClient(1), { timeout: "60 seconds", excludeTestServices: true })(
  "a prepared statement that is lost",
  (it) => {
    it.effect("is told with what may be in between, and what to set", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const error = yield* Effect.flip(sql.unsafe("EXECUTE nobody_prepared_this"))
        const told = databaseTrouble(error, "db.example:6432")
        expect(told._tag).toBe("DatabaseFailed")
        expect(told.message).toContain("BACKLOG_PREPARE=off")
      })
    )
  }
)
