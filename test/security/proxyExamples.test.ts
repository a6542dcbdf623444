import { it, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect } from "vitest"
import { serve } from "../../src/http/index.ts"
import { blocksOn, pages, textsOn } from "../docs/support/pages.ts"
import { freshBacklog, postgresClient } from "../support/backlogs.ts"
import { freePort } from "../support/postgresServer.ts"
import { until } from "../support/waiting.ts"
import { ask, serveSecured, captureLogs, tagIn } from "./support/serveSecured.ts"

const page = "docs/http.md"

it("every documented proxy is in front of a server that requires tokens", () => {
  const proxies = pages.flatMap((path) =>
    blocksOn(path).flatMap(({ heading, language, text }) =>
      /^(nginx|caddy|haproxy)$/.test(language) && !text.includes("mode tcp") && !text.includes("pgsql")
        ? [{ path, heading, language }]
        : []
    )
  )
  expect(proxies.filter(({ path }) => path === page).map(({ language }) => language)).toEqual([
    "nginx",
    "caddy",
    "haproxy"
  ])
  for (const { heading, path } of proxies) {
    if (path !== page) continue
    const server = blocksOn(path).filter((block) => block.heading === heading && block.text.includes("backlog serve"))
    expect(server.map(({ text }) => /--trust-proxy|--require-tokens/.test(text))).toEqual([true])
  }
  // The proxy replaces the client's header and does not append to it.
  expect(textsOn(page, "nginx")[0]).toContain("X-Forwarded-For $remote_addr")
})

const haproxy = "/usr/sbin/haproxy"
const isMissing = !existsSync(haproxy)

/** Starts the documented proxy without TLS in front of a port. */
const startProxy = Effect.fnUntraced(function* (to: number) {
  const port = yield* Effect.promise(freePort)
  const config = (textsOn(page, "haproxy")[0] ?? "")
    .replace(/bind .*/, `bind 127.0.0.1:${port}`)
    .replace("127.0.0.1:4010", `127.0.0.1:${to}`)
  const folder = yield* Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), "backlog-haproxy-"))),
    (made) => Effect.promise(() => rm(made, { recursive: true }))
  )
  const file = join(folder, "haproxy.cfg")
  yield* Effect.promise(() => writeFile(file, config))
  yield* Effect.acquireRelease(
    Effect.sync(() => spawn(haproxy, ["-db", "-f", file], { stdio: "ignore" })),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )
  yield* until(
    Effect.promise(() =>
      fetch(`http://127.0.0.1:${port}/healthz`).then(
        () => true,
        () => false
      )
    )
  )
  return port
})

layer(freshBacklog.pipe(Layer.provideMerge(postgresClient(4))), { timeout: "60 seconds", excludeTestServices: true })(
  "HAProxy as docs/http.md configures it",
  (its) => {
    its.effect.skipIf(isMissing)(
      `passes on the client's address, and is refused by a server without tokens${isMissing ? ` (skipped: there is no ${haproxy})` : ""}`,
      () =>
        Effect.gen(function* () {
          const { lines } = yield* captureLogs(
            Effect.gen(function* () {
              const open = yield* Effect.orDie(serve({ port: 0 }))
              const exposed = yield* startProxy(open.port)
              expect(tagIn(yield* ask(exposed, { path: "/stats" }))).toEqual([403, "ForwardedRequest"])

              const server = yield* serveSecured({ trustProxy: true, allowHosts: ["backlog.example.com"] })
              const port = yield* startProxy(server.port)
              const { text: token } = yield* server.holder("w", "worker")
              const headers = { host: "backlog.example.com", "x-forwarded-for": "10.9.9.9" }
              expect((yield* ask(port, { path: "/stats", headers })).status).toBe(401)
              const origin = "https://backlog.example.com"
              const own = yield* ask(port, { path: "/stats", token, headers: { ...headers, origin } })
              expect(own.status).toBe(200)
            })
          )
          expect(lines.join("\n")).toContain("from=127.0.0.1")
          expect(lines.join("\n")).not.toContain("10.9.9.9")
        })
    )
  }
)
