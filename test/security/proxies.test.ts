import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Layer, Metric, Result } from "effect"
import {
  clientAddress,
  findForwardingHeader,
  trustedProxies,
  type TrustProxy
} from "../../src/http/access/forwarding.ts"
import { serve, type ServeOptions } from "../../src/http/index.ts"
import { headersTimeoutSettings } from "../../src/http/node/listen.ts"
import { requestTarget } from "../../src/http/node/requestTarget.ts"
import { type Answer, ask, serveSecured, captureLogs, tagIn, tokensOfBacklog } from "./support/serveSecured.ts"
import { freshBacklog, postgresClient } from "../support/backlogs.ts"

const proxiesOf = (trust: TrustProxy) => {
  const found = Result.getOrThrow(trustedProxies(trust))
  if (found === undefined) throw new Error("no proxy is trusted")
  return found
}

describe("the client of a trusted proxy", () => {
  const loopbackProxies = proxiesOf(true)

  it("is the address that the proxy added last, not one that the client claims", () => {
    for (const [header, client] of [
      ["203.0.113.7", "203.0.113.7"],
      ["10.0.0.1, 127.0.0.1, 203.0.113.7", "203.0.113.7"],
      ["203.0.113.9, 127.0.0.1", "127.0.0.1"],
      ["203.0.113.7:4711", "203.0.113.7"],
      ["[2001:db8::1]:4711", "2001:db8::1"],
      ["::ffff:203.0.113.7", "203.0.113.7"],
      [undefined, "127.0.0.1"],
      ["", "127.0.0.1"],
      ["203.0.113.7, unknown", "127.0.0.1"],
      ["203.0.113.7, <script>", "127.0.0.1"]
    ] as const) {
      assert.deepStrictEqual([header, clientAddress("127.0.0.1", header, loopbackProxies)], [header, client])
    }
  })

  it("is the address of the connection if it is not a trusted proxy", () => {
    assert.strictEqual(clientAddress("192.0.2.1", "203.0.113.7", loopbackProxies), "192.0.2.1")
    assert.strictEqual(clientAddress("", "203.0.113.7", loopbackProxies), "")
    assert.strictEqual(clientAddress("10.0.0.6", "203.0.113.7", proxiesOf(["10.0.0.5"])), "10.0.0.6")
  })

  it("is the last address that is not a trusted proxy in a chain of proxies", () => {
    const inARow = proxiesOf(["10.0.0.5", "10.1.0.0/16", "2001:db8::/32"])
    const through = (header: string) => clientAddress("10.0.0.5", header, inARow)
    assert.strictEqual(through("198.51.100.1, 203.0.113.7, 10.1.2.3"), "203.0.113.7")
    assert.strictEqual(through("203.0.113.7, 2001:db8::5, 10.1.2.3"), "203.0.113.7")
    assert.strictEqual(through("10.1.9.9, 10.1.2.3"), "10.1.9.9")
  })

  it("is configured by addresses and networks only", () => {
    for (const wrong of ["proxy.example.com", "10.0.0.0/33", "0.0.0.0/0", "::/0", "10.0.0.0/8/8", "10.0.0.0/x", ""]) {
      assert.deepStrictEqual(trustedProxies([wrong]), Result.fail(wrong))
    }
    assert.deepStrictEqual(trustedProxies(false), Result.succeed(undefined))
  })

  it("is detected by any header that proxies add", () => {
    for (const name of [
      "forwarded",
      "via",
      "x-real-ip",
      "x-forwarded-for",
      "x-forwarded-anything",
      "x-forwarded",
      "cdn-loop",
      "x-azure-clientip"
    ]) {
      assert.strictEqual(findForwardingHeader({ host: "localhost", [name]: "" }), name)
    }
    assert.isUndefined(findForwardingHeader({ host: "localhost", "x-request-id": "1", "forwarded-by-hand": "1" }))
  })
})

it("a request ends at the headers timeout, not at a later check", () => {
  for (const limit of [1, 2, 59, 60, 61, 100.5, 300, 1000, 15_000, 3_600_000]) {
    const { connectionsCheckingInterval, headersTimeout } = headersTimeoutSettings(limit)
    assert.isAtMost(headersTimeout + connectionsCheckingInterval, Math.max(2, limit))
    assert.isAtLeast(headersTimeout, Math.min(1, limit))
    assert.isTrue(Number.isInteger(headersTimeout) && Number.isInteger(connectionsCheckingInterval))
    assert.isAtLeast(connectionsCheckingInterval, 1)
  }
})

describe("the target of a request", () => {
  it("has one spelling", () => {
    for (const [sent, path] of [
      ["/", "/"],
      ["/claim?wait=1;x//y/../%61", "/claim"],
      ["/board/A-b_c.d~e!$&'()*+,=:@", "/board/A-b_c.d~e!$&'()*+,=:@"],
      ["/board/%C3%BC%20x", "/board/ü x"],
      ["http://LOCALHOST:4010/claim", "/claim"],
      ["http://localhost:4010?x", "/"]
    ] as const) {
      const target = Result.getOrThrow(requestTarget(sent, "localhost:4010"))
      assert.deepStrictEqual([sent, target.path], [sent, path])
    }
    const refused = [
      "  * claim // //claim /a//b /claim;x /; /a/./b /.. /a/.. /. /a\\b",
      "/% /%6 /%zz /%61 /%2E /%2f /%2F /%5C /%00 /%0A /%7F /%c3%bc /%C3 /%FF",
      '/# /claim?x#y /" /< /ü /^ /| /[ http://other/claim ftp://localhost:4010/',
      "http://user@localhost:4010/claim https:/localhost:4010/claim"
    ].flatMap((each) => each.split(" "))
    for (const sent of ["", "/a b", ...refused]) {
      assert.deepStrictEqual([sent, requestTarget(sent, "localhost:4010")._tag], [sent, "Failure"])
    }
  })
})

const says = (answer: Answer, status: number, tag: string): void => {
  assert.deepStrictEqual([...tagIn(answer)], [status, tag], answer.body)
}

const forwarded = { "x-forwarded-for": "203.0.113.7" }

layer(freshBacklog.pipe(Layer.provideMerge(postgresClient(6))), { timeout: "60 seconds", excludeTestServices: true })(
  "a server",
  (its) => {
    its.effect("without tokens refuses forwarded requests and warns at its start", () =>
      Effect.gen(function* () {
        const { lines } = yield* captureLogs(
          Effect.gen(function* () {
            const { port } = yield* serve({ port: 0 })
            for (const [name, value] of Object.entries({
              forwarded: "for=203.0.113.7",
              via: "1.1 proxy",
              "x-real-ip": "203.0.113.7",
              "x-forwarded-proto": "https",
              ...forwarded
            })) {
              // With any Host header that the proxy sends.
              for (const host of ["127.0.0.1", "backlog.example.com"]) {
                for (const path of ["/stats", "/mcp", "/healthz"]) {
                  const answer = yield* ask(port, { path, headers: { [name]: value, host } })
                  says(answer, 403, "ForwardedRequest")
                  assert.include(answer.body, "--trust-proxy")
                }
              }
            }
            assert.strictEqual((yield* ask(port, { path: "/stats" })).status, 200)
          })
        )
        assert.include(lines.join("\n"), "every program and every proxy that reaches this port can do everything")
        assert.include(lines.join("\n"), "reason=ForwardedRequest")
        const counted = (yield* Metric.snapshot).find(
          ({ attributes, id }) => id === "backlog_http_refused_total" && attributes?.["reason"] === "ForwardedRequest"
        )
        assert.isDefined(counted)
      })
    )

    its.effect("with tokens and no trusted proxy ignores forwarding headers", () =>
      Effect.gen(function* () {
        const { lines } = yield* captureLogs(
          Effect.gen(function* () {
            const { holder, port } = yield* serveSecured({ allowHosts: ["backlog.example.com"] })
            const { text: token } = yield* holder("w", "worker")
            const headers = { ...forwarded, host: "backlog.example.com", "x-forwarded-proto": "https" }
            assert.strictEqual((yield* ask(port, { path: "/stats", token, headers })).status, 200)
            const secure = { ...headers, origin: "https://backlog.example.com" }
            const refused = yield* ask(port, { path: "/stats", token, headers: secure })
            says(refused, 403, "OriginNotAllowed")
            assert.include(refused.body, "--trust-proxy")
            says(yield* ask(port, { path: "/stats", headers }), 401, "Unauthorized")
          })
        )
        assert.notInclude(lines.join("\n"), "203.0.113.7")
        assert.notInclude(lines.join("\n"), "can do everything")
      })
    )

    its.effect("that trusts a proxy requires tokens, and uses the client's address for limits and logs", () =>
      Effect.gen(function* () {
        const tokens = yield* tokensOfBacklog
        for (const options of [
          { trustProxy: true },
          { trustProxy: ["127.0.0.1"] },
          { trustProxy: ["example.com"], tokens }
        ]) {
          assert.strictEqual(
            (yield* Effect.flip(serve({ port: 0, ...(options as ServeOptions) })))._tag,
            "ServeRefused"
          )
        }
        const { lines } = yield* captureLogs(
          Effect.gen(function* () {
            // A server that trusts a proxy requires tokens, so it does not start without one.
            yield* tokens.create({ actor: "ann", role: "worker", createdBy: "test" })
            const rateLimit = { perSecond: 0.001, burst: 3 }
            const options = { trustProxy: true, rateLimit, allowHosts: ["backlog.example.com"] }
            const { holder, port } = yield* serveSecured({ ...options, requireTokens: false })
            const from = (client: string, token?: string) =>
              ask(port, { path: "/stats", token, headers: { "x-forwarded-for": `10.9.9.9, ${client}` } })
            for (const status of [401, 401, 401, 429]) assert.strictEqual((yield* from("203.0.113.7")).status, status)
            assert.strictEqual((yield* from("203.0.113.8")).status, 401)
            const { text } = yield* holder("w", "worker")
            assert.strictEqual((yield* from("203.0.113.7", text)).status, 200)

            const at = (headers: Record<string, string>) =>
              ask(port, { path: "/healthz", headers: { host: "127.0.0.1", ...headers } })
            const proxied = { "x-forwarded-proto": "https", "x-forwarded-host": "backlog.example.com" }
            const origin = "https://backlog.example.com"
            assert.strictEqual((yield* at({ ...proxied, origin })).status, 200)
            says(yield* at({ ...proxied, origin: "http://backlog.example.com" }), 403, "OriginNotAllowed")
            says(yield* at({ ...proxied, "x-forwarded-host": "evil.example.com" }), 403, "HostNotAllowed")
            says(yield* at({ ...proxied, host: "evil.example.com" }), 403, "HostNotAllowed")
          })
        )
        assert.include(lines.join("\n"), "from=203.0.113.7")
        assert.notInclude(lines.join("\n"), "10.9.9.9")
      })
    )

    its.effect("has one origin, which is scheme, host and port", () =>
      Effect.gen(function* () {
        const { port } = yield* serve({ port: 0, allowOrigins: ["https://board.example.com"] })
        const host = `localhost:${port}`
        const by = (origin: string, method = "GET") => ask(port, { path: "/stats", method, headers: { origin, host } })
        for (const origin of [
          `https://${host}`,
          `http://user@${host}`,
          `http://user:secret@${host}`,
          `http://${host}/`,
          `http://${host}/path`,
          `http://${host}?x`,
          `HTTP://${host}`,
          `http://LOCALHOST:${port}`,
          `http://127.0.0.1:${port}`,
          "http://localhost",
          `ws://${host}`,
          `//${host}`,
          host,
          `http://${host}, http://${host}`,
          "https://board.example.com/",
          "http://board.example.com",
          "null",
          ""
        ]) {
          const answer = yield* by(origin)
          assert.deepStrictEqual([origin, ...tagIn(answer)], [origin, 403, "OriginNotAllowed"])
          says(yield* by(origin, "OPTIONS"), 403, "OriginNotAllowed")
        }
        for (const origin of [`http://${host}`, "https://board.example.com"]) {
          assert.deepStrictEqual([origin, (yield* by(origin)).status], [origin, 200])
        }
        const ownPort = { origin: "http://localhost", host: "localhost:80" }
        assert.strictEqual((yield* ask(port, { path: "/stats", headers: ownPort })).status, 200)
        for (const wrong of ["null", "https://board.example.com/", "board.example.com", "file://x"]) {
          const error = yield* Effect.flip(serve({ port: 0, allowOrigins: [wrong] }))
          assert.deepStrictEqual([wrong, error._tag], [wrong, "ServeRefused"])
        }
      })
    )
  }
)
