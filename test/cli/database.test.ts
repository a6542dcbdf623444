import { Result } from "effect"
import { describe, expect, it } from "vitest"
import { databaseTarget } from "../../src/cli/database.ts"

const url = "postgres://me:secret@db.example:6432/work"

describe("the database that is meant", () => {
  it("prepares statements by name unless it is told not to", () => {
    const meant = (env: Record<string, string>) => Result.getOrThrow(databaseTarget(url, env))
    expect(meant({})).toEqual({ _tag: "Server", url, name: "db.example:6432", prepare: true })
    expect(meant({ BACKLOG_PREPARE: "on" })).toMatchObject({ prepare: true })
    expect(meant({ BACKLOG_PREPARE: "off" })).toMatchObject({ prepare: false })
  })

  it("is refused where that is said in words that nobody knows", () => {
    const refused = databaseTarget(url, { BACKLOG_PREPARE: "no" })
    expect(Result.isFailure(refused) && refused.failure.message).toContain("BACKLOG_PREPARE takes on or off")
  })
})
