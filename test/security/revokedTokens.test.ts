import { Deferred, Effect, Fiber, Layer, Stream } from "effect"
import { HttpApi } from "effect/http-api"
import { CurrentAuthority } from "../../src/http/Caller.ts"
import { BacklogApi } from "../../src/http/api/BacklogApi.ts"
import { Unauthorized } from "../../src/http/errors.ts"
import { AuditService, BacklogService } from "../../src/index.ts"
import { connectAgent } from "../mcp/support/agents.ts"
import {
  agentSession,
  ask,
  serveSecured,
  sendText,
  type SlowRequest,
  beginRequest,
  tagIn,
  toolCall
} from "./support/serveSecured.ts"
import { eventsOf, freshBacklog, headPosition, tables, within } from "../support/backlogs.ts"
import { onServer, onServerFirst } from "../support/databases.ts"
import { until } from "../support/waiting.ts"
import { expect } from "vitest"

const refused = [401, "Unauthorized"]
const actor = "planner"
const logFile = { "content-type": "application/x-ndjson" }

/** A body for every endpoint that has one, except for `/import-log`. */
const bodies: Readonly<Record<string, object>> = {
  create: { id: "new", title: "T" },
  createMany: { cards: [{ id: "new", title: "T" }] },
  revise: { id: "a", title: "U" },
  claim: { owner: "w" },
  claimMany: { owner: "w", limit: 1 },
  renew: { id: "a", token: 2 },
  release: { id: "a", token: 2 },
  reclaim: {},
  link: { from: "a", to: "b" },
  unlink: { from: "a", to: "b" },
  block: { id: "a" },
  note: { id: "a", text: "n" },
  unblock: { id: "a" },
  complete: { id: "a" },
  completeMany: { completions: [{ id: "a" }] },
  reopen: { id: "a" },
  advance: { consumer: "c", from: 0, to: 1 },
  park: { consumer: "c", position: 1, reason: "R" },
  unpark: { consumer: "c", position: 1 },
  verify: {},
  rebuild: {},
  removeErased: {},
  redact: { id: "a", parts: ["title"], reason: "R" },
  pruneReceipts: { olderThanDays: 1 },
  restored: {}
}

const endpoints = (() => {
  const found: Array<{ readonly name: string; readonly path: string }> = []
  HttpApi.reflect(BacklogApi, {
    onGroup: () => {},
    onEndpoint: ({ endpoint }) => {
      if (endpoint.method === "POST" && endpoint.identifier !== "importLog") {
        found.push({ name: endpoint.identifier, path: endpoint.path })
      }
    }
  })
  return found
})()

/** Counts the locks on a table that match a condition. */
const countLocks = (table: string, condition: string) =>
  Effect.gen(function* () {
    const { schema, sql } = yield* tables
    const rows = yield* sql`
      SELECT 1 FROM pg_locks WHERE relation = ${`${schema}.${table}`}::regclass AND ${sql.literal(condition)}`
    return rows.length
  })

onServerFirst("a token that is revoked", (test) => {
  test(
    "executes no command whose body arrives after the revocation",
    Effect.gen(function* () {
      const { holder, port, revoke } = yield* serveSecured()
      const backlog = yield* BacklogService
      yield* backlog.createMany({ cards: ["a", "b"].map((id) => ({ id, title: id })), actor })
      expect(Object.keys(bodies).toSorted()).toEqual(endpoints.map(({ name }) => name).toSorted())
      const [orchestrator, auditor] = [yield* holder(actor, "orchestrator"), yield* holder("eve", "auditor")]
      const agent = yield* agentSession(port, orchestrator.text)
      const requests = [
        ...endpoints.map(({ name, path }) => ({
          path,
          body: bodies[name],
          token: name === "redact" || name === "removeErased" ? auditor.text : orchestrator.text,
          headers: {}
        })),
        ...[toolCall("claim"), toolCall("create", { cards: [bodies["create"]] })].map((body) => ({
          path: "/mcp",
          body,
          token: orchestrator.text,
          headers: agent
        }))
      ]
      const requestsInProgress = yield* Effect.forEach(
        requests,
        (request) =>
          Effect.map(beginRequest(port, request), (begun) => {
            const text = JSON.stringify(request.body)
            begun.send(text.slice(0, 1))
            return { ...begun, path: request.path, rest: text.slice(1) }
          }),
        { concurrency: 8 }
      )
      // Those requests arrived before this one, so the guard has already accepted them.
      expect((yield* ask(port, { path: "/stats", token: auditor.text })).status).toBe(200)
      const before = yield* headPosition
      yield* revoke(orchestrator)
      yield* revoke(auditor)
      for (const { end, rest } of requestsInProgress) end(rest)
      for (const { answer, path } of requestsInProgress)
        expect([path, ...tagIn(yield* answer)]).toEqual([path, ...refused])
      expect(yield* headPosition).toBe(before)
      const { sql, schema } = yield* tables
      expect(yield* sql`SELECT 1 FROM ${sql(`${schema}.checkpoints`)}`).toEqual([])
    })
  )

  test(
    "ends a request whose body never arrives completely, while a valid token imports a log",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create({ id: "a", title: "A", actor })
      const lines = yield* Stream.runCollect((yield* AuditService).exportLog)
      const other = yield* Layer.build(Layer.fresh(freshBacklog))
      yield* within(other)(
        Effect.gen(function* () {
          const { holder, port, revoke } = yield* serveSecured()
          const sender = yield* holder(actor, "orchestrator")
          const endless = yield* beginRequest(port, { path: "/create", token: sender.text })
          endless.send("{")
          expect((yield* ask(port, { path: "/stats", token: sender.text })).status).toBe(200)
          yield* revoke(sender)
          expect(tagIn(yield* endless.answer)).toEqual(refused)

          // The same log is imported with a valid token.
          const another = yield* holder(actor, "orchestrator")
          const again = yield* beginRequest(port, {
            path: "/import-log?actor=me",
            token: another.text,
            headers: logFile
          })
          again.send(`${lines[0]}\n`)
          yield* until(Effect.sync(() => again.isSent()))
          // This request waits for the only session of an embedded database. The import must still check its token.
          const behind = yield* beginRequest(port, { path: "/create", token: another.text })
          again.end(lines.slice(1).join("\n"))
          expect((yield* again.answer).status).toBe(200)
          behind.end(JSON.stringify({ id: "b", title: "B" }))
          expect((yield* behind.answer).status).toBe(200)
        })
      )
    })
  )

  test(
    "ends every waiting request, with any spelling of its query, and gets no card that becomes claimable later",
    Effect.gen(function* () {
      const { holder, port, revoke } = yield* serveSecured()
      const worker = yield* holder("w", "worker")
      const token = worker.text
      const headers = yield* agentSession(port, token)
      const backlog = yield* BacklogService
      yield* backlog.create({ id: "held", title: "H", actor })
      yield* backlog.claim({ id: "held", owner: "w", actor })
      const requests = [
        { path: "/claim?wait=60", body: { owner: "w" }, headers: {} },
        { path: "/claim?w%61it=60", body: { owner: "w" }, headers: { "idempotency-key": "k" } },
        { path: "/await-claimable?waitSeconds=60", headers: {} },
        { path: "/await-claim-end?id=held&token=2&waitSeconds=60", headers: {} },
        { path: "/mcp", body: toolCall("claim", { waitSeconds: 50 }), headers },
        { path: "/mcp", body: toolCall("claim", { waitSeconds: 50, limit: 2 }), headers }
      ]
      const waiting = yield* Effect.forEach(requests, (request) => Effect.forkChild(ask(port, { ...request, token })))
      yield* Effect.yieldNow
      expect((yield* ask(port, { path: "/stats", token })).status).toBe(200)
      yield* revoke(worker)
      // The card is created before the next check of waiting requests, because each claim checks the token too.
      yield* backlog.create({ id: "a", title: "A", actor })
      for (const fiber of waiting) expect(tagIn(yield* Fiber.join(fiber))).toEqual(refused)
      expect((yield* eventsOf("a")).map(({ type }) => type)).toEqual(["CardCreated"])
    })
  )

  test(
    "is also refused after its role or its actor was changed",
    Effect.gen(function* () {
      const { holder, port } = yield* serveSecured()
      const { sql, schema } = yield* tables
      for (const change of [{ role: "auditor" }, { actor: "other" }]) {
        const orchestrator = yield* holder(actor, "orchestrator")
        const requestsInProgress = yield* beginRequest(port, { path: "/create", token: orchestrator.text })
        requestsInProgress.send("{")
        expect((yield* ask(port, { path: "/stats", token: orchestrator.text })).status).toBe(200)
        yield* sql`UPDATE ${sql(`${schema}.access_tokens`)} SET ${sql.update(change)} WHERE id = ${orchestrator.id}`
        requestsInProgress.end('"id": "a", "title": "A"}')
        expect(tagIn(yield* requestsInProgress.answer)).toEqual(refused)
      }
    })
  )
})

onServer("a server with tokens", (test) => {
  test(
    "accepts one spelling of each path and checks tokens for it",
    Effect.gen(function* () {
      const { holder, port } = yield* serveSecured()
      yield* (yield* BacklogService).create({ id: "a", title: "A", actor })
      const { text: token } = yield* holder("w", "worker")
      const claim = { owner: "w" }
      const headers = yield* agentSession(port, token)
      for (const path of [
        "//claim",
        "/claim;x",
        "/claim;x?wait=1",
        "/cl%61im",
        "/claim%2F",
        "/./claim",
        "/x/../claim",
        "/%2e/claim",
        "/claim#x",
        "/claim\\",
        "http://evil.example.com/claim"
      ]) {
        const answer = yield* ask(port, { path, token, body: claim })
        expect([path, ...tagIn(answer)]).toEqual([path, 400, "BadRequest"])
      }
      // Node refuses a target that does not begin with a slash or a scheme.
      expect((yield* ask(port, { path: "\\claim", token, body: claim })).status).toBe(400)
      for (const path of ["/CLAIM", "/Claim", "/claim/", "/claim/x"]) {
        expect([path, ...tagIn(yield* ask(port, { path, token, body: claim }))]).toEqual([path, 404, "UnknownPath"])
      }
      for (const path of ["/MCP", "//mcp", "/mcp;x", "/mcp/", "/%6Dcp"]) {
        const body = toolCall("claim")
        const { status } = yield* ask(port, { path, token, body, headers })
        expect([path, [400, 404].includes(status)]).toEqual([path, true])
      }
      // Public paths have one spelling too.
      for (const path of ["/HEALTHZ", "/healthz/", "/%68ealthz", "//healthz", "/healthz;x"]) {
        expect([path, [400, 401].includes((yield* ask(port, { path })).status)]).toEqual([path, true])
      }
      expect((yield* ask(port, { path: "/healthz?x" })).status).toBe(200)
      const wait = yield* ask(port, { path: "/claim?wait=0&wait=60", token, body: claim })
      expect(tagIn(wait)).toEqual([400, "InvalidInput"])
      for (const twice of [
        `Host: localhost\r\nAuthorization: Bearer ${token}\r\nauthorization: Bearer mbk_other`,
        `Host: localhost\r\nAuthorization: Bearer ${token}\r\nHost: evil.example.com`,
        `Host: localhost\r\nAuthorization: Bearer ${token}\r\nIdempotency-Key: k\r\nidempotency-key: k`
      ]) {
        const text = `GET /stats HTTP/1.1\r\nConnection: close\r\n${twice}\r\n\r\n`
        expect([twice, yield* sendText(port, text)]).toEqual([twice, 400])
      }
      expect((yield* eventsOf("a")).map(({ type }) => type)).toEqual(["CardCreated"])
      const absolute = yield* ask(port, { path: `http://localhost:${port}/claim`, token, body: claim })
      expect([absolute.status, JSON.parse(absolute.body)]).toMatchObject([200, { id: "a" }])
    })
  )

  test(
    "gives a waiting agent no card that becomes claimable after the revocation",
    Effect.gen(function* () {
      let checks = 0
      let isRevoked = false
      const authority = {
        requireValid: Effect.suspend(() => {
          checks += 1
          return isRevoked ? Effect.fail(new Unauthorized({ problem: "The token was revoked." })) : Effect.void
        }),
        failWhenInvalid: Effect.never
      }
      const { call } = yield* Effect.provideService(connectAgent("worker", "w"), CurrentAuthority, authority)
      const claim = yield* Effect.forkChild(call("claim", { waitSeconds: 50 }))
      // One check for the call and one for its first claim.
      yield* until(Effect.sync(() => checks === 2))
      isRevoked = true
      yield* (yield* BacklogService).create({ id: "a", title: "A", actor })
      expect(yield* Fiber.join(claim)).toMatchObject({
        isError: true,
        text: "The token was revoked. Nothing was done."
      })
      expect((yield* eventsOf("a")).map(({ type }) => type)).toEqual(["CardCreated"])
    })
  )

  // Only on a server: in an embedded database the import occupies the only session, so the revocation waits for its end.
  test(
    "imports no log that arrives after the revocation or incompletely, and releases its locks",
    Effect.gen(function* () {
      const { holder, port, revoke } = yield* serveSecured()
      const empty = yield* Stream.runCollect((yield* AuditService).exportLog)
      const sender = yield* holder(actor, "orchestrator")
      const begun = yield* Effect.replicateEffect(
        beginRequest(port, { path: "/import-log", token: sender.text, headers: logFile }),
        2
      )
      const [late, endless] = begun as [SlowRequest, SlowRequest]
      late.send(`${empty[0]}`)
      endless.send("{")
      yield* until(Effect.map(countLocks("head", "mode = 'RowShareLock'"), (found) => found > 0))
      yield* revoke(sender)
      late.end("\n")
      expect(tagIn(yield* late.answer)).toEqual(refused)
      expect(tagIn(yield* endless.answer)).toEqual(refused)
      expect(yield* headPosition).toBe(0)
      yield* (yield* BacklogService).create({ id: "a", title: "A", actor })
    })
  )

  test(
    "gets the actual outcome of a command that the database has already received",
    Effect.gen(function* () {
      const { holder, port, revoke } = yield* serveSecured()
      yield* (yield* BacklogService).create({ id: "a", title: "A", actor })
      const { text: token, ...worker } = yield* holder("w", "worker")
      const { cards, sql } = yield* tables
      const [locked, enough] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const holding = yield* Effect.forkChild(
        sql.withTransaction(
          Effect.gen(function* () {
            yield* sql`LOCK TABLE ${cards} IN ACCESS EXCLUSIVE MODE`
            yield* Deferred.succeed(locked, undefined)
            yield* Deferred.await(enough)
          })
        )
      )
      yield* Deferred.await(locked)
      const claiming = yield* Effect.forkChild(ask(port, { path: "/claim?wait=60", token, body: { owner: "w" } }))
      const reading = yield* Effect.forkChild(ask(port, { path: "/get?id=a", token }))
      yield* until(Effect.map(countLocks("cards", "NOT granted"), (found) => found > 1))
      const other = yield* Effect.forkChild(ask(port, { path: "/await-claimable?waitSeconds=60", token }))
      yield* Effect.yieldNow
      expect((yield* ask(port, { path: "/checkpoints", token })).status).toBe(200)
      yield* revoke({ ...worker, text: token })
      // The waiting request has ended, so the revocation has taken effect.
      expect(tagIn(yield* Fiber.join(other))).toEqual(refused)
      yield* Deferred.succeed(enough, undefined)
      yield* Fiber.join(holding)
      // A read that completes after the revocation is refused.
      expect(tagIn(yield* Fiber.join(reading))).toEqual(refused)
      const answer = yield* Fiber.join(claiming)
      expect([answer.status, JSON.parse(answer.body)]).toMatchObject([200, { id: "a", claimOwner: "w" }])
    })
  )
})
