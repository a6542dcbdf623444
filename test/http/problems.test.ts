import { Context, Effect, Layer, Logger } from "effect"
import { SqlError } from "effect/sql"
import { createConnection } from "node:net"
import { brotliCompressSync, gzipSync } from "node:zlib"
import { expect } from "vitest"
import { layerHttp } from "../../src/http/index.ts"
import { BacklogService } from "../../src/index.ts"
import { onServer } from "../support/databases.ts"
import { type Answer, startServer } from "./support/startServer.ts"

const card = { id: "a", title: "A", actor: "ann" }

/** Parses a problem document and checks the fields that every problem has. */
const problem = (answer: Answer) => {
  expect(answer.headers.get("content-type")).toBe("application/problem+json")
  const { detail, status, title, type, ...rest } = answer.json()
  expect(status).toBe(answer.status)
  expect(type).toBe(`urn:mosaic-backlog:problem:${String(rest["_tag"])}`)
  expect(String(title).length).toBeGreaterThan(3)
  expect(String(detail).length).toBeGreaterThan(10)
  return { status, ...rest }
}

/** Sends all chunks before it reads, and returns the server's response. */
const responseTo = (url: string, words: ReadonlyArray<string>) =>
  Effect.callback<string, Error>((resume) => {
    const { hostname, port } = new URL(url)
    let received = ""
    const socket = createConnection({ host: hostname, port: Number(port) })
    socket.pause()
    socket.on("data", (chunk) => {
      received += chunk.toString()
      socket.end()
    })
    socket.on("close", () => resume(Effect.succeed(received)))
    socket.on("error", (error) => resume(Effect.fail(error)))
    const send = (index: number): void => {
      const next = words[index]
      if (next === undefined) socket.resume()
      else socket.write(next, () => send(index + 1))
    }
    send(0)
  })

onServer("problems over HTTP", (test) => {
  test(
    "every rejection is a problem with its tag and fields",
    Effect.gen(function* () {
      const { ask, post } = yield* startServer()
      yield* post("/create", card)
      expect(problem(yield* post("/create", card))).toEqual({ status: 409, _tag: "CardAlreadyExists", id: "a" })
      expect(problem(yield* ask("/get?id=nowhere"))).toEqual({ status: 404, _tag: "CardNotFound", id: "nowhere" })
      expect(problem(yield* post("/link", { from: "a", to: "b", actor: "ann" }))).toEqual({
        status: 404,
        _tag: "DependencyNotFound",
        id: "a",
        dependsOn: "b"
      })
      expect(problem(yield* post("/link", { from: "a", to: "a", actor: "ann" }))).toEqual({
        status: 409,
        _tag: "SelfDependency",
        id: "a"
      })
      yield* post("/create", { ...card, id: "b", dependsOn: ["a"] })
      expect(problem(yield* post("/link", { from: "a", to: "b", actor: "ann" }))).toEqual({
        status: 409,
        _tag: "DependencyCycle",
        id: "a",
        dependsOn: "b",
        path: ["a", "b", "a"]
      })
      const claimed = (yield* post("/claim", { owner: "w", actor: "w" })).json()
      const held = { id: "a", holder: "w", expiresAt: claimed["claimExpiresAt"] }
      expect(problem(yield* post("/complete", { id: "a", actor: "ann" }))).toEqual({
        status: 409,
        _tag: "CardIsClaimed",
        ...held
      })
      expect(problem(yield* post("/renew", { id: "a", token: 9, actor: "w" }))).toEqual({
        status: 409,
        _tag: "ClaimLost",
        ...held,
        token: 9,
        cardStatus: "claimed"
      })
      yield* post("/complete", { id: "a", token: 2, actor: "w" })
      expect(problem(yield* post("/block", { id: "a", actor: "ann" }))).toEqual({
        status: 409,
        _tag: "CardIsDone",
        id: "a"
      })
      yield* post("/reopen", { id: "a", actor: "ann", commandId: "once" })
      expect(problem(yield* post("/reopen", { id: "b", actor: "ann", commandId: "once" }))).toEqual({
        status: 409,
        _tag: "CommandIdConflict",
        commandId: "once"
      })
      expect(problem(yield* ask("/card-at?id=a&position=99"))).toMatchObject({ status: 404, _tag: "MomentNotReached" })
      expect(problem(yield* post("/advance", { consumer: "c", from: 3, to: 4 }))).toEqual({
        status: 409,
        _tag: "CheckpointMoved",
        consumer: "c",
        expected: 3,
        found: 0
      })
    })
  )

  test(
    "a request that does not match the schema is InvalidInput with the field",
    Effect.gen(function* () {
      const { ask, post } = yield* startServer()
      const invalid = (answer: Answer): string => {
        const { _tag, problem: words, status } = problem(answer) as Record<string, unknown>
        expect([status, _tag]).toEqual([400, "InvalidInput"])
        return String(words)
      }
      expect(invalid(yield* post("/create", { ...card, title: 7 }))).toContain('["title"]')
      expect(invalid(yield* post("/create", { ...card, color: "red" }))).toContain('["color"]')
      expect(invalid(yield* post("/create", { id: "a", title: "A" }))).toContain('["actor"]')
      expect(invalid(yield* post("/claim", { owner: "w", actor: "w", ttlSeconds: null }))).toContain('["ttlSeconds"]')
      expect(invalid(yield* post("/create-many", { cards: [{ id: "a", title: "" }], actor: "w" }))).toContain(
        '["cards"][0]["title"]'
      )
      expect(invalid(yield* post("/create", "{"))).toContain("JSON")
      expect(invalid(yield* post("/create", ""))).not.toBe("")
      expect(invalid(yield* post("/create", "[]"))).not.toBe("")
      expect(invalid(yield* ask("/list?limit=many"))).toContain('["limit"]')
      expect(invalid(yield* ask("/list?order=id"))).toContain('["order"]')
      expect(invalid(yield* ask("/get"))).toContain('["id"]')
      expect(invalid(yield* ask("/card-at?id=a&position=1&version=1"))).not.toBe("")
      expect(invalid(yield* ask("/events", { headers: { "last-event-id": "x" } }))).toContain('["last-event-id"]')
      expect(invalid(yield* post("/claim?wait=99", { owner: "w", actor: "w" }))).toContain('["wait"]')
      expect(
        invalid(yield* post("/create", { ...card, commandId: "one" }, { "idempotency-key": "another" }))
      ).toContain("Idempotency-Key")
    })
  )

  test(
    "an unroutable or oversized request is a problem",
    Effect.gen(function* () {
      const { ask, post } = yield* startServer()
      expect(problem(yield* ask("/nowhere"))).toEqual({ status: 404, _tag: "UnknownPath" })
      const wrong = yield* ask("/create")
      expect(problem(wrong)).toEqual({ status: 405, _tag: "MethodNotAllowed", allowed: ["POST"] })
      expect(wrong.headers.get("allow")).toBe("POST")
      expect(problem(yield* post("/create", card, { "content-type": "text/plain" }))).toEqual({
        status: 415,
        _tag: "UnsupportedMediaType"
      })
      const tooLarge = { status: 413, _tag: "BodyTooLarge" }
      const large = { ...card, body: "x".repeat(3 * 1024 * 1024) }
      expect(problem(yield* post("/create", large))).toMatchObject(tooLarge)
      // Without a Content-Length.
      const streamed = new Blob([JSON.stringify(large)]).stream()
      expect(
        problem(
          yield* ask("/create", {
            method: "POST",
            body: streamed,
            duplex: "half",
            headers: { "content-type": "application/json" }
          })
        )
      ).toMatchObject(tooLarge)
      // Within the limit of /create-many, over the limit of /create.
      const many = {
        cards: Array.from({ length: 3 }, (_, index) => ({
          id: `c${index}`,
          title: "C",
          body: "x".repeat(1024 * 1024)
        })),
        actor: "ann"
      }
      expect((yield* post("/create-many", many)).status).toBe(200)
    })
  )

  test(
    "a compressed body is refused with 415, which names the encoding, and nothing is done",
    Effect.gen(function* () {
      const { ask, post } = yield* startServer()
      for (const [path, type] of [
        ["/create", "application/json"],
        ["/import-log?actor=ann", "application/x-ndjson"]
      ] as const) {
        for (const [encoding, compress] of [
          ["gzip", gzipSync],
          ["BR", brotliCompressSync]
        ] as const) {
          const refused = yield* ask(path, {
            method: "POST",
            headers: { "content-type": type, "content-encoding": encoding },
            body: compress(JSON.stringify(card))
          })
          expect(problem(refused)).toEqual({ status: 415, _tag: "UnsupportedMediaType" })
          expect(refused.json()["detail"]).toContain(`Content-Encoding: ${encoding}`)
          expect(refused.headers.get("accept-encoding")).toBe("identity")
        }
      }
      expect((yield* ask("/stats")).json()).toMatchObject({ total: 0 })
      expect((yield* post("/create", card, { "content-encoding": "identity" })).status).toBe(200)
    })
  )

  test(
    "a malformed request gets a response, and the next request succeeds",
    Effect.gen(function* () {
      const { ask, url } = yield* startServer()
      for (const request of [
        "GET http:// HTTP/1.1\r\nhost: x\r\n\r\n",
        "TRACE / HTTP/1.1\r\nhost: x\r\n\r\n",
        "nonsense\r\n\r\n"
      ]) {
        expect(yield* responseTo(url, [request])).toMatch(/^HTTP\/1\.1 40/)
      }
      const trace = yield* responseTo(url, ["TRACE / HTTP/1.1\r\nhost: x\r\n\r\n"])
      expect(trace).toMatch(/application\/problem\+json.*"detail":"The server accepts no TRACE requests\."/s)
      expect((yield* ask("/stats")).status).toBe(200)
    })
  )

  test(
    "a client that sends an oversized body before it reads gets 413",
    Effect.gen(function* () {
      const { url } = yield* startServer()
      const chunk = "x".repeat(1024 * 1024)
      const head = "POST /create HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
      const chunks = Array.from({ length: 30 }, () => chunk)
      expect(yield* responseTo(url, [`${head}content-length: ${30 * chunk.length}\r\n\r\n`, ...chunks])).toMatch(
        /^HTTP\/1\.1 413 .*BodyTooLarge/s
      )
    })
  )

  test(
    "an oversized Content-Length is refused with 413 before the body arrives",
    Effect.gen(function* () {
      const { url } = yield* startServer()
      const head = "POST /create HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
      expect(yield* responseTo(url, [`${head}content-length: ${3 * 1024 * 1024}\r\n\r\n`])).toMatch(
        /^HTTP\/1\.1 413 .*BodyTooLarge/s
      )
    })
  )

  test(
    "a command with an Idempotency-Key is executed once, as with a commandId",
    Effect.gen(function* () {
      const { post } = yield* startServer()
      yield* post("/create", card)
      const claim = () => post("/claim", { owner: "w", actor: "w" }, { "idempotency-key": "claim-1" })
      const first = yield* claim()
      expect(first.json()).toMatchObject({ id: "a", claimToken: 2 })
      expect((yield* claim()).text).toBe(first.text)
      expect((yield* post("/claim", { owner: "w", actor: "w", commandId: "claim-1" })).text).toBe(first.text)
      const none = yield* post("/claim", { owner: "w", actor: "w" })
      expect([none.status, none.text]).toEqual([204, ""])
      const key = { "idempotency-key": "many" }
      const many = yield* post("/complete-many", { completions: [{ id: "a", token: 2 }], actor: "w" }, key)
      expect([many.status, many.text]).toEqual([
        400,
        expect.stringContaining("Give each completion its own commandId.")
      ])
      const restored = yield* post("/restored", { actor: "w" }, key)
      expect([restored.status, restored.text]).toEqual([400, expect.stringContaining("every request is carried out")])
      expect((yield* post("/claim", { owner: "w", actor: "w" }, { "idempotency-key": "claim-1" })).text).toBe(
        first.text
      )
    })
  )

  test(
    "a database error is reported without details, and the typed client returns it as SqlError",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      const { AuthorizationError, ConnectionError, UniqueViolation } = SqlError
      const cause = new Error("password of user admin is hunter2")
      for (const [reason, status, tag] of [
        [new ConnectionError({ cause }), 503, "DatabaseUnavailable"],
        [new AuthorizationError({ cause }), 403, "NotPermitted"],
        [new UniqueViolation({ cause, constraint: "secret_key" }), 500, "DatabaseFailed"]
      ] as const) {
        const stats = Effect.fail(new SqlError.SqlError({ reason }))
        const { ask, url } = yield* Effect.provideService(startServer(), BacklogService, { ...backlog, stats })
        const answer = yield* ask("/stats")
        expect(problem(answer)).toMatchObject({ status, _tag: tag })
        expect(answer.text).not.toMatch(/hunter2|secret/)
        const there = Context.get(yield* Layer.build(Layer.fresh(layerHttp({ url }))), BacklogService)
        const expected = status === 500 ? "UnknownError" : reason._tag
        expect(yield* Effect.flip(there.stats)).toMatchObject({ _tag: "SqlError", reason: { _tag: expected } })
      }
    }).pipe(Effect.provide(Logger.layer([])))
  )
})
