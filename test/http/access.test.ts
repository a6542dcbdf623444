import { assert, describe, it, layer } from "@effect/vitest"
import { Context, Deferred, Effect, Fiber, Layer, Option, Redacted, Stream } from "effect"
import { HttpApi } from "effect/http-api"
import { request as nodeRequest } from "node:http"
import { connect } from "node:net"
import { knownEndpoints, mayCall } from "../../src/http/access/policy.ts"
import { effectiveRateLimit } from "../../src/http/access/RateLimit.ts"
import { BacklogApi } from "../../src/http/api/BacklogApi.ts"
import { askCaller } from "../../src/http/client/askCaller.ts"
import { layerHttp, serve } from "../../src/http/index.ts"
import { AccessTokens, AccessTokenStaleness, AuditService, BacklogService } from "../../src/index.ts"
import { packageVersion } from "../../src/services/packageFiles.ts"
import { BacklogSchema } from "../../src/sql/SchemaName.ts"
import { currentClient, eventsOf, freshBacklog, postgresClient } from "../support/backlogs.ts"

/** A server that requires tokens, and a token of each role. */
class Guarded extends Context.Service<
  Guarded,
  {
    readonly url: string
    readonly port: number
    readonly tokens: AccessTokens["Service"]
    readonly worker: string
    readonly other: string
    readonly orchestrator: string
    readonly auditor: string
  }
>()("test/Guarded") {}

const layerTokens = Layer.unwrap(
  Effect.gen(function* () {
    return Layer.fresh(AccessTokens.layer).pipe(
      Layer.provide(yield* currentClient),
      Layer.provide([
        Layer.succeed(BacklogSchema)(yield* BacklogSchema),
        // A revocation takes effect at once.
        Layer.succeed(AccessTokenStaleness)(0)
      ])
    )
  })
)

const layerGuarded = Layer.effect(
  Guarded,
  Effect.gen(function* () {
    const tokens = yield* AccessTokens
    const make = (actor: string, role: "worker" | "orchestrator" | "auditor") =>
      Effect.map(tokens.create({ actor, role, createdBy: "test" }), ({ secret }) => Redacted.value(secret))
    const { port, url } = yield* serve({
      port: 0,
      tokens,
      requireTokens: true,
      allowHosts: ["backlog.example.com"],
      allowOrigins: ["https://board.example.com"],
      rateLimit: { perSecond: 0.001, burst: 200 }
    })
    return {
      url,
      port,
      tokens,
      worker: yield* make("w1", "worker"),
      other: yield* make("w10", "worker"),
      orchestrator: yield* make("planner", "orchestrator"),
      auditor: yield* make("eve", "auditor")
    }
  })
).pipe(Layer.provideMerge(layerTokens), Layer.provideMerge(freshBacklog), Layer.provideMerge(postgresClient(6)))

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  readonly body: string
}

/** Sends a request with headers that `fetch` would not send. */
const ask = (
  port: number,
  path: string,
  {
    body,
    headers = {},
    method = body === undefined ? "GET" : "POST",
    token
  }: {
    readonly body?: unknown
    readonly headers?: Readonly<Record<string, string>>
    readonly method?: string
    readonly token?: string
  } = {}
): Effect.Effect<Answer> =>
  Effect.promise(
    () =>
      new Promise((resolve, reject) => {
        const sent = nodeRequest(
          {
            port,
            path,
            method,
            headers: {
              ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
              ...(body === undefined ? {} : { "content-type": "application/json" }),
              ...headers
            }
          },
          (response) => {
            let text = ""
            response.setEncoding("utf8")
            response.on("data", (chunk: string) => {
              text += chunk
            })
            response.on("error", reject)
            response.on("end", () =>
              resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text })
            )
          }
        )
        sent.on("error", reject)
        sent.end(body === undefined ? undefined : JSON.stringify(body))
      })
  )

const tagIn = ({ body, status }: Answer): readonly [number, string | undefined] => [
  status,
  body === "" ? undefined : (JSON.parse(body) as { readonly _tag?: string })._tag
]

const says = (answer: Answer, status: number, tag: string): void => {
  assert.deepStrictEqual(tagIn(answer), [status, tag], answer.body)
}

describe("the policy", () => {
  it("covers every endpoint and grants each role its endpoints only", () => {
    const names: Array<string> = []
    HttpApi.reflect(BacklogApi, { onGroup: () => {}, onEndpoint: ({ endpoint }) => names.push(endpoint.identifier) })
    assert.deepStrictEqual([...knownEndpoints].sort(), names.sort())
    const may = (role: Parameters<typeof mayCall>[0]) => names.filter((name) => mayCall(role, name))
    const reads = (
      "anchors awaitClaimEnd awaitClaimable backlogAt backlogAtCards backlogAtCriticalPath backlogAtDependents backlogAtImpact backlogAtNeighbourhood caller cardAt checkpoint checkpoints claims criticalPath density dependents diff erasures flow " +
      "events explain explainAt get history impact list neighbourhood notes parked stats verifications whyNothingClaimable"
    ).split(" ")
    assert.deepStrictEqual(
      may("worker"),
      [...reads, "block", "claim", "claimMany", "complete", "completeMany", "note", "release", "renew"].sort()
    )
    assert.deepStrictEqual(may("auditor"), [...reads, "anchor", "exportLog", "redact", "removeErased", "verify"].sort())
    assert.deepStrictEqual(
      may("orchestrator"),
      names.filter((name) => name !== "redact" && name !== "removeErased")
    )
    assert.isFalse(mayCall("worker", "toString"))
  })
})

it("a server that requires tokens has a rate limit by default", () => {
  const given = { perSecond: 1, burst: 2 }
  assert.deepStrictEqual(
    [
      effectiveRateLimit(undefined, true),
      effectiveRateLimit(undefined, false),
      effectiveRateLimit(given, false),
      effectiveRateLimit("none", true)
    ],
    [{ perSecond: 1000, burst: 2000 }, undefined, given, undefined]
  )
})

layer(layerGuarded, { timeout: "60 seconds", excludeTestServices: true })("a server with tokens", (its) => {
  its.effect("refuses every request without a valid token", () =>
    Effect.gen(function* () {
      const { auditor, port, tokens, worker } = yield* Guarded
      const missing = yield* ask(port, "/stats")
      says(missing, 401, "Unauthorized")
      assert.strictEqual(missing.headers["www-authenticate"], "Bearer")
      const flipped = worker.slice(0, 40) + (worker[40] === "0" ? "1" : "0") + worker.slice(41)
      for (const authorization of [
        "",
        "Bearer",
        `Basic ${Buffer.from(`w1:${worker}`).toString("base64")}`,
        worker,
        `Bearer ${flipped}`,
        `Bearer ${worker} ${auditor}`
      ]) {
        const answer = yield* ask(port, "/stats", { headers: { authorization } })
        says(answer, 401, "Unauthorized")
        // It may be a token of another server, and responses are copied into reports.
        for (const shown of [flipped, worker, auditor]) assert.notInclude(answer.body, shown)
      }
      // The check comes before routing and before the body is read.
      says(yield* ask(port, "/nothing"), 401, "Unauthorized")
      says(yield* ask(port, "/claim", { body: "x".repeat(10_000) }), 401, "Unauthorized")
      assert.strictEqual((yield* ask(port, "/stats", { token: worker })).status, 200)
      assert.strictEqual((yield* ask(port, "/stats", { headers: { authorization: `bearer ${worker}` } })).status, 200)
      assert.strictEqual((yield* ask(port, "/openapi.json")).status, 200)

      const { secret, token } = yield* tokens.create({ actor: "gone", role: "worker", createdBy: "test" })
      const text = Redacted.value(secret)
      assert.strictEqual((yield* ask(port, "/stats", { token: text })).status, 200)
      yield* tokens.revoke(token.id, "test")
      says(yield* ask(port, "/stats", { token: text }), 401, "Unauthorized")
    })
  )

  its.effect("ends streamed responses and waiting claims when the token is revoked", () =>
    Effect.gen(function* () {
      const { port, tokens } = yield* Guarded
      const { secret, token } = yield* tokens.create({ actor: "gone", role: "worker", createdBy: "test" })
      const shown = { token: Redacted.value(secret) }
      const begun = yield* Deferred.make<void>()
      const following = yield* Effect.forkChild(
        Effect.callback<boolean>((resume) => {
          const headers = { authorization: `Bearer ${shown.token}` }
          nodeRequest({ port, path: "/events?follow=true", headers }, (response) => {
            Deferred.doneUnsafe(begun, Effect.void)
            response.resume()
            response.on("error", () => {})
            response.on("close", () => resume(Effect.succeed(response.complete)))
          }).end()
        })
      )
      yield* Deferred.await(begun)
      const claim = { owner: "gone", phase: "no card has it" }
      const waiting = yield* Effect.forkChild(ask(port, "/claim?wait=60", { body: claim, ...shown }))
      // When a third request has its response, both earlier requests are in progress.
      yield* ask(port, "/stats", shown)
      yield* tokens.revoke(token.id, "test")
      says(yield* Fiber.join(waiting), 401, "Unauthorized")
      // An interrupted response must not look complete.
      assert.isFalse(yield* Fiber.join(following))
    })
  )

  its.effect("grants each role its endpoints only", () =>
    Effect.gen(function* () {
      const { auditor, orchestrator, port, worker } = yield* Guarded
      const card = { id: "r1", title: "T" }
      for (const token of [worker, auditor]) {
        says(yield* ask(port, "/create", { body: card, token }), 403, "Forbidden")
        says(yield* ask(port, "/reclaim", { body: {}, token }), 403, "Forbidden")
        says(yield* ask(port, "/rebuild", { body: {}, token }), 403, "Forbidden")
        assert.strictEqual((yield* ask(port, "/list", { token })).status, 200)
      }
      assert.strictEqual((yield* ask(port, "/create", { body: card, token: orchestrator })).status, 200)
      says(yield* ask(port, "/claim", { body: { owner: "eve" }, token: auditor }), 403, "Forbidden")
      const redaction = { id: "r1", parts: ["title"], reason: "asked for" }
      for (const token of [worker, orchestrator]) {
        says(yield* ask(port, "/redact", { body: redaction, token }), 403, "Forbidden")
      }
      assert.strictEqual((yield* ask(port, "/redact", { body: redaction, token: auditor })).status, 200)
      const refused = yield* ask(port, "/anchor", { token: worker })
      says(refused, 403, "Forbidden")
      assert.include(
        refused.body,
        "A worker may not call /anchor. That needs the token of an orchestrator or an auditor."
      )
      assert.strictEqual((yield* ask(port, "/anchor", { token: auditor })).status, 200)
    })
  )

  its.effect("shows a caller who it is", () =>
    Effect.gen(function* () {
      const { auditor, orchestrator, port, url, worker } = yield* Guarded
      const shown = Effect.fnUntraced(function* (token: string) {
        const { actor, role } = JSON.parse((yield* ask(port, "/caller", { token })).body) as Record<string, unknown>
        return [actor, role]
      })
      assert.deepStrictEqual(yield* shown(worker), ["w1", "worker"])
      assert.deepStrictEqual(yield* shown(orchestrator), ["planner", "orchestrator"])
      assert.deepStrictEqual(yield* shown(auditor), ["eve", "auditor"])
      says(yield* ask(port, "/caller"), 401, "Unauthorized")
      const caller = Option.getOrThrow(yield* askCaller({ url, token: Redacted.make(worker) }))
      const { operations, ...who } = caller
      assert.deepStrictEqual(who, { actor: "w1", role: "worker", version: packageVersion() })
      assert.deepStrictEqual(
        [...(operations ?? [])].sort(),
        [...knownEndpoints].filter((name) => mayCall("worker", name)).sort()
      )
      assert.isTrue(Option.isNone(yield* askCaller({ url: `${url}/older-server`, token: worker })))
    })
  )

  its.effect("takes the actor of every event from the token", () =>
    Effect.gen(function* () {
      const { orchestrator, port, url } = yield* Guarded
      const forged = { id: "f1", title: "T", actor: "somebody else" }
      says(yield* ask(port, "/create", { body: forged, token: orchestrator }), 403, "Forbidden")
      const nested = { cards: [{ id: "f2", title: "T" }], actor: "somebody else" }
      says(yield* ask(port, "/create-many", { body: nested, token: orchestrator }), 403, "Forbidden")
      const many = { completions: [{ id: "f1" }], actor: "somebody else" }
      says(yield* ask(port, "/complete-many", { body: many, token: orchestrator }), 403, "Forbidden")

      // The typed client: its own name is accepted, and another name is refused.
      const http = yield* Layer.build(Layer.fresh(layerHttp({ url, token: Redacted.make(orchestrator) })))
      const backlog = Context.get(http, BacklogService)
      yield* backlog.create({ id: "f1", title: "T", actor: "planner" })
      assert.strictEqual(
        (yield* ask(port, "/revise", { body: { id: "f1", title: "U" }, token: orchestrator })).status,
        200
      )
      const events = yield* Stream.runCollect(Context.get(http, AuditService).history("f1"))
      assert.deepStrictEqual(
        events.map(({ actor, type }) => [actor, type]),
        [
          ["planner", "CardCreated"],
          ["planner", "CardRevised"]
        ]
      )
      const error = yield* Effect.flip(backlog.create({ id: "f3", title: "T", actor: "somebody else" }))
      assert.strictEqual(error._tag, "Forbidden")
      const stranger = yield* Layer.build(Layer.fresh(layerHttp({ url, token: "mbk_nobody" })))
      const unknown = yield* Effect.flip(Context.get(stranger, BacklogService).stats)
      assert.strictEqual(unknown._tag, "Unauthorized")
    })
  )

  its.effect("limits a worker to claims under its own name", () =>
    Effect.gen(function* () {
      const { orchestrator, other, port, worker } = yield* Guarded
      const made = ["c1", "c2", "c3", "c4"].map((id) => ({ id, title: "T" }))
      assert.strictEqual((yield* ask(port, "/create-many", { body: { cards: made }, token: orchestrator })).status, 200)
      const claim = (body: object, token = worker) => ask(port, "/claim", { body, token })
      for (const owner of ["w10", "w", "w1x", "W1", "planner"]) says(yield* claim({ owner }), 403, "Forbidden")
      says(yield* ask(port, "/claim-many", { body: { owner: "w10", limit: 2 }, token: worker }), 403, "Forbidden")
      const own = yield* claim({ owner: "w1", id: "c1" })
      const under = yield* claim({ owner: "w1/browser", id: "c2" })
      assert.deepStrictEqual([own.status, under.status], [200, 200])
      const theirs = yield* claim({ owner: "w10", id: "c3" }, other)
      const tokenOf = ({ body }: Answer): number => (JSON.parse(body) as { claimToken: number }).claimToken

      const foreign = { id: "c3", token: tokenOf(theirs) }
      for (const [path, body] of [
        ["/renew", foreign],
        ["/release", foreign],
        ["/complete", foreign],
        ["/block", foreign],
        ["/block", { id: "c3" }],
        ["/block", { id: "c4" }],
        ["/complete", { id: "c3" }],
        ["/complete", { id: "c3", force: true }],
        ["/complete", { ...foreign, force: true }],
        ["/complete", { id: "c1", token: tokenOf(own), force: true }],
        ["/complete", { id: "c4" }],
        // This token may belong to a later claim.
        ["/complete", { id: "c4", token: 2 }],
        ["/complete", { id: "no such card", token: 1 }],
        ["/complete", { id: "c1", token: tokenOf(own), claimNext: { owner: "w10" } }],
        ["/complete-many", { completions: [{ id: "c1", token: tokenOf(own) }, foreign] }],
        ["/complete-many", { completions: [{ id: "c1", token: tokenOf(own), force: true }] }]
      ] as const) {
        const answer = yield* ask(port, path, { body, token: worker })
        assert.deepStrictEqual([path, body, ...tagIn(answer)], [path, body, 403, "Forbidden"])
      }
      const renewal = { id: "c1", token: tokenOf(own), ttlSeconds: 1000 }
      const renewed = yield* ask(port, "/renew", { body: renewal, token: worker })
      // A renewal's version is not a claim token.
      const early = { ...renewal, token: renewal.token + 1 }
      says(yield* ask(port, "/renew", { body: early, token: worker }), 403, "Forbidden")
      const blocked = yield* ask(port, "/block", { body: { id: "c2", token: tokenOf(under) }, token: worker })
      const completion = { id: "c1", token: tokenOf(own), commandId: "once", claimNext: { owner: "w1" } }
      const completed = yield* ask(port, "/complete", { body: completion, token: worker })
      assert.deepStrictEqual([renewed.status, blocked.status, completed.status], [200, 200, 200])
      // An ended claim is still recognized as the worker's own: a retry gets the first answer, and a zombie gets ClaimLost.
      assert.strictEqual((yield* ask(port, "/complete", { body: completion, token: worker })).body, completed.body)
      says(yield* ask(port, "/renew", { body: { id: "c2", token: tokenOf(under) }, token: worker }), 409, "ClaimLost")
      const history = yield* eventsOf("c3")
      assert.deepStrictEqual(
        history.map(({ type }) => type),
        ["CardCreated", "CardClaimed"]
      )
    })
  )

  its.effect("accepts only its own host names and origins", () =>
    Effect.gen(function* () {
      const { port, worker } = yield* Guarded
      const by = (headers: Readonly<Record<string, string>>, method?: string) =>
        ask(port, "/stats", { headers, token: worker, ...(method === undefined ? {} : { method }) })
      for (const host of [
        "evil.example.com",
        `evil.example.com:${port}`,
        "localhost.evil.com",
        "127.0.0.1.nip.io",
        "a b",
        "[::2]",
        `x@localhost:${port}`,
        "localhost@evil.example.com"
      ]) {
        says(yield* by({ host }), 403, "HostNotAllowed")
      }
      says(yield* ask(port, "/openapi.json", { headers: { host: "evil.example.com" } }), 403, "HostNotAllowed")
      for (const host of [`localhost:${port}`, "LOCALHOST", `[::1]:${port}`, "127.0.0.1", "backlog.example.com:443"]) {
        assert.deepStrictEqual([host, (yield* by({ host })).status], [host, 200])
      }
      for (const origin of [
        "https://evil.example.com",
        "null",
        `http://localhost:${port + 1}`,
        `http://127.0.0.1:${port}.evil.com`
      ]) {
        says(yield* by({ origin, host: `localhost:${port}` }), 403, "OriginNotAllowed")
        says(yield* by({ origin, host: `localhost:${port}` }, "OPTIONS"), 403, "OriginNotAllowed")
      }
      const own = yield* by({ origin: `http://localhost:${port}`, host: `localhost:${port}` })
      assert.deepStrictEqual([own.status, own.headers["access-control-allow-origin"]], [200, undefined])
      const board = { origin: "https://board.example.com", host: `localhost:${port}` }
      const allowed = yield* by(board)
      assert.deepStrictEqual([allowed.status, allowed.headers["access-control-allow-origin"]], [200, board.origin])
      const preflight = yield* ask(port, "/claim", { method: "OPTIONS", headers: board })
      assert.strictEqual(preflight.status, 204)
      for (const name of ["authorization", "content-type", "idempotency-key", "last-event-id"]) {
        assert.include(String(preflight.headers["access-control-allow-headers"]).split(", "), name)
      }
      // The page can also read the refusal of a request without a token.
      const stranger = yield* ask(port, "/stats", { headers: board })
      assert.deepStrictEqual([stranger.status, stranger.headers["access-control-allow-origin"]], [401, board.origin])
    })
  )

  its.effect("limits the rate of each caller without affecting other callers", () =>
    Effect.gen(function* () {
      const { other, port, tokens, worker } = yield* Guarded
      const { secret } = yield* tokens.create({ actor: "eager", role: "worker", createdBy: "test" })
      const token = Redacted.value(secret)
      const answers = yield* Effect.all(
        Array.from({ length: 210 }, () => ask(port, "/get?id=nothing", { token })),
        { concurrency: 20 }
      )
      const tooMany = answers.filter(({ status }) => status === 429)
      assert.strictEqual(tooMany.length, 10)
      const [first] = tooMany
      if (first === undefined) throw new Error("no request was refused")
      says(first, 429, "TooManyRequests")
      assert.match(String(first.headers["retry-after"]), /^[1-9]\d*$/)
      for (const each of [worker, other]) assert.strictEqual((yield* ask(port, "/stats", { token: each })).status, 200)
    })
  )
})

layer(Layer.provideMerge(layerTokens, freshBacklog).pipe(Layer.provideMerge(postgresClient(4))), {
  timeout: "60 seconds",
  excludeTestServices: true
})("a server", (its) => {
  its.effect("does not start on a public address unless tokens are required and exist", () =>
    Effect.gen(function* () {
      const tokens = yield* AccessTokens
      for (const options of [
        { host: "0.0.0.0" },
        { host: "::" },
        { host: "192.0.2.1" },
        { host: "127.0.0.1.example.com" },
        { host: "0.0.0.0", requireTokens: false },
        { host: "0.0.0.0", requireTokens: true },
        { requireTokens: true },
        { host: "0.0.0.0", tokens }
      ]) {
        const error = yield* Effect.flip(serve({ port: 0, ...options }))
        assert.deepStrictEqual([options, error._tag], [options, "ServeRefused"])
      }
      const strict = yield* serve({ port: 0, host: "0.0.0.0", tokens, requireTokens: true })
      says(yield* ask(strict.port, "/stats"), 401, "Unauthorized")
      const { secret } = yield* tokens.create({ actor: "ann", role: "worker", createdBy: "test" })
      const { port } = yield* serve({ port: 0, host: "0.0.0.0", tokens })
      says(yield* ask(port, "/stats"), 401, "Unauthorized")
      says(yield* ask(port, "/stats", { headers: { host: "evil.example.com" } }), 403, "HostNotAllowed")
      assert.strictEqual((yield* ask(port, "/stats", { token: Redacted.value(secret) })).status, 200)
    })
  )

  its.effect("on loopback accepts callers without a token and identifies those that send one", () =>
    Effect.gen(function* () {
      const tokens = yield* AccessTokens
      const { secret } = yield* tokens.create({ actor: "ann", role: "worker", createdBy: "test" })
      const { port } = yield* serve({ port: 0, tokens })
      const card = { id: "x", title: "T", actor: "me" }
      assert.strictEqual((yield* ask(port, "/create", { body: card })).status, 200)
      says(yield* ask(port, "/create", { body: card, token: Redacted.value(secret) }), 403, "Forbidden")
      says(yield* ask(port, "/stats", { token: "mbk_wrong" }), 401, "Unauthorized")
      says(
        yield* ask(port, "/create", { body: card, headers: { origin: "https://evil.example.com" } }),
        403,
        "OriginNotAllowed"
      )
      says(yield* ask(port, "/stats", { headers: { host: "evil.example.com" } }), 403, "HostNotAllowed")
    })
  )

  its.effect("closes connections beyond the maximum", () =>
    Effect.gen(function* () {
      const { port } = yield* serve({ port: 0, maxConnections: 2 })
      const open = Effect.acquireRelease(
        Effect.promise(
          () =>
            new Promise<ReturnType<typeof connect>>((resolve) => {
              const socket = connect({ port, host: "127.0.0.1" }, () => resolve(socket))
              socket.on("error", () => {})
            })
        ),
        (socket) => Effect.sync(() => socket.destroy())
      )
      yield* open
      yield* open
      const third = yield* open
      yield* Effect.promise(() => new Promise((resolve) => third.once("close", resolve)))
    })
  )

  its.effect("closes connections whose headers or body take too long", () =>
    Effect.gen(function* () {
      const { port } = yield* serve({ port: 0, headersTimeout: "300 millis", bodyTimeout: "300 millis" })
      /** Sends the beginning of a request, then one byte every 20 ms until the connection is closed. */
      const dribble = (begin: string, byte: string) =>
        Effect.callback<void>((resume) => {
          const socket = connect({ port, host: "127.0.0.1" }, () => socket.write(begin))
          const timer = setInterval(() => socket.write(byte), 20)
          socket.on("error", () => {})
          socket.on("close", () => {
            clearInterval(timer)
            resume(Effect.void)
          })
        })
      const first = `POST /create HTTP/1.1\r\nhost: localhost:${port}\r\n`
      yield* dribble(first, "x")
      yield* dribble(`${first}content-type: application/json\r\ncontent-length: 100000\r\n\r\n{`, " ")
    })
  )

  its.effect("closes idle connections", () =>
    Effect.gen(function* () {
      const { port } = yield* serve({ port: 0, idleTimeout: "300 millis" })
      const silentAfter = (begin: string) =>
        Effect.callback<void>((resume) => {
          const socket = connect({ port, host: "127.0.0.1" }, () => socket.write(begin))
          socket.on("error", () => {})
          socket.on("close", () => resume(Effect.void))
        })
      yield* silentAfter("")
      yield* silentAfter(`POST /create HTTP/1.1\r\nhost: localhost:${port}\r\ncontent-length: 100000\r\n\r\n{`)
    })
  )
})
