import { it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Scope, Stream } from "effect"
import { EventSource } from "eventsource"
import { expect } from "vitest"
import { layerHttp, serve } from "../../src/http/index.ts"
import { AuditService, BacklogService } from "../../src/index.ts"
import { blocksOn, pages, textsOn } from "../docs/support/pages.ts"
import { clientAt } from "../http/support/startServer.ts"
import { readFrames } from "../http/support/serverSentEvents.ts"
import { onServer } from "../support/databases.ts"
import { freePort } from "../support/postgresServer.ts"
import { until } from "../support/waiting.ts"
import {
  nginx,
  proxyPage,
  type ReverseProxy,
  reverseProxies,
  startDefaultNginx,
  startDocumentedProxy,
  whyMissing
} from "./support/reverseProxies.ts"
import { captureLogs, serveSecured } from "./support/serveSecured.ts"

it("every documented proxy is in front of a server that requires tokens", () => {
  const proxies = pages.flatMap((path) =>
    blocksOn(path).flatMap(({ heading, language, text }) =>
      /^(nginx|caddy|haproxy)$/.test(language) && !text.includes("mode tcp") && !text.includes("pgsql")
        ? [{ path, heading, language }]
        : []
    )
  )
  expect(proxies.map(({ language, path }) => [path, language])).toEqual(
    reverseProxies.map(({ language }) => [proxyPage, language])
  )
  for (const { heading, path } of proxies) {
    const server = blocksOn(path).filter((block) => block.heading === heading && block.text.includes("backlog serve"))
    expect(server.map(({ text }) => /--trust-proxy|--require-tokens/.test(text))).toEqual([true])
  }
  // The proxy replaces the client's header and does not append to it.
  expect(textsOn(proxyPage, "nginx")[0]).toContain("X-Forwarded-For $remote_addr")
})

const actor = "ann"

/** Fails a test that would otherwise wait until it times out. */
const soon = Effect.timeout("60 seconds")

/** Serves on a port until the returned effect runs. */
const serveOn = Effect.fnUntraced(function* (port: number, backlog: BacklogService["Service"]) {
  const scope = yield* Scope.fork(yield* Effect.scope)
  const server = yield* serveSecured({ port, trustProxy: true, allowHosts: ["example.com"] }).pipe(
    Effect.provideService(BacklogService, backlog),
    Scope.provide(scope)
  )
  return { ...server, stop: Scope.close(scope, Exit.void) }
})

/** The ids of the events that an `EventSource` receives, and how often it lost its connection. */
const openEventSource = (url: string, headers: Readonly<Record<string, string>>) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(
        () =>
          new EventSource(url, {
            fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, ...headers } })
          })
      ),
      (source) => Effect.sync(() => source.close())
    ),
    (source) => {
      const received: Array<number> = []
      const lost = { count: 0 }
      source.addEventListener("message", ({ lastEventId }) => received.push(Number(lastEventId)))
      source.addEventListener("error", () => lost.count++)
      return { received, lost, isClosed: () => source.readyState === source.CLOSED }
    }
  )

/** A backlog whose waits report when they begin and when they are interrupted. */
const observeWaits = Effect.fnUntraced(function* (backlog: BacklogService["Service"]) {
  const begun = yield* Deferred.make<void>()
  const interrupted = yield* Deferred.make<void>()
  const observed = BacklogService.of({
    ...backlog,
    awaitClaimable: (options) =>
      Effect.andThen(Deferred.succeed(begun, undefined), backlog.awaitClaimable(options)).pipe(
        Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
      )
  })
  return { observed, begun: Deferred.await(begun), interrupted: Deferred.await(interrupted) }
})

/** Walks through what a proxy with the documented configuration must pass on. */
const walk = Effect.fnUntraced(function* (proxy: ReverseProxy) {
  const backlog = yield* BacklogService
  const { begun, interrupted, observed } = yield* observeWaits(backlog)
  const to = yield* Effect.promise(freePort)
  const server = yield* serveOn(to, observed)
  const port = yield* startDocumentedProxy(proxy, to)
  const url = `https://localhost:${port}/backlog`
  const { ask } = clientAt(url)
  const { text: token } = yield* server.holder("ann", "orchestrator")
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" }
  const post = (path: string, body: object, init: RequestInit = {}) =>
    ask(path, { method: "POST", headers, body: JSON.stringify(body), ...init })

  // The prefix is removed, and other paths are not passed on.
  expect((yield* ask("/healthz")).text).toBe("ok\n")
  const elsewhere = yield* Effect.promise(() => fetch(`https://localhost:${port}/healthz`))
  expect(yield* Effect.promise(() => elsewhere.text())).not.toBe("ok\n")
  // The server knows the client's address and its own origin, and not the address that the client claims.
  expect((yield* ask("/stats", { headers: { "x-forwarded-for": "10.9.9.9" } })).status).toBe(401)
  const origin = `https://localhost:${port}`
  expect((yield* ask("/stats", { headers: { ...headers, origin } })).status).toBe(200)
  expect((yield* ask("/stats", { headers: { ...headers, origin: "https://localhost" } })).status).toBe(403)
  expect((yield* ask("/openapi.json")).json()).toMatchObject({ servers: [{ url: "/backlog" }] })
  // A body may have the size that the server accepts.
  const large = { cards: [0, 1, 2, 3].map((index) => ({ id: `c${index}`, title: "C", body: "x".repeat(1024 * 1024) })) }
  expect((yield* post("/create-many", large)).status).toBe(200)

  // Events arrive as they are appended.
  const source = yield* openEventSource(`${url}/events`, headers)
  const there = yield* Layer.build(Layer.fresh(layerHttp({ url, token })))
  const followed: Array<number> = []
  const following = yield* Effect.forkChild(
    Stream.runForEach(Context.get(there, AuditService).events({ follow: true }), ({ position }) =>
      Effect.sync(() => followed.push(position))
    )
  )
  const receive = (count: number) =>
    soon(
      Effect.raceFirst(
        until(Effect.sync(() => source.received.length === count && followed.length === count)),
        Fiber.join(following)
      )
    )
  yield* receive(4)
  for (const id of ["a", "b"]) yield* post("/create", { id, title: "A" })
  yield* receive(6)

  // A claim that waits ends when its client disconnects, and takes no card.
  const cancel = new AbortController()
  const waiting = yield* Effect.forkChild(
    Effect.exit(post("/claim?wait=50", { owner: "w", phase: "later" }, { signal: cancel.signal }))
  )
  yield* soon(begun)
  cancel.abort()
  yield* soon(interrupted)
  yield* Fiber.await(waiting)

  // Readers continue after a restart of the server.
  yield* server.stop
  const during = yield* Effect.forkChild(ask("/healthz"))
  // nginx has asked the EventSource to reconnect at least once. The others let it wait.
  const losses = proxy.language === "nginx" ? 2 : 1
  yield* soon(until(Effect.sync(() => source.lost.count >= losses)))
  yield* backlog.create({ id: "meanwhile", title: "M", actor })
  yield* serveOn(to, backlog)
  expect((yield* Fiber.join(during)).status).toBe(proxy.language === "nginx" ? 502 : 200)
  yield* soon(until(Effect.map(ask("/healthz"), ({ status }) => status === 200)))
  expect((yield* post("/create", { id: "later", title: "L", phase: "later" })).status).toBe(200)
  yield* receive(8)
  expect([source.received, followed, source.isClosed()]).toEqual([
    [1, 2, 3, 4, 5, 6, 7, 8],
    [1, 2, 3, 4, 5, 6, 7, 8],
    false
  ])
  yield* Fiber.interrupt(following)
})

onServer("a reverse proxy", (test) => {
  for (const proxy of reverseProxies) {
    const why = whyMissing(proxy)
    test(`${proxy.name} as docs/operations.md configures it passes everything on${why === undefined ? "" : ` (skipped: ${why})`}`, ({
      skip
    }) =>
      why === undefined
        ? Effect.gen(function* () {
            const { lines } = yield* captureLogs(Effect.scoped(walk(proxy)))
            expect(lines.join("\n")).toContain("from=127.0.0.1")
            expect(lines.join("\n")).not.toContain("10.9.9.9")
            const open = yield* Effect.orDie(serve({ port: 0 }))
            const exposed = yield* startDocumentedProxy(proxy, open.port)
            const refused = yield* clientAt(`https://localhost:${exposed}/backlog`).ask("/stats")
            expect([refused.status, refused.json()["_tag"]]).toEqual([403, "ForwardedRequest"])
          })
        : skip(why))
  }

  const missing = whyMissing(nginx)
  test(`nginx with its default settings passes events on as they are appended${missing === undefined ? "" : ` (skipped: ${missing})`}`, ({
    skip
  }) =>
    missing === undefined
      ? Effect.gen(function* () {
          const backlog = yield* BacklogService
          const server = yield* Effect.orDie(serve({ port: 0 }))
          const port = yield* startDefaultNginx(server.port)
          const received: Array<number> = []
          yield* Effect.forkScoped(
            Stream.runForEach(readFrames(`http://localhost:${port}/events`), ({ id }) =>
              Effect.sync(() => received.push(Number(id)))
            )
          )
          for (const [index, id] of ["a", "b"].entries()) {
            yield* backlog.create({ id, title: "A", actor })
            yield* soon(until(Effect.sync(() => received.length === index + 1)))
          }
          expect(received).toEqual([1, 2])
        })
      : skip(missing))
})
