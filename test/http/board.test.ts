import { assert, describe, layer } from "@effect/vitest"
import { Effect, Layer, type Scope } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { request as nodeRequest } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { gunzipSync } from "node:zlib"
import { knownEndpoints } from "../../src/http/access/policy.ts"
import { BoardDirectory } from "../../src/http/boardPage.ts"
import { serve, type Served, type ServeOptions } from "../../src/http/index.ts"
import { layerMcpRoutes } from "../../src/mcp/index.ts"
import { BacklogService } from "../../src/index.ts"
import { tokensOfBacklog } from "../security/support/serveSecured.ts"
import { freshBacklog, postgresClient } from "../support/backlogs.ts"
import { SqlClient } from "effect/sql"

const page = "<!doctype html><title>Board</title><script type=module src=board/main-abc12345.js></script>"
const script = `export const words = ${JSON.stringify("long ".repeat(500))}`

/** A folder with a built board, and files that are no part of it. */
const boardFolder: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => {
    const folder = mkdtempSync(join(tmpdir(), "board-"))
    writeFileSync(join(folder, "index.html"), page)
    writeFileSync(join(folder, "main-abc12345.js"), script)
    writeFileSync(join(folder, "main-def67890.css"), "body { margin: 0 }")
    writeFileSync(join(folder, "notes.txt"), "private")
    return folder
  }),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
)

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: Buffer
}

interface Sent {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
}

/** Sends a request with exactly this path and these headers, and returns the response as it was sent. */
const ask = (url: string, path: string, { body, headers = {}, method = "GET" }: Sent = {}) =>
  Effect.callback<Answer>((resume) => {
    const text = body === undefined ? undefined : JSON.stringify(body)
    const sent = { ...headers, ...(text === undefined ? {} : { "content-type": "application/json" }) }
    const request = nodeRequest(url, { path, method, headers: sent }, (response) => {
      const chunks: Array<Buffer> = []
      response.on("data", (chunk: Buffer) => chunks.push(chunk))
      response.on("end", () =>
        resume(
          Effect.succeed({
            status: response.statusCode ?? 0,
            headers: response.headers as Answer["headers"],
            body: Buffer.concat(chunks)
          })
        )
      )
    })
    request.end(text)
  })

const tagOf = ({ body }: Answer): unknown => (JSON.parse(body.toString()) as { readonly _tag: unknown })._tag

const start = (
  options: ServeOptions = {}
): Effect.Effect<{ readonly url: string; readonly board?: string | undefined }, never, Served | Scope.Scope> =>
  Effect.flatMap(boardFolder, (folder) =>
    Effect.orDie(Effect.provideService(serve({ port: 0, ...options }), BoardDirectory, folder))
  )

layer(freshBacklog.pipe(Layer.provideMerge(postgresClient(2))))("the board of a server", (its) => {
  its.effect("is served with headers that let it run its own code only", () =>
    Effect.gen(function* () {
      const { board, url } = yield* start()
      assert.strictEqual(board, `${url}/`)
      const answer = yield* ask(url, "/")
      assert.strictEqual(answer.status, 200)
      assert.strictEqual(answer.body.toString(), page)
      assert.strictEqual(answer.headers["content-type"], "text/html; charset=utf-8")
      assert.strictEqual(answer.headers["cache-control"], "no-cache")
      for (const path of ["/", "/board/main-abc12345.js", "/board/main-def67890.css"]) {
        const { headers, status } = yield* ask(url, path)
        assert.strictEqual(status, 200)
        const policy = (headers["content-security-policy"] ?? "").split("; ")
        assert.includeMembers(policy, [
          "default-src 'none'",
          "script-src 'self'",
          "style-src 'self'",
          "connect-src 'self'",
          "base-uri 'none'",
          "form-action 'none'",
          "frame-ancestors 'none'",
          "require-trusted-types-for 'script'",
          "trusted-types 'none'"
        ])
        assert.notInclude(policy.join(), "unsafe")
        assert.strictEqual(headers["x-content-type-options"], "nosniff")
        assert.strictEqual(headers["referrer-policy"], "no-referrer")
        assert.strictEqual(headers["cross-origin-opener-policy"], "same-origin")
        assert.isUndefined(headers["set-cookie"])
      }
    })
  )

  its.effect("lets browsers keep its assets, and revalidate its page", () =>
    Effect.gen(function* () {
      const { url } = yield* start()
      const asset = yield* ask(url, "/board/main-abc12345.js")
      assert.strictEqual(asset.headers["content-type"], "text/javascript; charset=utf-8")
      assert.strictEqual(asset.headers["cache-control"], "public, max-age=31536000, immutable")
      const { headers } = yield* ask(url, "/")
      const etag = headers["etag"] ?? ""
      for (const known of [etag, `"other", W/${etag}`, "*"]) {
        const again = yield* ask(url, "/", { headers: { "if-none-match": known } })
        assert.deepStrictEqual([again.status, again.body.length], [304, 0])
        assert.strictEqual(again.headers["etag"], etag)
      }
      assert.strictEqual((yield* ask(url, "/", { headers: { "if-none-match": '"other"' } })).status, 200)
    })
  )

  its.effect("is compressed for clients that accept it, with a tag of its own", () =>
    Effect.gen(function* () {
      const { url } = yield* start()
      const plain = yield* ask(url, "/board/main-abc12345.js")
      assert.strictEqual(plain.body.toString(), script)
      assert.isUndefined(plain.headers["content-encoding"])
      assert.strictEqual(plain.headers["vary"], "accept-encoding")
      for (const accepted of ["gzip", "br;q=1.0, gzip;q=0.5", "*"]) {
        const packed = yield* ask(url, "/board/main-abc12345.js", { headers: { "accept-encoding": accepted } })
        assert.strictEqual(packed.headers["content-encoding"], "gzip")
        assert.strictEqual(gunzipSync(packed.body).toString(), script)
        assert.isBelow(packed.body.length, script.length)
        assert.notStrictEqual(packed.headers["etag"], plain.headers["etag"])
      }
      for (const accepted of ["br", "gzip;q=0", "*;q=0.0", "identity"]) {
        const answer = yield* ask(url, "/board/main-abc12345.js", { headers: { "accept-encoding": accepted } })
        assert.isUndefined(answer.headers["content-encoding"], accepted)
      }
    })
  )

  its.effect("supports HEAD, refuses other methods, and has no other files", () =>
    Effect.gen(function* () {
      const { url } = yield* start()
      const head = yield* ask(url, "/", { method: "HEAD" })
      assert.deepStrictEqual([head.status, head.body.length], [200, 0])
      assert.strictEqual(head.headers["content-length"], String(page.length))
      const posted = yield* ask(url, "/", { method: "POST", body: {} })
      assert.deepStrictEqual([posted.status, tagOf(posted), posted.headers["allow"]], [405, "MethodNotAllowed", "GET"])
      for (const path of [
        "/board/",
        "/board/notes.txt",
        "/board/index.html",
        "/board/main-abc12345.js.map",
        "/index.html"
      ]) {
        const answer = yield* ask(url, path)
        assert.deepStrictEqual([answer.status, tagOf(answer)], [404, "UnknownPath"], path)
      }
      for (const path of ["/board/../package.json", "/board/%2e%2e/package.json", "//board/main-abc12345.js"]) {
        const answer = yield* ask(url, path)
        assert.deepStrictEqual([answer.status, tagOf(answer)], [400, "BadRequest"], path)
      }
    })
  )

  its.effect("is missing where it was not built, and where the server does not serve it", () =>
    Effect.gen(function* () {
      const missing = yield* Effect.orDie(
        Effect.provideService(serve({ port: 0 }), BoardDirectory, join(tmpdir(), "no-such-board"))
      )
      assert.isUndefined(missing.board)
      const answer = yield* ask(missing.url, "/")
      assert.deepStrictEqual([answer.status, tagOf(answer)], [404, "UnknownPath"])
      assert.include(answer.body.toString(), "npm run build")
      const off = yield* start({ board: "off" })
      assert.isUndefined(off.board)
      for (const path of ["/", "/board/main-abc12345.js"]) assert.strictEqual((yield* ask(off.url, path)).status, 404)
    })
  )
})

describe("a server that requires tokens", () => {
  layer(freshBacklog.pipe(Layer.provideMerge(postgresClient(2))))((its) => {
    its.effect(
      "serves the board without a token, so that the reader can enter one, and nothing else of the backlog",
      () =>
        Effect.gen(function* () {
          const { url } = yield* start({ requireTokens: true, tokens: yield* Effect.orDie(tokensOfBacklog) })
          for (const path of ["/", "/board/main-abc12345.js", "/board/main-def67890.css"]) {
            assert.strictEqual((yield* ask(url, path)).status, 200, path)
          }
          for (const path of ["/stats", "/list", "/caller", "/events", "/anchor"]) {
            const answer = yield* ask(url, path)
            assert.deepStrictEqual([answer.status, tagOf(answer)], [401, "Unauthorized"], path)
          }
        })
    )
  })
})

const card = { id: "c1", title: "T", actor: "me" }

/** Headers of a command from a page at an origin. */
const from = (origin: string) => ({ origin, "sec-fetch-site": "same-origin", "sec-fetch-mode": "cors" })

const operationsOf = ({ body }: Answer): ReadonlyArray<string> =>
  (JSON.parse(body.toString()) as { readonly operations: ReadonlyArray<string> }).operations

describe("a page of a server that requires no token", () => {
  layer(freshBacklog.pipe(Layer.provideMerge(postgresClient(2))))((its) => {
    its.effect("may read but not send commands, unless the server was started with board: write", () =>
      Effect.gen(function* () {
        for (const board of ["read", "off", undefined] as const) {
          const { url } = yield* start({ board })
          const refused = yield* ask(url, "/create", { method: "POST", headers: from(url), body: card })
          assert.deepStrictEqual([refused.status, tagOf(refused)], [403, "Forbidden"])
          assert.include(refused.body.toString(), "--board=write")
          const verified = yield* ask(url, "/verify", { method: "POST", headers: from(url), body: {} })
          assert.strictEqual(verified.status, 200)
          const stats = yield* ask(url, "/stats", { headers: { "sec-fetch-site": "same-origin" } })
          assert.strictEqual(stats.status, 200)
        }
        const { url } = yield* start({ board: "write" })
        const created = yield* ask(url, "/create", { method: "POST", headers: from(url), body: card })
        assert.strictEqual(created.status, 200)
        const backlog = yield* BacklogService
        assert.strictEqual((yield* backlog.stats).total, 1)
      })
    )

    its.effect("cannot send any command of the API, nor the messages of an agent", () =>
      Effect.gen(function* () {
        const { url } = yield* start({
          routes: Layer.provide(layerMcpRoutes, Layer.succeed(SqlClient.SqlClient)(yield* SqlClient.SqlClient))
        })
        const { paths } = JSON.parse((yield* ask(url, "/openapi.json")).body.toString()) as {
          readonly paths: Readonly<Record<string, object>>
        }
        const commands = Object.entries(paths).flatMap(([path, methods]) =>
          "post" in methods && path !== "/verify" ? [path] : []
        )
        assert.isAbove(commands.length, 20)
        for (const path of [...commands, "/mcp"]) {
          const headers = {
            ...from(url),
            accept: "application/json, text/event-stream",
            "backlog-actor": "me",
            "backlog-role": "orchestrator"
          }
          const answer = yield* ask(url, path, { method: "POST", headers, body: {} })
          assert.deepStrictEqual([answer.status, tagOf(answer)], [403, "Forbidden"], path)
        }
      })
    )

    its.effect("sees in its operations what it may do, and programs see everything", () =>
      Effect.gen(function* () {
        const reading = yield* start()
        const asPage = operationsOf(
          yield* ask(reading.url, "/caller", { headers: { "sec-fetch-site": "same-origin" } })
        )
        assert.includeMembers([...asPage], ["list", "get", "stats", "verify", "events", "anchor"])
        for (const command of ["create", "claim", "complete", "redact", "restored", "importLog", "rebuild"]) {
          assert.notInclude(asPage, command)
        }
        const everything = [...knownEndpoints].sort()
        assert.deepStrictEqual([...operationsOf(yield* ask(reading.url, "/caller"))].sort(), everything)
        const writing = yield* start({ board: "write" })
        const allowed = yield* ask(writing.url, "/caller", { headers: { "sec-fetch-site": "same-origin" } })
        assert.deepStrictEqual([...operationsOf(allowed)].sort(), everything)
      })
    )

    its.effect("is distinguished from programs, from allowed origins, and from other origins", () =>
      Effect.gen(function* () {
        const { url } = yield* start({ allowOrigins: ["https://board.example.com"] })
        const create = (headers: Readonly<Record<string, string>>) =>
          Effect.map(ask(url, "/create", { method: "POST", headers, body: { title: "T", actor: "me" } }), (answer) =>
            answer.status === 200 ? 200 : tagOf(answer)
          )
        assert.strictEqual(yield* create({}), 200)
        assert.strictEqual(yield* create({ origin: "https://board.example.com", "sec-fetch-site": "cross-site" }), 200)
        assert.strictEqual(yield* create({ origin: "https://evil.example.com" }), "OriginNotAllowed")
        assert.strictEqual(yield* create({ origin: "null" }), "OriginNotAllowed")
        const { port } = new URL(url)
        // The same server under its other name is another origin.
        assert.strictEqual(yield* create({ origin: `http://localhost:${port}` }), "OriginNotAllowed")
        const asLocalhost = { host: `localhost:${port}`, origin: `http://localhost:${port}` }
        assert.strictEqual(yield* create(asLocalhost), "Forbidden")
      })
    )
  })
})
