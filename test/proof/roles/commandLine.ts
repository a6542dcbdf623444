import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { expect } from "vitest"
import { cli, json } from "../../cli/support.ts"
import { postgresUrl } from "../../support/backlogs.ts"
import { alter, database, grantsIn, type Login, strangers, type Test } from "./support.ts"

/** The roles on the command line. */
export const commandLine = (test: Test): void => {
  test(
    "a superuser's backlog is shared with roles on the command line, and each role is refused what it may not do",
    Effect.gen(function* () {
      const { auditor, owner, schema, writer } = yield* strangers
      const where = yield* database
      yield* alter((role) => `REVOKE CREATE ON DATABASE ${where} FROM ${role}`, owner)
      const run = (url: string, ...argv: ReadonlyArray<string>) =>
        Effect.promise(() => cli([...argv, "--db", url, "--schema", schema]))
      const runJson = (url: string, ...argv: ReadonlyArray<string>) =>
        Effect.promise(() => json([...argv, "--db", url, "--schema", schema]))
      const succeeds = Effect.fnUntraced(function* ({ url }: Login, ...argv: ReadonlyArray<string>) {
        const ran = yield* run(url, ...argv)
        expect([argv, ran.code, ran.stderr]).toEqual([argv, 0, ""])
      })

      expect((yield* run(postgresUrl(), "create", "--id", "a", "--title", "A", "--body", "B")).code).toBe(0)
      const flags = ["--owner-role", owner.name, "--writer-role", writer.name, "--auditor-role", auditor.name]
      const admin = yield* SqlClient.SqlClient
      yield* succeeds({ name: "superuser", url: postgresUrl() }, "migrate", ...flags)
      // A table that a superuser created later, as a migration may.
      yield* admin`ALTER FUNCTION ${admin(`${schema}.refuse_change`)} () OWNER TO CURRENT_USER`
      const migrated = yield* run(postgresUrl(), "migrate", ...flags)
      expect([migrated.code, migrated.stderr]).toEqual([0, ""])
      expect(migrated.stdout).toContain(`The writer is ${writer.name}.`)
      for (const { name, owner: its } of yield* grantsIn(schema)) {
        if (its !== "") expect([name, its]).toEqual([name, owner.name])
      }

      yield* succeeds(writer, "create", "--id", "b", "--title", "B", "--depends-on", "a")
      yield* succeeds(writer, "claim", "--owner", "w")
      yield* succeeds(writer, "complete", "a", "--token", "2")
      for (const command of [["verify"], ["anchor"], ["history", "a"], ["list"], ["list", "--at", "1"], ["events"]]) {
        yield* succeeds(auditor, ...command)
      }
      yield* succeeds(auditor, "export")
      const redacted = yield* run(owner.url, "redact", "a", "--part", "body", "--reason", "secret")
      expect([redacted.code, redacted.stderr]).toEqual([0, expect.stringMatching(/^note: backups, [^\n]*\n$/)])
      yield* succeeds(owner, "rebuild")
      yield* succeeds(owner, "migrate", "--writer-role", writer.name)
      yield* succeeds(auditor, "verify")
      yield* succeeds(writer, "claim", "--owner", "w")

      const denied: ReadonlyArray<readonly [Login, ReadonlyArray<string>]> = [
        [auditor, ["create", "--id", "c", "--title", "C"]],
        [auditor, ["claim", "--owner", "w"]],
        [auditor, ["complete", "b", "--force"]],
        [auditor, ["redact", "b", "--part", "title", "--reason", "r"]],
        [auditor, ["rebuild"]],
        [writer, ["redact", "b", "--part", "title", "--reason", "r"]],
        [writer, ["rebuild"]]
      ]
      for (const [{ url }, argv] of denied) {
        const { code, error } = yield* runJson(url, ...argv)
        expect([argv, code, error._tag]).toEqual([argv, 6, "NotPermitted"])
        expect(error.message).toMatch(
          /does not permit this user to do this: permission denied for .*everything else\.$/
        )
      }
      const { code, error } = yield* runJson(writer.url, "migrate", "--auditor-role", auditor.name)
      expect([code, error._tag]).toEqual([6, "MigrationRefused"])
      const missing = yield* runJson(owner.url, "migrate", "--auditor-role", "no such role")
      expect([missing.code, missing.error._tag]).toEqual([6, "MigrationRefused"])
    })
  )

  test(
    "roles are refused for a directory, which they cannot share",
    Effect.gen(function* () {
      const { code, error } = yield* Effect.promise(() =>
        json(["migrate", "--db", "no-such-directory", "--writer-role", "w"])
      )
      expect([code, error._tag]).toEqual([2, "InvalidInput"])
    })
  )
}
