import { Effect, identity, Layer, type Redacted, Result, Schema, SchemaIssue, Semaphore, Stream } from "effect"
import { FetchHttpClient, HttpClient, HttpClientError, HttpClientRequest, type HttpClientResponse } from "effect/http"
import { HttpApiClient } from "effect/http-api"
import { describeJsonProblem, parseExactJson } from "../../domain/parseExactJson.ts"
import { BacklogApi, operationPaths } from "../api/BacklogApi.ts"
import { InvalidInput, withoutSecrets } from "../../index.ts"

/**
 * Refuses a response that would not be kept exactly, because a number would change or a key is repeated: in a JSON body, and
 * in each line or server-sent event of a stream.
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

/** The error of a response that is not exact JSON: the same as that of any invalid response. */
const inexactJsonError = (text: string): HttpClientError.HttpClientError | undefined => {
  if (text === "") return undefined
  const parsed = parseExactJson(text)
  if (Result.isSuccess(parsed)) return undefined
  const message = `it is not JSON that can be stored: ${describeJsonProblem(parsed.failure)}`
  return new Schema.SchemaError(new SchemaIssue.InvalidValue({ message })) as unknown as HttpClientError.HttpClientError
}

/** Checks the lines of a response as they are read. */
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

/** Options of `layerHttp`. */
export interface HttpOptions {
  /** URL of the server: `http://host:port`, or `https://host/path` behind a proxy. */
  readonly url: string
  /** Access token of the caller. Defaults to none. */
  readonly token?: string | Redacted.Redacted | undefined
}

/** Maximum number of requests that wait for a response. Each uses a connection; further requests are queued. */
const maxConcurrentRequests = 100

/** Requests that may take long, and which are not counted. */
const longRequests = /\/(events|await-claimable|await-claim-end|import-log)$/

/** Requests that run for as long as there is work, and may send nothing at first. */
const unboundedRequests = /\/(verify|rebuild|remove-erased|restored|export-log|import-log|create-many)$/

/** Time in which a server must begin its response. No request deliberately waits longer than 50 seconds. */
const responseTimeout = "2 minutes"

/** Responses whose lines are passed on unchanged, to be checked by the import. */
const rawAnswers = /\/export-log$/

const inTime = <A, R>(
  response: Effect.Effect<A, HttpClientError.HttpClientError, R>,
  request: HttpClientRequest.HttpClientRequest
): Effect.Effect<A, HttpClientError.HttpClientError, R> =>
  unboundedRequests.test(request.url)
    ? response
    : Effect.timeoutOrElse(response, {
        duration: responseTimeout,
        orElse: () =>
          Effect.fail(
            new HttpClientError.HttpClientError({
              reason: new HttpClientError.TransportError({
                request,
                cause: new Error(`it did not respond within ${responseTimeout}`)
              })
            })
          )
      })

/** Redirects are not followed: `fetch` omits the token for another origin, and turns commands into reads. */
const withoutRedirects = Layer.succeed(FetchHttpClient.RequestInit)({ redirect: "manual" })

/** Makes the client of a server. */
export const connect = Effect.fnUntraced(function* ({ token, url }: HttpOptions) {
  const base = URL.parse(url)
  if (base === null || (base.protocol !== "http:" && base.protocol !== "https:")) {
    return yield* new InvalidInput({ problem: "the URL of a server must have the form http://host:port" })
  }
  const permits = yield* Semaphore.make(maxConcurrentRequests)
  const bounded = HttpClient.transform<HttpClientError.HttpClientError, never, HttpClientError.HttpClientError, never>(
    (response, request) =>
      withoutSecrets(
        Effect.flatMap(
          longRequests.test(request.url) ? response : permits.withPermit(inTime(response, request)),
          (answer) => (rawAnswers.test(request.url) ? Effect.succeed(answer) : requireExactAnswer(answer))
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
    Layer.provide(FetchHttpClient.layer, withoutRedirects)
  )
})

/** The endpoints of a server as functions. */
export type Endpoints = Effect.Success<ReturnType<typeof connect>>
