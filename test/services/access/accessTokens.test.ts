import { Context, Duration, Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import crypto from "node:crypto"
import { syncBuiltinESMExports } from "node:module"
import { crc32 } from "node:zlib"
import { expect } from "vitest"
import { AccessTokens, AccessTokenStaleness } from "../../../src/index.ts"
import { BacklogTestClock } from "../../../src/services/layers.ts"
import { DatabaseClock } from "../../../src/sql/DatabaseClock.ts"
import { BacklogSchema } from "../../../src/sql/SchemaName.ts"
import { currentClient } from "../../support/backlogs.ts"
import { onServer } from "../../support/databases.ts"
import { until } from "../../support/waiting.ts"

/** The tokens of the test's backlog in a process that caches them for the given time. */
const tokensOf = (staleness: Duration.Input) =>
  Effect.gen(function* () {
    const client = yield* currentClient
    const clock = yield* BacklogTestClock
    let now = Duration.zero
    const start = yield* clock.now
    const context = yield* Layer.build(
      Layer.fresh(AccessTokens.layer).pipe(
        Layer.provide(client),
        Layer.provide([
          Layer.succeed(BacklogSchema)(yield* BacklogSchema),
          Layer.succeed(AccessTokenStaleness)(staleness),
          Layer.succeed(DatabaseClock)({ override: () => new Date(start.epochMilliseconds + Duration.toMillis(now)) })
        ])
      )
    )
    return {
      tokens: Context.get(context, AccessTokens),
      pass: (time: Duration.Input) => {
        now = Duration.sum(now, Duration.fromInputUnsafe(time))
      }
    }
  })

const refusalReason = (tokens: AccessTokens["Service"], text: string) =>
  Effect.map(Effect.flip(tokens.authenticate(Redacted.make(text))), (error) =>
    error._tag === "AccessTokenRefused" ? error.reason : error._tag
  )

/** Adds a valid checksum to a token's text. */
const textOf = (body: string): string => `${body}_${crc32(body).toString(16).padStart(8, "0")}`

onServer("the tokens of a server", (test) => {
  test(
    "are returned once, stored as a hash, and accepted later",
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const table = sql(`${yield* BacklogSchema}.access_tokens`)
      const { tokens } = yield* tokensOf("1 hour")
      const { secret, token } = yield* tokens.create({ actor: "ann", role: "worker", createdBy: "admin" })
      const text = Redacted.value(secret)
      expect(text).toMatch(new RegExp(`^mbk_${token.id}_[0-9a-f]{64}_[0-9a-f]{8}$`))
      expect(yield* tokens.authenticate(secret)).toEqual(token)
      const [row] = yield* sql<{ readonly whole: string }>`SELECT t::text AS whole FROM ${table} AS t`
      expect(row?.whole).toContain(token.id)
      expect(row?.whole).not.toContain(text.slice(21, 60))
      expect(JSON.stringify(secret)).not.toContain(text)
      expect(yield* tokens.list).toEqual([token])

      // Later calls use the cache and do not query the database.
      yield* sql`ALTER TABLE ${table} RENAME TO elsewhere`
      expect(yield* tokens.authenticate(secret)).toEqual(token)
      yield* sql`ALTER TABLE ${sql(`${yield* BacklogSchema}.elsewhere`)} RENAME TO access_tokens`
    })
  )

  test(
    "are refused with a wrong character, with another token's secret, or with an unknown id",
    Effect.gen(function* () {
      const { tokens } = yield* tokensOf(0)
      const made = yield* tokens.create({ actor: "ann", role: "worker", createdBy: "admin" })
      const other = yield* tokens.create({ actor: "bob", role: "auditor", createdBy: "admin" })
      const [text, others] = [Redacted.value(made.secret), Redacted.value(other.secret)]
      for (const wrong of ["", "mbk_", `${text} `, text.slice(0, -1), text.toUpperCase(), text.replace(/.$/, "x")]) {
        expect([wrong, yield* refusalReason(tokens, wrong)]).toEqual([wrong, "malformed"])
      }
      const swapped = text.slice(0, 30) + (text[30] === "0" ? "1" : "0") + text.slice(31)
      expect(yield* refusalReason(tokens, swapped)).toBe("malformed")
      // The checksum is valid.
      const body = others.slice(0, -9).replace(other.token.id, made.token.id)
      expect(yield* refusalReason(tokens, textOf(body))).toBe("notValid")
      expect(yield* refusalReason(tokens, textOf(body.replace(made.token.id, "0123456789abcdef")))).toBe("notValid")
      expect((yield* tokens.authenticate(made.secret)).actor).toBe("ann")
    })
  )

  test(
    "are compared by their hashes in constant time, even if the id is unknown",
    Effect.gen(function* () {
      const { tokens } = yield* tokensOf(0)
      const made = yield* tokens.create({ actor: "ann", role: "worker", createdBy: "admin" })
      const text = Redacted.value(made.secret)
      const sha256 = (of: string) => crypto.createHash("sha256").update(of).digest("hex")
      const compared: Array<readonly [string, string]> = []
      const { timingSafeEqual } = crypto
      crypto.timingSafeEqual = (one, other) => {
        compared.push([one, other].map((bytes) => Buffer.from(bytes as Uint8Array).toString("hex")) as [string, string])
        return timingSafeEqual(one, other)
      }
      syncBuiltinESMExports()
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          crypto.timingSafeEqual = timingSafeEqual
          syncBuiltinESMExports()
        })
      )
      const unknown = textOf(text.slice(0, -9).replace(made.token.id, "0123456789abcdef"))
      yield* tokens.authenticate(made.secret)
      expect(yield* refusalReason(tokens, unknown)).toBe("notValid")
      const other = yield* tokens.create({ actor: "bob", role: "worker", createdBy: "admin" })
      const wrong = textOf(Redacted.value(other.secret).slice(0, -9).replace(other.token.id, made.token.id))
      expect(yield* refusalReason(tokens, wrong)).toBe("notValid")
      const none = [sha256(unknown), "0".repeat(64)]
      const differs = [sha256(wrong), sha256(text)]
      expect(compared).toEqual([[sha256(text), sha256(text)], none, none, differs, differs])
    })
  )

  test(
    "are refused after their revocation, in every process within the cache time",
    Effect.gen(function* () {
      const here = yield* tokensOf("1 hour")
      const there = yield* tokensOf(0)
      const { secret, token } = yield* here.tokens.create({ actor: "ann", role: "worker", createdBy: "admin" })
      yield* here.tokens.authenticate(secret)
      expect((yield* there.tokens.authenticate(secret)).lastUsedAt).toBeNull()
      const revoked = yield* here.tokens.revoke(token.id, "admin")
      expect([revoked.revokedBy, revoked.revokedAt === null]).toEqual(["admin", false])
      for (const { tokens } of [here, there]) {
        expect(yield* refusalReason(tokens, Redacted.value(secret))).toBe("notValid")
        expect(yield* tokens.isValid(token.id)).toBe(false)
        expect(yield* tokens.hasAny).toBe(false)
      }
      // A second revocation keeps the actor and the time of the first.
      expect(yield* here.tokens.revoke(token.id, "somebody else")).toMatchObject({ revokedBy: "admin" })
      expect((yield* Effect.flip(here.tokens.revoke("0000000000000000", "admin")))._tag).toBe("AccessTokenNotFound")
      const [listed] = yield* there.tokens.list
      expect(listed?.revokedBy).toBe("admin")
      expect(listed?.lastUsedAt).not.toBeNull()
    })
  )

  test(
    "are accepted as soon as any process creates them, and unknown ones share one query",
    Effect.gen(function* () {
      const [here, there] = [yield* tokensOf("1 hour"), yield* tokensOf("1 hour")]
      const text = textOf("mbk_0123456789abcdef_" + "0".repeat(64))
      expect(yield* refusalReason(there.tokens, text)).toBe("notValid")
      const { secret, token } = yield* here.tokens.create({ actor: "ann", role: "worker", createdBy: "admin" })
      const [known] = yield* Effect.all(
        [there.tokens.authenticate(secret), ...Array.from({ length: 50 }, () => refusalReason(there.tokens, text))],
        { concurrency: "unbounded" }
      )
      expect(known).toMatchObject({ id: token.id })
    })
  )

  test(
    "cause a query if the id or the secret is wrong, and valid ones cause none",
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const schema = yield* BacklogSchema
      const { tokens } = yield* tokensOf("1 hour")
      const made = yield* tokens.create({ actor: "ann", role: "worker", createdBy: "admin" })
      const other = yield* tokens.create({ actor: "bob", role: "worker", createdBy: "admin" })
      yield* tokens.authenticate(made.secret)
      const body = Redacted.value(other.secret).slice(0, -9)
      const wrong = {
        id: textOf(body.replace(other.token.id, "0123456789abcdef")),
        secret: textOf(body.replace(other.token.id, made.token.id))
      }
      // A wrong token causes a query, which fails. A valid token is accepted from the cache.
      yield* sql`ALTER TABLE ${sql(`${schema}.access_tokens`)} RENAME TO elsewhere`
      expect(yield* refusalReason(tokens, wrong.id)).toBe("SqlError")
      expect(yield* refusalReason(tokens, wrong.secret)).toBe("SqlError")
      expect(yield* tokens.authenticate(made.secret)).toEqual(made.token)
      yield* sql`ALTER TABLE ${sql(`${schema}.elsewhere`)} RENAME TO access_tokens`
    })
  )

  test(
    "expire by the clock of the database",
    Effect.gen(function* () {
      const { pass, tokens } = yield* tokensOf(0)
      const { secret, token } = yield* tokens.create({
        actor: "ann",
        role: "worker",
        expiresInDays: 0.5,
        createdBy: "admin"
      })
      pass("11 hours")
      expect((yield* tokens.authenticate(secret)).id).toBe(token.id)
      pass("1 hour")
      expect(yield* refusalReason(tokens, Redacted.value(secret))).toBe("notValid")
      expect(yield* tokens.hasAny).toBe(false)
    })
  )

  test(
    "expire at their time, even between queries",
    Effect.gen(function* () {
      const { tokens } = yield* tokensOf("1 hour")
      // Half a second.
      const expiresInDays = 0.5 / 86_400
      const { token } = yield* tokens.create({ actor: "ann", role: "worker", expiresInDays, createdBy: "admin" })
      yield* until(Effect.map(tokens.isValid(token.id), (isValid) => !isValid))
    })
  )

  test(
    "are created only from valid input",
    Effect.gen(function* () {
      const { tokens } = yield* tokensOf(0)
      const good = { actor: "ann", role: "worker", createdBy: "admin" } as const
      for (const wrong of [
        { actor: "" },
        { actor: "a\u0000" },
        { role: "owner" },
        { expiresInDays: 0 },
        { expiresInDays: -1 },
        { expiresInDays: 1e9 },
        { createdBy: "" },
        { secret: "mine" }
      ]) {
        const error = yield* Effect.flip(tokens.create({ ...good, ...wrong } as typeof good))
        expect([wrong, error._tag]).toEqual([wrong, "InvalidInput"])
      }
      expect(yield* tokens.list).toEqual([])
    })
  )
})
