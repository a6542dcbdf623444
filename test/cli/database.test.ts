import { layer } from "@effect/vitest"
import { Effect, Redacted, Result } from "effect"
import { SqlClient } from "effect/sql"
import { chown, mkdir, readdir } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { resolveDatabaseTarget, type ServedTarget } from "../../src/cli/databaseTarget.ts"
import { toDatabaseError } from "../../src/cli/databaseErrors.ts"
import { postgresClient } from "../support/backlogs.ts"
import { json, temporaryDirectory } from "./support.ts"

const url = "postgres://me:secret@db.example:6432/work"

describe("the selected database", () => {
  test("named prepared statements are on unless BACKLOG_PREPARE is off", () => {
    const meant = (env: Record<string, string>) => Result.getOrThrow(resolveDatabaseTarget(url, env)).target
    expect(meant({})).toEqual({ _tag: "Server", url, name: "db.example:6432", prepare: true })
    expect(meant({ BACKLOG_PREPARE: "on" })).toMatchObject({ prepare: true })
    expect(meant({ BACKLOG_PREPARE: "off" })).toMatchObject({ prepare: false })
  })

  test("an unknown value of BACKLOG_PREPARE is refused", () => {
    const refused = resolveDatabaseTarget(url, { BACKLOG_PREPARE: "no" })
    expect(Result.isFailure(refused) && refused.failure.message).toContain("BACKLOG_PREPARE takes on or off")
  })
})

test("the schema of the environment is checked", async () => {
  const refused = await json(["list"], { env: { BACKLOG_SCHEMA: "A" } })
  expect([refused.code, refused.error]).toEqual([
    2,
    expect.objectContaining({
      _tag: "InvalidInput",
      problem: expect.stringMatching(/^BACKLOG_SCHEMA takes lower-case/)
    })
  ])
})

describe("a served backlog", () => {
  const selected = (address: string, env: Record<string, string> = {}) =>
    Result.getOrThrow(resolveDatabaseTarget(address, env)).target

  test("is the URL of a server without the slash at its end, and its token is that of BACKLOG_TOKEN", () => {
    expect(selected("https://backlog.example/team/")).toEqual({
      _tag: "Served",
      url: "https://backlog.example/team",
      name: "https://backlog.example/team",
      token: undefined
    })
    const { token } = selected("HTTP://Localhost:4010", { BACKLOG_TOKEN: "mbk_1" }) as ServedTarget
    expect(token === undefined ? undefined : Redacted.value(token)).toBe("mbk_1")
    expect(
      Result.getOrThrow(resolveDatabaseTarget(undefined, { BACKLOG_DATABASE_URL: "http://[::1]:4010" })).target
    ).toMatchObject({ _tag: "Served", url: "http://[::1]:4010" })
  })
})

describe("a database's value", () => {
  test.each([
    ["file:./dev.db", "not a file: URL"],
    ["sqlite:dev.db", "not a sqlite: URL"],
    ["sqlite://dev.db", "not a sqlite:// URL"],
    ["mysql://h/d", "not a mysql:// URL"],
    ['"postgres://me:secret@h/d"', "has quotes around it"],
    [" postgres://me:secret@h/d", "has white space around it"],
    ["host=h port=1 password=secret", "not keywords"],
    ["127.0.0.1:5432/work", "no postgres:// before the host"],
    ["me:secret@db.example/work", "no postgres:// before the host"],
    ["./jdbc:postgres://me:secret@h/d", "has a URL in it"],
    ["postgres:work", "is not a URL of the form postgres://"],
    ["localhost:5432", "no postgres:// before the host"],
    ["postgres://h/?schema=public", 'no connection setting "schema"']
  ])("a value that is not a database is refused: %s", async (value, words) => {
    for (const env of [{ DATABASE_URL: value }, { BACKLOG_DATABASE_URL: value }]) {
      const refused = resolveDatabaseTarget(undefined, env)
      expect(Result.isFailure(refused) && refused.failure.message).toContain(words)
      expect(Result.isFailure(refused) && refused.failure.message).not.toContain("secret")
    }
    const folder = await temporaryDirectory()
    const before = process.cwd()
    process.chdir(folder)
    try {
      const { code, error } = await json(["create", "--id", "a", "--title", "A"], { env: { DATABASE_URL: value } })
      expect([code, error?._tag]).toEqual([2, "InvalidInput"])
    } finally {
      process.chdir(before)
    }
    expect(await readdir(folder)).toEqual([])
  })

  test.each(["C:\\backlog", "c:/backlog", "./odd:name", "some/dir:x", "plain"])(
    "a path is a directory: %s",
    (value) => {
      expect(Result.getOrThrow(resolveDatabaseTarget(value, {})).target).toMatchObject({
        _tag: "Directory",
        directory: value
      })
    }
  )

  const isRoot = process.getuid?.() === 0
  const why = isRoot ? "" : " (skipped: only root can give a directory to another user)"

  test.skipIf(!isRoot)(
    `another user's .backlog is refused in a parent directory, but not in the current one${why}`,
    async () => {
      const folder = await temporaryDirectory()
      await mkdir(join(folder, ".backlog"))
      await mkdir(join(folder, "below"))
      const named = (from: string) => resolveDatabaseTarget(undefined, {}, from)
      expect(Result.getOrThrow(named(join(folder, "below"))).target).toMatchObject({
        directory: join(folder, ".backlog")
      })
      await chown(join(folder, ".backlog"), 65_534, 65_534)
      const refused = named(join(folder, "below"))
      expect(Result.isFailure(refused) && refused.failure.message).toContain("belongs to another user")
      expect(Result.getOrThrow(named(folder)).target).toMatchObject({ directory: ".backlog" })
    }
  )
})

layer(postgresClient(1), { timeout: "60 seconds", excludeTestServices: true })("a lost prepared statement", (it) => {
  it.effect("the error mentions a pooler and the setting that helps", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const error = yield* Effect.flip(sql.unsafe("EXECUTE nobody_prepared_this"))
      const failure = toDatabaseError(error, "db.example:6432")
      expect(failure._tag).toBe("DatabaseFailed")
      expect(failure.message).toContain("BACKLOG_PREPARE=off")
    })
  )
})
