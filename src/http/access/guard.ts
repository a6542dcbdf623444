import { Clock, type Context, Effect, Metric, Option, Redacted, Result, Schema, Stream } from "effect"
import { HttpBody, HttpServerRequest, HttpServerResponse } from "effect/http"
import { truncateMessage } from "../../domain/displayText.ts"
import { type Authority, type CallerIdentity, CurrentAuthority, CurrentCaller } from "../Caller.ts"
import { makeTokenBuckets, type RateLimit } from "./RateLimit.ts"
import { findForwardingHeader, lastValue, type TrustedProxies } from "./forwarding.ts"
import { parseHost, serverOrigin } from "./hosts.ts"
import { DatabaseUnavailable, TooManyRequests, Unauthorized } from "../errors.ts"
import { CurrentIncomingRequest, type IncomingBody } from "../node/IncomingRequest.ts"
import { type Problem, problemResponse, makeProblem, problems } from "../problems.ts"
import type { AccessToken, AccessTokens } from "../../index.ts"

/** Options of `guard`. */
export interface GuardOptions {
  /** Accepted hosts of the header `Host`, without ports. */
  readonly hosts: ReadonlySet<string>
  /** Other origins whose pages may send requests: `https://board.example.com`. */
  readonly origins: ReadonlySet<string>
  /** Whether a path requires no token. */
  readonly isPublic: (path: string) => boolean
  /** The accepted tokens. `undefined` accepts none. */
  readonly tokens: AccessTokens["Service"] | undefined
  /** Whether pages of the server itself may send commands without a token. */
  readonly ownPagesMayWrite: boolean
  /** Whether callers must send a token. If not, a caller without one may do everything. */
  readonly requiresToken: boolean
  /** The rate limit per caller. `undefined` means no limit. */
  readonly rateLimit: RateLimit | undefined
  /** Proxies whose forwarding headers are trusted. `undefined` trusts none. */
  readonly trustedProxies: TrustedProxies | undefined
}

type App<E, R> = Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>

/**
 * Reasons are `Unauthorized`, `TooManyRequests`, `HostNotAllowed`, `OriginNotAllowed`, `ForwardedRequest`, `BadRequest`, and
 * `UnsupportedMediaType` for compressed bodies.
 *
 * Labels: `reason`.
 *
 * Use: a rising rate of `Unauthorized` shows a wrong or expired token, or an attack.
 */
const refusedRequests = Metric.counter("backlog_http_refused_total", {
  description: "Requests that the guard refused, by reason",
  incremental: true
})

const unrestricted: CallerIdentity = { actor: undefined, role: "unrestricted", reservedNames: [], readsOnly: false }

/** A page of the server itself, without a token, that may not send commands. */
const readingPage: CallerIdentity = { ...unrestricted, readsOnly: true }

/** Interval of the token checks during a request. */
const checkEvery = "1 second"
const checkEveryMillis = 1000

/** Time for which a token stays valid while its state cannot be read, in milliseconds. */
const maxUnreadableMillis = 30_000

/**
 * Guards an application. Checks, in this order: the request target, forwarding headers, the `Host` header, the origin, the
 * token, the rate limit, and the encoding of the body. Provides the caller as `CurrentCaller` and its authority as `CurrentAuthority`, and ends the
 * request when the token becomes invalid.
 */
export const guard = ({
  hosts,
  isPublic,
  origins,
  ownPagesMayWrite,
  rateLimit,
  requiresToken,
  tokens,
  trustedProxies
}: GuardOptions) => {
  const take = rateLimit === undefined ? () => 0 : makeTokenBuckets(rateLimit)

  const isAllowed = (host: string): boolean => {
    const name = parseHost(host)
    return name !== undefined && hosts.has(name)
  }

  /** Identifies the caller by its token. */
  const identify = Effect.fnUntraced(function* ({ headers }: HttpServerRequest.HttpServerRequest) {
    const { authorization } = headers
    if (authorization === undefined && !requiresToken) return undefined
    if (tokens === undefined) return yield* new Unauthorized({ problem: "This server accepts no tokens." })
    const shown = /^bearer +(\S+) *$/i.exec(authorization ?? "")?.[1]
    if (shown === undefined) return yield* new Unauthorized({ problem: "This server requires a token." })
    const token = yield* Effect.catchTag(
      tokens.authenticate(Redacted.make(shown)),
      "AccessTokenRefused",
      (error) => new Unauthorized({ problem: error.message })
    )
    return { ...token, reservedNames: token.role === "worker" ? yield* tokens.holdersUnder(token.actor) : [] }
  })

  /** The authority of a caller with a token. */
  const makeAuthority = (token: AccessToken): Authority => {
    const isAccepted = tokens === undefined ? Effect.succeed(false) : tokens.isValid(token.id, token)
    const requireValid = Effect.flatMap(isAccepted, (accepted) =>
      accepted ? Effect.void : Effect.fail(tokenNoLongerValid)
    )
    const failWhenInvalid = Effect.gen(function* () {
      let knownAt = yield* Clock.currentTimeMillis
      for (;;) {
        yield* Effect.sleep(checkEvery)
        const state = yield* Effect.result(isAccepted)
        if (Result.isSuccess(state) && !state.success) return yield* tokenNoLongerValid
        const now = yield* Clock.currentTimeMillis
        if (Result.isSuccess(state)) knownAt = now
        else if (now - knownAt > maxUnreadableMillis) return yield* tokenNoLongerValid
      }
    })
    return { requireValid, failWhenInvalid }
  }

  /** Ends a streamed response when the caller's token becomes invalid. */
  const endWhenInvalid = (
    response: HttpServerResponse.HttpServerResponse,
    body: HttpBody.Stream,
    { failWhenInvalid }: Authority
  ): HttpServerResponse.HttpServerResponse =>
    HttpServerResponse.setBody(
      response,
      HttpBody.stream(
        Stream.interruptWhen(body.stream, Effect.orDie(failWhenInvalid)),
        body.contentType,
        body.contentLength
      )
    )

  /** The application's response to the caller, or the refusal. */
  const respond = Effect.fnUntraced(function* <E, R>(
    app: App<E, R>,
    request: HttpServerRequest.HttpServerRequest,
    isOwnPage: boolean
  ) {
    const identified = yield* Effect.result(identify(request))
    if (Result.isFailure(identified)) {
      if (!(identified.failure instanceof Unauthorized)) {
        return yield* Effect.andThen(
          Effect.annotateLogs(Effect.logError("The tokens cannot be read."), { error: identified.failure }),
          refuse(request, encodeUnavailable(new DatabaseUnavailable({ reason: identified.failure.reason._tag })))
        )
      }
      const wait = take(clientOf(request))
      return yield* wait > 0 ? tooManyRequests(request, wait) : unauthorized(request, identified.failure)
    }
    const token = identified.success
    const wait = take(token?.id ?? clientOf(request))
    if (wait > 0) return yield* tooManyRequests(request, wait)
    const { body } = yield* CurrentIncomingRequest
    const encoding = body === undefined ? undefined : request.headers["content-encoding"]
    if (encoding !== undefined && encoding.toLowerCase() !== "identity") {
      return yield* refuse(request, unsupportedEncoding(encoding), { "accept-encoding": "identity" })
    }
    const identity: CallerIdentity =
      token === undefined
        ? isOwnPage && !ownPagesMayWrite
          ? readingPage
          : unrestricted
        : { actor: token.actor, role: token.role, reservedNames: token.reservedNames, readsOnly: false }
    const identifiedApp = Effect.provideService(app, CurrentCaller, identity)
    if (token === undefined) return yield* identifiedApp
    const authority = makeAuthority(token)
    const authorizedApp = Effect.provideService(identifiedApp, CurrentAuthority, authority)
    if (body === undefined) {
      const response = yield* authorizedApp
      if (response.body._tag === "Stream") return endWhenInvalid(response, response.body, authority)
      // A read changes nothing, so its response can be withheld from a caller whose token has become invalid.
      const isRead = request.method === "GET" || request.method === "HEAD"
      return isRead && !(yield* isValid(authority)) ? yield* unauthorized(request, tokenNoLongerValid) : response
    }
    const bodyWatch = watchBody(body, authority, yield* Effect.context())
    const response = yield* Effect.catchCause(Effect.ensuring(authorizedApp, Effect.sync(bodyWatch.stop)), (cause) =>
      bodyWatch.hasEnded() ? Effect.undefined : Effect.failCause(cause)
    )
    // The handler read an incomplete body because the token became invalid.
    if (response === undefined || bodyWatch.hasEnded()) return yield* unauthorized(request, tokenNoLongerValid)
    return response.body._tag === "Stream" ? endWhenInvalid(response, response.body, authority) : response
  })

  return <E, R>(app: App<E, R>): App<E, R | HttpServerRequest.HttpServerRequest> =>
    Effect.gen(function* () {
      const request = yield* HttpServerRequest.HttpServerRequest
      const { path, peer, problem } = yield* CurrentIncomingRequest
      if (problem !== undefined) return yield* refuse(request, badRequest(problem))
      const { headers } = request
      const proxy = requiresToken ? undefined : findForwardingHeader(headers)
      if (proxy !== undefined) return yield* refuse(request, forwardedRequest(proxy))
      const { host = "", origin } = headers
      if (!isAllowed(host)) return yield* refuse(request, hostNotAllowed(host))
      const isProxied = trustedProxies?.includes(peer) === true
      const outerHost = (isProxied ? lastValue(headers["x-forwarded-host"]) : undefined) ?? host
      if (!isAllowed(outerHost)) return yield* refuse(request, hostNotAllowed(outerHost))
      const scheme = isProxied && lastValue(headers["x-forwarded-proto"])?.toLowerCase() === "https" ? "https" : "http"
      const isOther = origin !== undefined && origin !== serverOrigin(scheme, outerHost)
      // Browsers send the origin of each command. For reads from the same origin they only send that it is the same one.
      const isOwn = origin === undefined ? headers["sec-fetch-site"] === "same-origin" : !isOther
      if (isOther && !origins.has(origin)) return yield* refuse(request, originNotAllowed(origin, outerHost))
      if (isOther && request.method === "OPTIONS") return preflight(origin)
      const response = yield* Effect.flatMap(isPublic(path) ? app : respond(app, request, isOwn), (answer) =>
        answer.status === 401 && answer.headers["www-authenticate"] === undefined
          ? Effect.as(count(request, "Unauthorized"), HttpServerResponse.setHeaders(answer, challenge))
          : Effect.succeed(answer)
      )
      return isOther ? HttpServerResponse.setHeaders(response, crossOriginHeaders(origin)) : response
    })
}

const isValid = ({ requireValid }: Authority): Effect.Effect<boolean> =>
  Effect.match(requireValid, { onSuccess: () => true, onFailure: (error) => !(error instanceof Unauthorized) })

/** Fails a body that is still arriving when the caller's token becomes invalid. Costs a timer but no fiber. */
const watchBody = (body: IncomingBody, { requireValid }: Authority, context: Context.Context<never>) => {
  let ended = false
  const timer = setInterval(() => {
    if (!body.isReceiving()) {
      clearInterval(timer)
      return
    }
    Effect.runForkWith(context)(
      Effect.catch(requireValid, (error) =>
        Effect.sync(() => {
          if (!(error instanceof Unauthorized) || !body.isReceiving()) return
          ended = true
          body.fail(error)
        })
      )
    )
  }, checkEveryMillis).unref()
  return { stop: () => clearInterval(timer), hasEnded: () => ended }
}

const clientOf = (request: HttpServerRequest.HttpServerRequest): string =>
  Option.getOrElse(request.remoteAddress, () => "")

const badRequest = (problem: string): Problem => makeProblem("BadRequest", problem)

const forwardedRequest = (header: string): Problem =>
  makeProblem(
    "ForwardedRequest",
    `The header ${JSON.stringify(truncateMessage(header))} shows that a proxy forwarded this request. This server requires no token, so every client of the proxy could do everything. Start the server with --trust-proxy, which requires tokens.`
  )

const hostNotAllowed = (host: string): Problem =>
  makeProblem(
    "HostNotAllowed",
    `The server does not accept the host ${JSON.stringify(truncateMessage(host))}. Start it with --allow-host to accept this host.`
  )

const originNotAllowed = (origin: string, host: string): Problem =>
  makeProblem(
    "OriginNotAllowed",
    `The server does not accept requests from pages of ${JSON.stringify(truncateMessage(origin))}. Start it with --allow-origin to accept this origin.${origin === `https://${host.toLowerCase()}` ? " If a TLS proxy serves the server's own pages, start it with --trust-proxy." : ""}`
  )

const unsupportedEncoding = (encoding: string): Problem =>
  makeProblem(
    "UnsupportedMediaType",
    `The server reads no compressed bodies. Send the body without Content-Encoding: ${truncateMessage(encoding)}.`
  )

const encodeUnauthorized = Schema.encodeSync(problems.unauthorized)
const encodeTooMany = Schema.encodeSync(problems.tooManyRequests)
const encodeUnavailable = Schema.encodeSync(problems.databaseUnavailable)

const refuse = (
  request: HttpServerRequest.HttpServerRequest,
  problem: Problem,
  headers: Readonly<Record<string, string>> = {}
) => Effect.as(count(request, problem._tag), problemResponse(problem, headers))

const count = (request: HttpServerRequest.HttpServerRequest, reason: string) =>
  Effect.gen(function* () {
    yield* Metric.update(Metric.withAttributes(refusedRequests, { reason }), 1)
    const { path, peer } = yield* CurrentIncomingRequest
    const from = clientOf(request)
    // The proxy, if it is trusted and named the client.
    const by = from === peer ? {} : { proxy: peer }
    yield* Effect.annotateLogs(Effect.logDebug("A request was refused."), {
      reason,
      from,
      ...by,
      method: request.method,
      path
    })
  })

const challenge = { "www-authenticate": "Bearer" }

const unauthorized = (request: HttpServerRequest.HttpServerRequest, error: Unauthorized) =>
  refuse(request, encodeUnauthorized(error), challenge)

const tooManyRequests = (request: HttpServerRequest.HttpServerRequest, wait: number) => {
  const error = new TooManyRequests({ retryAfterSeconds: Math.ceil(wait) })
  return refuse(request, encodeTooMany(error), { "retry-after": String(error.retryAfterSeconds) })
}

const tokenNoLongerValid = new Unauthorized({ problem: "The token was revoked or has expired." })

/** Headers with which a browser lets a page of another origin read the response. */
const crossOriginHeaders = (origin: string) => ({
  "access-control-allow-origin": origin,
  "access-control-expose-headers": "retry-after, www-authenticate, mcp-session-id",
  vary: "origin"
})

/** The response to a browser's preflight request for a page of another origin. */
const preflight = (origin: string): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.empty({
    status: 204,
    headers: {
      ...crossOriginHeaders(origin),
      "access-control-allow-methods": "GET, POST, DELETE",
      "access-control-allow-headers":
        "authorization, content-type, idempotency-key, last-event-id, mcp-session-id, mcp-protocol-version, mcp-method, mcp-name",
      "access-control-max-age": "600"
    }
  })
