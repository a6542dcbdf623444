import { Effect, identity, type Redacted, Semaphore } from "effect"
import { FetchHttpClient, HttpClient, type HttpClientError, HttpClientRequest } from "effect/http"
import { HttpApiClient } from "effect/http-api"
import { InvalidInput, withoutSecrets } from "../../index.ts"
import { BacklogApi } from "../api/BacklogApi.ts"
import { operationPaths } from "../api/operationPaths.ts"
import { exactAnswer } from "./exactAnswer.ts"

/** A server, and who calls it. */
export interface HttpOptions {
  /** `http://host:port`, or `https://host/path` behind a proxy. */
  readonly url: string
  /** The token by which the server knows the caller, where it asks for one. */
  readonly token?: string | Redacted.Redacted | undefined
}

/** Requests that wait for their answer to begin, each on a connection of its own; more wait for these. */
const requestsAtOnce = 100

/** Requests that may wait for long, and whose number is the caller's concern. */
const waiting = /\/(events|await-claimable|import-log)$/

/** An answer whose lines are passed on as they are, for a program that imports them. */
const exported = /\/export-log$/

/** The endpoints of a server as functions. */
export const connect = Effect.fnUntraced(function* ({ token, url }: HttpOptions) {
  const base = URL.parse(url)
  if (base === null || (base.protocol !== "http:" && base.protocol !== "https:")) {
    return yield* new InvalidInput({ problem: "the url of a server is of the form http://host:port" })
  }
  const permits = yield* Semaphore.make(requestsAtOnce)
  const bounded = HttpClient.transform<HttpClientError.HttpClientError, never, HttpClientError.HttpClientError, never>(
    (response, request) =>
      withoutSecrets(
        Effect.flatMap(waiting.test(request.url) ? response : permits.withPermit(response), (answer) =>
          exported.test(request.url) ? Effect.succeed(answer) : exactAnswer(answer)
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
