import { Effect, type Redacted } from "effect"
import { FetchHttpClient, HttpClient, HttpClientRequest } from "effect/http"
import { HttpApiClient } from "effect/http-api"
import { InvalidInput } from "../../index.ts"
import { BacklogApi } from "../api/BacklogApi.ts"

/** A server, and who calls it. */
export interface HttpOptions {
  /** `http://host:port`, or `https://host/path` behind a proxy. */
  readonly url: string
  /** The token by which the server knows the caller, where it asks for one. */
  readonly token?: string | Redacted.Redacted | undefined
}

/** The endpoints of a server as functions. */
export const connect = Effect.fnUntraced(function* ({ token, url }: HttpOptions) {
  const base = URL.parse(url)
  if (base === null || (base.protocol !== "http:" && base.protocol !== "https:")) {
    return yield* new InvalidInput({ problem: "the url of a server is of the form http://host:port" })
  }
  return yield* Effect.provide(
    HttpApiClient.make(BacklogApi, {
      baseUrl: base.href.replace(/\/$/, ""),
      transformClient:
        token === undefined ? (client) => client : HttpClient.mapRequest(HttpClientRequest.bearerToken(token))
    }),
    FetchHttpClient.layer
  )
})

/** The endpoints of a server as functions. */
export type Endpoints = Effect.Success<ReturnType<typeof connect>>
