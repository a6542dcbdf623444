import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { expect } from "vitest"
import { onServer } from "../support/databases.ts"
import { asking } from "./support/asking.ts"
import { framesOf } from "./support/serverSentEvents.ts"
import { run } from "./support/example.ts"

const root = join(import.meta.dirname, "..", "..")
const read = (...path: ReadonlyArray<string>): string => readFileSync(join(root, ...path), "utf8")
const page = read("docs", "http.md")

interface Example {
  readonly method: string
  readonly path: string
  readonly headers: Record<string, string>
  readonly body: string
  readonly status: number
  readonly answer: string
}

/** Every request on the page, with what it says of the answer. */
const examples: ReadonlyArray<Example> = [...page.matchAll(/```http\n([\s\S]*?)```/g)].map(([, block = ""]) => {
  const [request = "", response = ""] = block.split("\n\n")
  const [first = "", ...rest] = request.split("\n")
  const [method = "", path = ""] = first.split(" ")
  const headers = rest.filter((line) => /^[\w-]+: /.test(line)).map((line) => line.split(/: (.*)/).slice(0, 2))
  const [status = "", ...answer] = response.split("\n")
  return {
    method,
    path,
    headers: Object.fromEntries(headers) as Record<string, string>,
    body: rest.filter((line) => !/^[\w-]+: /.test(line)).join("\n"),
    status: Number(status),
    answer: answer.join("\n").trim()
  }
})

/** The JSON of an answer, or its only event. */
const json = (text: string): object => {
  if (text.startsWith("{")) return JSON.parse(text) as object
  const [frame] = framesOf(text)
  return { id: frame?.id, data: JSON.parse(frame?.data ?? "") as unknown }
}

onServer("docs/http.md", (test) => {
  test(
    "tells the truth, request by request",
    Effect.gen(function* () {
      const { ask, url } = yield* asking()
      expect(examples.length).toBeGreaterThan(8)
      for (const { answer, body, headers, method, path, status } of examples) {
        const given = yield* method === "GET"
          ? ask(path)
          : ask(path, { method, body, headers: { "content-type": "application/json", ...headers } })
        expect([method, path, given.status]).toEqual([method, path, status])
        expect(json(given.text.trim())).toMatchObject(json(answer))
      }
      expect(yield* Effect.promise(() => run(url))).toMatchObject({ total: 3 })
    })
  )

  test(
    "shows the program that was run here",
    Effect.sync(() => {
      const example = read("test", "http", "support", "example.ts")
        .replaceAll("../../../src/http/index.ts", "mosaic-backlog/http")
        .replaceAll("../../../src/index.ts", "mosaic-backlog")
      expect(page).toContain(`\`\`\`ts\n${example}\`\`\`\n`)
      const { exports } = JSON.parse(read("package.json")) as { readonly exports: Record<string, unknown> }
      expect(exports["./http"]).toEqual({ types: "./dist/http/index.d.ts", import: "./dist/http/index.js" })
    })
  )
})
