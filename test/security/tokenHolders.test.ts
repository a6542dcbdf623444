import { Context, Deferred, Effect, Fiber, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { expect } from "vitest"
import { BacklogSchema } from "../../src/sql/SchemaName.ts"
import { serve } from "../../src/http/index.ts"
import { type AccessRole, AccessTokens, AccessTokenStaleness, BacklogService, diagnose } from "../../src/index.ts"
import { layerMcpRoutes, mcpPath } from "../../src/mcp/index.ts"
import { Doctor } from "../../src/services/doctor/Doctor.ts"
import { currentClient } from "../support/backlogs.ts"
import { onBothDatabases, onServer } from "../support/databases.ts"
import { until } from "../support/waiting.ts"

/** The tokens of the test's backlog, whose changes take effect at once, and a doctor. */
const services = Effect.gen(function* () {
  const layer = Layer.mergeAll(Layer.fresh(AccessTokens.layer), Layer.fresh(Doctor.layer)).pipe(
    Layer.provide(yield* currentClient),
    Layer.provide([Layer.succeed(BacklogSchema)(yield* BacklogSchema), Layer.succeed(AccessTokenStaleness)(0)])
  )
  const context = yield* Layer.build(layer)
  const tokens = Context.get(context, AccessTokens)
  const table = (yield* SqlClient.SqlClient)(`${yield* BacklogSchema}.access_tokens`)
  const create = (actor: string, role: AccessRole = "worker", expiresInDays?: number) =>
    tokens.create({ actor, role, createdBy: "admin", expiresInDays })
  return { tokens, doctor: Context.get(context, Doctor), table, create }
})

/** The reason why a token is refused, or `undefined` when it was created. */
const refusal = (created: ReturnType<AccessTokens["Service"]["create"]>) =>
  Effect.match(created, { onFailure: (error) => [error._tag, error.message], onSuccess: () => undefined })

onBothDatabases("a token whose name is under that of another token", (test) => {
  test(
    "is refused in both orders if the upper name belongs to a worker and the other token is valid",
    Effect.gen(function* () {
      const { create, table, tokens } = yield* services
      const sql = yield* SqlClient.SqlClient
      const { token } = yield* create("w1/x")
      expect(yield* refusal(create("w1"))).toEqual([
        "AccessTokenConflict",
        `"w1" cannot have a token while token ${token.id} of "w1/x" is valid: the worker "w1" acts for every owner under ` +
          'its name, and "w1/x" is one. Choose another name or revoke that token.'
      ])
      expect(yield* refusal(create("w1/x/y", "auditor"))).toEqual([
        "AccessTokenConflict",
        expect.stringContaining('Choose another name, such as "w1-x-y", or revoke')
      ])
      expect(yield* refusal(create("w1/x"))).toBeUndefined()
      // Names are compared exactly: a worker cannot act for a name that only looks similar.
      for (const other of ["W1", "w1/X", "w10", "w1\u2215x", "w", "w1-x"]) {
        expect([other, yield* refusal(create(other))]).toEqual([other, undefined])
      }
      // An orchestrator may act for every owner.
      expect(yield* refusal(create("w1", "orchestrator"))).toBeUndefined()
      expect(yield* refusal(create("w1", "auditor"))).toBeUndefined()
      expect((yield* tokens.list).filter(({ actor }) => actor === "w1")).toHaveLength(2)

      for (const each of yield* tokens.list) yield* tokens.revoke(each.id, "admin")
      yield* create("w2/x", "orchestrator", 1)
      expect(yield* refusal(create("w2"))).toEqual(["AccessTokenConflict", expect.anything()])
      yield* sql`UPDATE ${table} SET expires_at = created_at - interval '1 day' WHERE actor = 'w2/x'`
      expect([yield* refusal(create("w1")), yield* refusal(create("w2"))]).toEqual([undefined, undefined])
    })
  )

  test(
    "is reported by the doctor if it exists",
    Effect.gen(function* () {
      const { create, doctor, table } = yield* services
      const sql = yield* SqlClient.SqlClient
      const findings = Effect.map(doctor.examine, (facts) => diagnose(facts).filter(({ check }) => check === "tokens"))
      const { token } = yield* create("w1/x", "auditor")
      yield* create("elsewhere")
      expect((yield* findings).map(({ level }) => level)).toEqual(["ok"])
      yield* sql`UPDATE ${table} SET actor = 'w1' WHERE actor = 'elsewhere'`
      expect(yield* findings).toEqual([
        {
          check: "tokens",
          level: "warning",
          what: `Token ${token.id} belongs to "w1/x", a name under the worker "w1", who has a token too. Servers do not let the worker act for it.`,
          toDo: `Create it again under another name, and revoke it: \`backlog token revoke ${token.id}\`.`
        }
      ])
    })
  )
})

onServer("tokens with overlapping names", (test) => {
  test(
    "cannot be created by two concurrent processes",
    Effect.gen(function* () {
      const { create, table } = yield* services
      const sql = yield* SqlClient.SqlClient
      const isCreated = yield* Deferred.make<void>()
      const second = yield* Effect.forkChild(Effect.andThen(Deferred.await(isCreated), refusal(create("w1/x"))))
      const observed = yield* Deferred.make<void>()
      const observing = yield* Effect.forkChild(
        Effect.andThen(
          Deferred.await(isCreated),
          until(
            Effect.gen(function* () {
              const [row] = yield* sql<{ readonly waits: boolean }>`
                SELECT EXISTS (SELECT 1 FROM pg_locks JOIN pg_class ON pg_class.oid = relation
                  WHERE NOT granted AND relname = 'access_tokens'
                  AND relnamespace = ${yield* BacklogSchema}::regnamespace) AS waits`
              return row?.waits === true || second.pollUnsafe() !== undefined
            })
          )
        ).pipe(Effect.andThen(Deferred.succeed(observed, undefined)))
      )
      yield* sql.withTransaction(
        Effect.gen(function* () {
          yield* create("w1")
          yield* Deferred.succeed(isCreated, undefined)
          yield* Deferred.await(observed)
        })
      )
      yield* Fiber.join(observing)
      expect(yield* Fiber.join(second)).toEqual(["AccessTokenConflict", expect.anything()])
      expect(yield* sql`SELECT actor FROM ${table}`).toEqual([{ actor: "w1" }])
    })
  )

  test(
    "keep their holders separate if they already exist",
    Effect.gen(function* () {
      const { create, table, tokens } = yield* services
      const sql = yield* SqlClient.SqlClient
      const backlog = yield* BacklogService
      const lower = Redacted.value((yield* create("w1/x")).secret)
      const upper = Redacted.value((yield* create("elsewhere")).secret)
      yield* sql`UPDATE ${table} SET actor = 'w1' WHERE actor = 'elsewhere'`
      const routes = Layer.provide(layerMcpRoutes, Layer.succeed(SqlClient.SqlClient)(sql))
      const { url } = yield* serve({ port: 0, tokens, requireTokens: true, routes })
      const ask = (token: string, path: string, body: unknown, headers: Readonly<Record<string, string>> = {}) =>
        Effect.promise(async () => {
          const response = await fetch(`${url}${path}`, {
            method: "POST",
            headers: {
              authorization: `Bearer ${token}`,
              "content-type": "application/json",
              accept: "application/json, text/event-stream",
              ...headers
            },
            body: JSON.stringify(body)
          })
          return [response.status, await response.text(), response.headers.get("mcp-session-id") ?? ""] as const
        })
      for (const id of ["a", "b", "c", "d"]) yield* backlog.create({ id, title: id, actor: "planner" })
      expect((yield* ask(lower, "/claim", { owner: "w1/x", id: "a" }))[0]).toBe(200)
      expect((yield* ask(lower, "/claim", { owner: "w1/x/shell", id: "b" }))[0]).toBe(200)
      expect((yield* ask(upper, "/claim", { owner: "w1/browser", id: "c" }))[0]).toBe(200)

      const refused: ReadonlyArray<readonly [string, unknown]> = [
        ["/claim", { owner: "w1/x" }],
        ["/claim", { owner: "w1/x/shell" }],
        ["/claim-many", { owner: "w1/x", limit: 1 }],
        ["/renew", { id: "a", token: 2 }],
        ["/release", { id: "a", token: 2 }],
        ["/complete", { id: "a", token: 2 }],
        ["/complete", { id: "b", token: 2 }],
        ["/complete", { id: "c", token: 2, claimNext: { owner: "w1/x" } }],
        [
          "/complete-many",
          {
            completions: [
              { id: "c", token: 2 },
              { id: "a", token: 2 }
            ]
          }
        ]
      ]
      for (const [path, body] of refused) {
        const [status, text] = yield* ask(upper, path, body)
        expect([path, body, status, text]).toEqual([path, body, 403, expect.stringContaining("Forbidden")])
      }

      const mcp = (method: string, params: object, headers: Readonly<Record<string, string>>) =>
        ask(
          upper,
          mcpPath,
          { jsonrpc: "2.0", id: 1, method, params },
          { "mcp-protocol-version": "2025-11-25", ...headers }
        )
      const hello = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "test", version: "1" } }
      const [status, text] = yield* mcp("initialize", hello, { "backlog-owner": "w1/x" })
      expect([status, text]).toEqual([403, expect.stringContaining("must not be")])
      const [, , session] = yield* mcp("initialize", hello, {})
      for (const name of ["renew", "release", "complete"]) {
        const call = { name: `backlog_${name}`, arguments: { id: "a", token: 2 } }
        const [, answer] = yield* mcp("tools/call", call, { "mcp-session-id": session })
        expect([name, answer]).toEqual([name, expect.stringContaining("No claim of yours")])
      }
      expect((yield* ask(upper, "/complete", { id: "c", token: 2, claimNext: { owner: "w1/y" } }))[0]).toBe(200)
      expect(
        (yield* ask(lower, "/complete-many", { completions: ["a", "b"].map((id) => ({ id, token: 2 })) }))[0]
      ).toBe(200)
    })
  )
})
