import { Effect, identity, type Redacted, Result, Schema, SchemaIssue, Semaphore, Stream } from "effect"
import {
  FetchHttpClient,
  HttpClient,
  type HttpClientError,
  HttpClientRequest,
  type HttpClientResponse
} from "effect/http"
import { HttpApiClient } from "effect/http-api"
import { describeJsonProblem, parseExactJson } from "../../domain/parseExactJson.ts"
import { BacklogApi, operationPaths } from "../api/BacklogApi.ts"
import { InvalidInput, withoutSecrets } from "../../index.ts"

/**
 * Refuses an answer of a server in which a number would be changed, or which has a key twice: in a JSON body, and in each
 * line or server-sent event of a stream.
 */
const requireExactAnswer = (
  response: HttpClientResponse.HttpClientResponse
): Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError> => {
  const [type = ""] = (response.headers["content-type"] ?? "").split(";")
  switch (type.trim()) {
    case "application/json":
    case "application/problem+json":
      return Effect.flatMap(response.text, (text) => {
        const error = inexactJsonError(text)
        return error === undefined ? Effect.succeed(response) : Effect.fail(error)
      })
    case "application/x-ndjson":
      return Effect.succeed(checkLines(response, (line) => line))
    case "text/event-stream":
      return Effect.succeed(checkLines(response, (line) => /^data: ?(.*)$/s.exec(line)?.[1] ?? ""))
    default:
      return Effect.succeed(response)
  }
}

/** Told as every answer that cannot be understood. */
const inexactJsonError = (text: string): HttpClientError.HttpClientError | undefined => {
  if (text === "") return undefined
  const parsed = parseExactJson(text)
  if (Result.isSuccess(parsed)) return undefined
  const message = `it is not JSON that can be stored: ${describeJsonProblem(parsed.failure)}`
  return new Schema.SchemaError(new SchemaIssue.InvalidValue({ message })) as unknown as HttpClientError.HttpClientError
}

/** A response whose lines are checked as they are read. */
const checkLines = (
  response: HttpClientResponse.HttpClientResponse,
  jsonIn: (line: string) => string
): HttpClientResponse.HttpClientResponse => {
  const stream = Stream.suspend(() => {
    const decoder = new TextDecoder()
    let rest = ""
    const check = (text: string): HttpClientError.HttpClientError | undefined => {
      rest += text
      for (let end = rest.indexOf("\n"); end !== -1; end = rest.indexOf("\n")) {
        const error = inexactJsonError(jsonIn(rest.slice(0, end).replace(/\r$/, "")))
        if (error !== undefined) return error
        rest = rest.slice(end + 1)
      }
      return undefined
    }
    return Stream.mapEffect(response.stream, (bytes) => {
      const error = check(decoder.decode(bytes, { stream: true }))
      return error === undefined ? Effect.succeed(bytes) : Effect.fail(error)
    })
  })
  return Object.create(response, { stream: { value: stream } }) as HttpClientResponse.HttpClientResponse
}

/** A server, and who calls it. */
export interface HttpOptions {
  /** `http://host:port`, or `https://host/path` behind a proxy. */
  readonly url: string
  /** The token by which the server knows the caller, where it asks for one. */
  readonly token?: string | Redacted.Redacted | undefined
}

/** Requests that wait for their answer to begin, each on a connection of its own; more wait for these. */
const maxConcurrentRequests = 100

/** Requests that may wait for long, and whose number is the caller's concern. */
const longRequests = /\/(events|await-claimable|import-log)$/

/** An answer whose lines are passed on as they are, for a program that imports them. */
const rawAnswers = /\/export-log$/

/** The endpoints of a server as functions. */
export const connect = Effect.fnUntraced(function* ({ token, url }: HttpOptions) {
  const base = URL.parse(url)
  if (base === null || (base.protocol !== "http:" && base.protocol !== "https:")) {
    return yield* new InvalidInput({ problem: "the url of a server is of the form http://host:port" })
  }
  const permits = yield* Semaphore.make(maxConcurrentRequests)
  const bounded = HttpClient.transform<HttpClientError.HttpClientError, never, HttpClientError.HttpClientError, never>(
    (response, request) =>
      withoutSecrets(
        Effect.flatMap(longRequests.test(request.url) ? response : permits.withPermit(response), (answer) =>
          rawAnswers.test(request.url) ? Effect.succeed(answer) : requireExactAnswer(answer)
        )
      )
  )
  const called = token === undefined ? identity : HttpClient.mapRequest(HttpClientRequest.bearerToken(token))
  const baseUrl = base.href.replace(/\/$/, "")
  return yield* Effect.provide(
    Effect.gen(function* () {
      const endpoints = yield* HttpApiClient.make(BacklogApi, {
        baseUrl,
        transformClient: (client) => bounded(called(client))
      })
      const client = yield* HttpClient.HttpClient
      return { ...endpoints, ready: Effect.scoped(client.get(`${baseUrl}${operationPaths.ready}`)) }
    }),
    FetchHttpClient.layer
  )
})

/** The endpoints of a server as functions. */
export type Endpoints = Effect.Success<ReturnType<typeof connect>>
