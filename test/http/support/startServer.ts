import { Effect, type Scope } from "effect"
import { serve, type Served, type ServeOptions } from "../../../src/http/index.ts"

/** A response of a server. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** The text as JSON. */
  readonly json: () => Record<string, unknown>
}

/** A server, and functions that send requests to it without a token. */
export interface TestServer {
  readonly url: string
  readonly ask: (path: string, init?: RequestInit) => Effect.Effect<Answer>
  readonly post: (path: string, body: unknown, headers?: Record<string, string>) => Effect.Effect<Answer>
}

/** Serves the test's backlog on a free port. */
export const startServer = (options: ServeOptions = {}): Effect.Effect<TestServer, never, Served | Scope.Scope> =>
  Effect.map(Effect.orDie(serve({ port: 0, ...options })), ({ url }) => clientAt(url))

/** Functions that send requests to the server at a URL. */
export const clientAt = (url: string): TestServer => {
  const ask = (path: string, init?: RequestInit) =>
    Effect.promise(async (signal): Promise<Answer> => {
      const response = await fetch(url + path, { signal, ...init })
      const text = await response.text()
      return {
        status: response.status,
        headers: response.headers,
        text,
        json: () => JSON.parse(text) as Record<string, unknown>
      }
    })
  return {
    url,
    ask,
    post: (path, body, headers = {}) =>
      ask(path, {
        method: "POST",
        body: typeof body === "string" ? body : JSON.stringify(body),
        headers: { "content-type": "application/json", ...headers }
      })
  }
}
