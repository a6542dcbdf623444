import { Effect, Option, Tracer } from "effect"
import { once } from "node:events"
import { connect } from "node:net"
import { expect, it } from "vitest"
import { BacklogService } from "../../src/index.ts"
import { normalizeTarget } from "../../src/http/node/IncomingRequest.ts"
import { onServer } from "../support/databases.ts"
import { makeRandom } from "../support/random.ts"
import { startServer } from "./support/startServer.ts"

/** Sends the text of a request, and returns the text of the response, up to the end of the connection. */
const exchange = (url: string, request: string): Effect.Effect<string> =>
  Effect.promise(async () => {
    const socket = connect({ host: "127.0.0.1", port: Number(new URL(url).port) })
    const parts: Array<string> = []
    socket.setEncoding("utf8").on("data", (part) => parts.push(part as unknown as string))
    socket.write(request)
    await once(socket, "close")
    return parts.join("")
  })

const request = (line: string, body = "", headers = ""): string =>
  `${line} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n${headers}${body === "" ? "" : `Content-Length: ${Buffer.byteLength(body)}\r\n`}\r\n${body}`

/** The status line and headers without the time of the response, and the body. */
const splitResponse = (response: string) => {
  const [head = "", body = ""] = response.split("\r\n\r\n")
  return { head: head.split("\r\n").filter((line) => !line.startsWith("Date: ")), body }
}

onServer("the text of responses", (test) => {
  test(
    "a card has its fields in order, as text in UTF-8, with its length in bytes",
    Effect.gen(function* () {
      const backlog = yield* BacklogService
      yield* backlog.create({ id: "a", title: "Ä 𝒜", acceptance: { b: 1.5, a: [null] }, actor: "ann" })
      const { url } = yield* startServer()
      const { body, head } = splitResponse(yield* exchange(url, request("GET /get?id=a")))
      expect(head).toEqual([
        "HTTP/1.1 200 OK",
        "content-type: application/json",
        `content-length: ${Buffer.byteLength(body)}`,
        "Connection: close"
      ])
      const created = /"createdAt":"([^"]+)"/.exec(body)?.[1] ?? ""
      expect(created).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
      expect(body).toBe(
        `{"id":"a","title":"Ä 𝒜","body":null,"phase":null,"labels":[],"priority":0,"status":"ready","dependsOn":[],"claimOwner":null,` +
          `"claimTtlSeconds":null,"claimedAt":null,"claimExpiresAt":null,"claimToken":null,"attempts":0,"notBefore":null,` +
          `"idempotencyKey":null,"acceptance":{"a":[null],"b":1.5},"result":null,"blockedReason":null,"noteCount":0,"lastNote":null,` +
          `"createdAt":"${created}","updatedAt":"${created}","completedAt":null,"version":1}`
      )
    })
  )

  test(
    "a claim that finds nothing has no body, and a refusal is a problem",
    Effect.gen(function* () {
      const { url } = yield* startServer()
      const claim = request("POST /claim", '{"actor":"w","owner":"w"}')
      expect(splitResponse(yield* exchange(url, claim))).toEqual({
        head: ["HTTP/1.1 204 No Content", "Connection: close"],
        body: ""
      })
      const missing = splitResponse(yield* exchange(url, request("GET /get?id=a")))
      expect(missing.head.slice(0, 2)).toEqual(["HTTP/1.1 404 Not Found", "content-type: application/problem+json"])
      expect(missing.body).toBe(
        '{"type":"urn:mosaic-backlog:problem:CardNotFound","title":"Card not found","status":404,"detail":"There is no card \\"a\\".","_tag":"CardNotFound","id":"a"}'
      )
    })
  )

  test(
    "a body arrives in parts, with any spelling of its media type",
    Effect.gen(function* () {
      const { url } = yield* startServer()
      const chunks = ['{"act', 'or":"ann","id":"a",', '"title":"A"}'].map(
        (part) => `${part.length.toString(16)}\r\n${part}\r\n`
      )
      for (const type of [
        "",
        "Content-Type: application/json\r\n",
        "Content-Type:  Application/JSON ; charset=utf-8\r\n"
      ]) {
        const head = request("POST /create", "", `${type}Transfer-Encoding: chunked\r\nIdempotency-Key: k\r\n`)
        const { body } = splitResponse(yield* exchange(url, `${head}${chunks.join("")}0\r\n\r\n`))
        expect(body).toContain('"id":"a","title":"A"')
      }
      const text = request("POST /create", "{}", "Content-Type: text/plain\r\n")
      expect((yield* exchange(url, text)).split("\r\n")[0]).toBe("HTTP/1.1 415 Unsupported Media Type")
    })
  )

  test(
    "a request is a span with its route, and the read is a span below",
    Effect.gen(function* () {
      const spans: Array<Tracer.NativeSpan> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
      const { ask } = yield* Effect.provideService(startServer(), Tracer.Tracer, tracer)
      yield* ask("/get?id=a")
      const serverSpan = spans.find(({ kind }) => kind === "server")
      expect(serverSpan?.name).toBe("GET /get")
      expect(Object.fromEntries(serverSpan?.attributes ?? [])).toMatchObject({
        "http.request.method": "GET",
        "http.route": "/get",
        "http.response.status_code": 404,
        "url.path": "/get"
      })
      const read = spans.find(({ name }) => name === "BacklogService.get")
      expect(Option.getOrUndefined(read?.parent ?? Option.none())?.spanId).toBe(serverSpan?.spanId)
      expect(spans.filter(({ status }) => status._tag !== "Ended")).toEqual([])
    })
  )

  test(
    "a method without a meaning for the Fetch standard is refused",
    Effect.gen(function* () {
      const { url } = yield* startServer()
      expect((yield* exchange(url, request("TRACE /get?id=a"))).split("\r\n")[0]).toBe("HTTP/1.1 400 Bad Request")
    })
  )
})

it("the target of a request is written as the URL standard writes it", () => {
  const random = makeRandom(1)
  const characters = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).filter((each) => each !== "#")
  for (let round = 0; round < 5000; round++) {
    const query = Array.from({ length: random.below(8) }, () => random.pick(characters)).join("")
    const target = `/list?${query}`
    expect(normalizeTarget(target)).toBe(new URL(`http://localhost${target}`).href.slice("http://localhost".length))
  }
})
