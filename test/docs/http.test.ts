import { Effect } from "effect"
import { expect } from "vitest"
import { onServer } from "../support/databases.ts"
import { startServer } from "../http/support/startServer.ts"
import { run } from "../http/support/example.ts"
import { textsOn } from "./support/pages.ts"

interface Exchange {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
  readonly status: number
  readonly answer: string
}

/** A request and its response, which begins with a status on its own line. */
const exchangeIn = (text: string): Exchange => {
  const [asked = "", status = "", answer = ""] = text.split(/^(\d{3})$/m)
  const [first = "", ...rest] = asked.trim().split("\n")
  const [method = "", path = ""] = first.split(" ")
  const headers = rest.filter((line) => /^[A-Z][\w-]*: /.test(line))
  const body = rest.filter((line) => !headers.includes(line)).join("\n")
  return {
    method,
    path,
    headers: Object.fromEntries(headers.map((line) => line.split(": ", 2) as [string, string])),
    body: body === "" ? undefined : body,
    status: Number(status),
    answer: answer.trim()
  }
}

/** The documents of a response: one, one per line, or those of server-sent events. */
const documentsIn = (text: string): ReadonlyArray<object> => {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith(":"))
  if (lines.some((line) => line.startsWith("data: ")))
    return lines.flatMap((line) => {
      if (line.startsWith("data: ")) return [JSON.parse(line.slice("data: ".length)) as object]
      return line.startsWith("id: ") ? [{ id: line.slice("id: ".length) }] : []
    })
  try {
    return [JSON.parse(text) as object]
  } catch {
    return lines.map((line) => JSON.parse(line) as object)
  }
}

onServer("docs/http.md", (test) => {
  test(
    "the server responds as the page shows",
    Effect.gen(function* () {
      const { ask, url } = yield* startServer()
      const exchanges = textsOn("docs/http.md", "http").map(exchangeIn)
      expect(exchanges.length).toBeGreaterThan(5)
      for (const { answer, body, headers, method, path, status } of exchanges) {
        const answered = yield* ask(path, {
          method,
          headers: { ...headers, ...(body === undefined ? {} : { "content-type": "application/json" }) },
          ...(body === undefined ? {} : { body })
        })
        expect([path, answered.status]).toEqual([path, status])
        // The page shows only a part of the response.
        expect(documentsIn(answered.text)).toMatchObject(documentsIn(answer))
      }
      expect(yield* Effect.promise(() => run(url))).toMatchObject({ total: 3 })
    })
  )
})
