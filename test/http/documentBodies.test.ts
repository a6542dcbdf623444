import { Effect } from "effect"
import { expect } from "vitest"
import { AuditService } from "../../src/index.ts"
import { onServer } from "../support/databases.ts"
import { makeRandom, type Random } from "../support/random.ts"
import { type OpenApiDocument, type Part, readDocument } from "./support/openApi.ts"
import { startServer } from "./support/startServer.ts"

/** Texts that are valid or invalid in different places. */
const texts: ReadonlyArray<string> = [
  ..."a b card-1 ready w1 x=y 日本語 🙂 ü é".split(" "),
  "",
  " ",
  " lead",
  "trail ",
  "two words",
  "tab\there",
  "line\nbreak",
  "nul\u0000",
  "bell\u0007",
  "del\u007f",
  "c1\u0085",
  "\u00a0nbsp",
  "sep\u2028in",
  "\ufeffbom",
  "x".repeat(200),
  "x".repeat(201),
  "🙂".repeat(200),
  "x".repeat(500),
  "x".repeat(501),
  "x".repeat(20_000),
  "2026-01-01T00:00:00Z",
  "2026-01-01T00:00:00.123456Z",
  "0001-01-01T00:00:00Z",
  "0000-01-01T00:00:00Z",
  "9999-12-31T23:59:59.999Z",
  "2016-12-31T23:59:60Z",
  "2026-02-29T00:00:00Z",
  "2026-01-01T00:00:00+02:00",
  "2026-01-01t00:00:00z",
  "2026-01-01",
  "f".repeat(64),
  "A".repeat(86)
]

const numbers: ReadonlyArray<number> = [
  0,
  1,
  -1,
  2,
  60,
  0.5,
  1.5,
  1000,
  1001,
  36_500,
  36_500.5,
  2_592_000,
  2_592_001,
  31_622_400,
  31_622_401,
  2 ** 31 - 1,
  2 ** 31,
  -(2 ** 31),
  -(2 ** 31) - 1,
  2 ** 53 - 1,
  1e300
]

const jsons: ReadonlyArray<unknown> = [
  null,
  true,
  1.5,
  "text",
  [],
  [1, [2]],
  {},
  { a: { b: [null] } },
  { ["__proto__"]: 1 }
]

/** Makes a value that conforms to the types of a schema, and often to its other keywords. */
const generate = (document: OpenApiDocument, schema: Part, random: Random): unknown => {
  const reference = schema["$ref"] as string | undefined
  if (reference !== undefined) return generate(document, document.resolve(reference), random)
  const choices = (schema["enum"] ?? schema["anyOf"]) as ReadonlyArray<unknown> | undefined
  if (schema["enum"] !== undefined) return random.pick(choices ?? [])
  if (choices !== undefined) return generate(document, random.pick(choices) as Part, random)
  switch (schema["type"]) {
    case "string":
      return random.pick(texts)
    case "integer":
    case "number":
      return random.pick(numbers)
    case "boolean":
      return random.next() < 0.5
    case "null":
      return null
    case "array":
      return Array.from({ length: random.below(3) }, () => generate(document, schema["items"] as Part, random))
    case "object": {
      const required = new Set(schema["required"] as ReadonlyArray<string> | undefined)
      return Object.fromEntries(
        Object.entries(schema["properties"] as Record<string, Part>).flatMap(([name, member]) =>
          required.has(name) || random.next() < 0.3 ? [[name, generate(document, member, random)]] : []
        )
      )
    }
    default:
      return random.pick(jsons)
  }
}

/** What JSON Schema cannot say, and the descriptions do: bodies that the server refuses although they conform. */
const refusedInWords: Readonly<Record<string, (body: Readonly<Record<string, unknown>>) => boolean>> = {
  // A checkpoint moves forward.
  "/advance": ({ from, to }) => Number(from) >= Number(to)
}

const bodiesPerEndpoint = 40

onServer("the server", (test) => {
  test(
    "accepts every body that conforms to the OpenAPI document",
    Effect.gen(function* () {
      const random = makeRandom(23)
      const audit = yield* AuditService
      // Operations on the whole backlog are carried out once.
      const [verified, rebuilt, removed] = [yield* audit.verify(), yield* audit.rebuild(), yield* audit.removeErased()]
      const { ask, post } = yield* startServer().pipe(
        Effect.provideService(
          AuditService,
          AuditService.of({
            ...audit,
            verify: () => Effect.succeed(verified),
            rebuild: () => Effect.succeed(rebuilt),
            removeErased: () => Effect.succeed(removed)
          })
        )
      )
      const document = readDocument((yield* ask("/openapi.json")).json())
      const wrong: Array<unknown> = []
      const accepted: Record<string, number> = {}
      for (const operation of document.operations) {
        const check = document.bodyCheck(operation)
        if (check === undefined) continue
        const { path } = operation
        const schema = (
          operation.part["requestBody"] as { readonly content: Record<string, { readonly schema: Part }> }
        ).content["application/json"]?.schema as Part
        const names = Object.keys(schema["properties"] as Part)
        for (let tries = 0, sent = 0; sent < bodiesPerEndpoint && tries < 50_000; tries++) {
          const generated = generate(document, schema, random) as Record<string, unknown>
          // A server without tokens does not know the actor otherwise.
          const body = names.includes("actor") ? { ...generated, actor: "ann" } : generated
          if (!check(body) || refusedInWords[path]?.(body) === true) continue
          sent++
          const answer = yield* post(path, body)
          if ([400, 413, 415, 422].includes(answer.status)) wrong.push([path, body, answer.text])
          else accepted[path] = (accepted[path] ?? 0) + 1
        }
      }
      expect(wrong).toEqual([])
      const bodies = document.operations.filter((operation) => document.bodyCheck(operation) !== undefined)
      expect(accepted).toEqual(Object.fromEntries(bodies.map(({ path }) => [path, bodiesPerEndpoint])))
    })
  )
})
