import { Effect } from "effect"
import { expect } from "vitest"
import { AuditService, BacklogService } from "../../src/index.ts"
import { ask as askRaw, serveSecured } from "../security/support/serveSecured.ts"
import { onServer } from "../support/databases.ts"
import { startServer } from "./support/startServer.ts"

interface Operation {
  readonly operationId: string
  readonly summary: string
  readonly parameters: ReadonlyArray<{ readonly name: string; readonly schema: object }>
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, unknown>> }>>
}

interface Document {
  readonly openapi: string
  readonly servers: ReadonlyArray<{ readonly url: string }>
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}

const kebab = (name: string) => name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)

/** Resolves a reference in a document. */
const resolve = (document: object, reference: string): unknown =>
  reference
    .slice(2)
    .split("/")
    .reduce<unknown>((part, name) => (part as Record<string, unknown> | undefined)?.[name], document)

onServer("the OpenAPI document", (test) => {
  test(
    "has one endpoint per service method",
    Effect.gen(function* () {
      const { ask } = yield* startServer()
      const document = (yield* ask("/openapi.json")).json() as unknown as Document
      expect(document.openapi).toBe("3.1.0")
      const methods = [...Object.keys(yield* BacklogService), ...Object.keys(yield* AuditService)]
      // `consume` runs its handler in the client and uses the server's other endpoints. `/readyz` serves `readiness`.
      const withoutEndpoint = new Set(["consume", "readiness"])
      const paths = methods.filter((method) => !withoutEndpoint.has(method)).map((method) => `/${kebab(method)}`)
      const ofThePast = ["cards", "critical-path", "dependents", "impact", "neighbourhood"].map(
        (method) => `/backlog-at/${method}`
      )
      expect(Object.keys(document.paths).sort()).toEqual([...paths, ...ofThePast, "/caller"].sort())

      const operations = Object.values(document.paths).flatMap((path) => Object.values(path))
      expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length)
      for (const { responses, summary } of operations) {
        expect(summary.length).toBeGreaterThan(5)
        expect(Object.keys(responses)).toEqual(expect.arrayContaining(["400", "401", "403", "429", "500", "503"]))
        for (const [status, { content = {} }] of Object.entries(responses)) {
          if (Number(status) >= 400) expect(Object.keys(content)).toEqual(["application/problem+json"])
        }
      }
      const wait = document.paths["/claim"]?.["post"]?.parameters.find(({ name }) => name === "wait")
      expect(wait?.schema).toEqual({ type: "integer", minimum: 0, maximum: 50 })
      const times = Object.entries(document.paths).flatMap(([path, { get }]) =>
        (get?.parameters ?? []).filter(({ schema }) => "format" in schema).map(({ name }) => `${path} ${name}`)
      )
      expect(times.sort()).toEqual([
        "/backlog-at time",
        "/backlog-at/cards changedSince",
        "/backlog-at/cards time",
        "/backlog-at/critical-path time",
        "/backlog-at/dependents time",
        "/backlog-at/impact time",
        "/backlog-at/neighbourhood time",
        "/card-at time",
        "/claims afterExpiresAt",
        "/diff fromTime",
        "/diff toTime",
        "/explain-at time",
        "/flow from",
        "/flow to",
        "/list changedSince"
      ])
      expect(document.servers.map(({ url }) => url)).toEqual(["/"])
      const dangling: Array<string> = []
      JSON.stringify(document, (key, value: unknown) => {
        // A schema that accepts anything says so in words.
        if (key === "anyOf") expect(value).not.toContainEqual({})
        if (key === "$ref" && resolve(document, String(value)) === undefined) dangling.push(String(value))
        return value
      })
      expect(dangling).toEqual([])
    })
  )

  test(
    "names the path that a trusted proxy removed, and no other",
    Effect.gen(function* () {
      const { port } = yield* serveSecured({ trustProxy: ["127.0.0.1"] })
      const { port: untrusting } = yield* serveSecured()
      const serverOf = (prefix: string, at = port) =>
        Effect.map(
          Effect.all([
            askRaw(at, { path: "/openapi.json", headers: { "x-forwarded-prefix": prefix } }),
            askRaw(at, { path: "/docs", headers: { "x-forwarded-prefix": prefix } })
          ]),
          ([document, page]) => {
            const [server] = (JSON.parse(document.body) as Document).servers
            expect(page.body).toContain(`"servers":[{"url":${JSON.stringify(server?.url)}`)
            return server?.url
          }
        )
      for (const [prefix, url] of [
        ["/backlog", "/backlog"],
        ["/a/b.c/", "/a/b.c"],
        ["", "/"],
        ["//example.org", "/"],
        ["https://example.org", "/"],
        ["/a b", "/"],
        ['/"}]', "/"]
      ] as const) {
        expect([prefix, yield* serverOf(prefix)]).toEqual([prefix, url])
      }
      expect(yield* serverOf("/backlog", untrusting)).toBe("/")
    })
  )

  test(
    "is rendered as a page that loads nothing from other hosts",
    Effect.gen(function* () {
      const { ask } = yield* startServer()
      const page = yield* ask("/docs")
      expect(page.headers.get("content-type")).toContain("text/html")
      expect(page.headers.get("content-security-policy")).toContain("default-src 'none'")
      expect(page.headers.get("content-security-policy")).not.toMatch(/https?:|\*/)
      const outside = page.text.replaceAll(/<script[^>]*>[\s\S]*?<\/script>|<style>[\s\S]*?<\/style>/g, "")
      expect(outside).not.toMatch(/https?:|src=|href=/)
      expect(page.text).not.toMatch(/<(script|link|img)[^>]+(src|href)=["']?https?:/)
      expect(page.text).toContain("claimMany")
    })
  )
})
