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

/** Who is let in. */
export interface GuardOptions {
  /** Names by which the server may be asked for, as in a header `Host`, without ports. */
  readonly hosts: ReadonlySet<string>
  /** Other origins whose pages may ask, `https://board.example.com`. */
  readonly origins: ReadonlySet<string>
  /** Paths that anybody may ask. */
  readonly publicPaths: ReadonlySet<string>
  /** The tokens that are taken; none are when absent. */
  readonly tokens: AccessTokens["Service"] | undefined
  /** Whether whoever shows no token is nobody, or else anybody. */
  readonly requiresToken: boolean
  /** How often each caller may ask; as often as he likes when absent. */
  readonly rateLimit: RateLimit | undefined
  /** Proxies that say how they were asked; none when absent. */
  readonly trustedProxies: TrustedProxies | undefined
}

type App<E, R> = Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>

const refusedRequests = Metric.counter("backlog_http_refused_total", {
  description: "Requests that were refused before they were looked at, by why",
  incremental: true
})

const anybody: CallerIdentity = { actor: undefined, role: "anybody", reservedNames: [] }

/** How often the token of a request that is not over is checked. */
const checkEvery = "1 second"
const checkEveryMillis = 1000

/** For how long a token whose state cannot be read counts as before, in milliseconds. */
const maxUnreadableMillis = 30_000

/**
 * Lets a request through to an application when it is meant for this server, comes from no page of another origin, and is
 * made by a caller who may call, not too often. The application finds the caller as `CurrentCaller`, and for how long the
 * caller may act as `CurrentAuthority`.
 */
export const guard = ({
  hosts,
  publicPaths,
  origins,
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

  /** Who calls, by the token that is shown. */
  const identify = Effect.fnUntraced(function* ({ headers }: HttpServerRequest.HttpServerRequest) {
    const { authorization } = headers
    if (authorization === undefined && !requiresToken) return undefined
    if (tokens === undefined) return yield* new Unauthorized({ problem: "This server takes no tokens." })
    const shown = /^bearer +(\S+) *$/i.exec(authorization ?? "")?.[1]
    if (shown === undefined) return yield* new Unauthorized({ problem: "This server asks who calls." })
    const token = yield* Effect.catchTag(
      tokens.authenticate(Redacted.make(shown)),
      "AccessTokenRefused",
      (error) => new Unauthorized({ problem: error.message })
    )
    return { ...token, reservedNames: token.role === "worker" ? yield* tokens.holdersUnder(token.actor) : [] }
  })

  /** For how long the caller with a token may act. */
  const authorityOf = (token: AccessToken): Authority => {
    const isValid = tokens === undefined ? Effect.succeed(false) : tokens.isValid(token.id, token)
    const requireValid = Effect.flatMap(isValid, (valid) => (valid ? Effect.void : Effect.fail(tokenNoLongerValid)))
    const failWhenInvalid = Effect.gen(function* () {
      let knownAt = yield* Clock.currentTimeMillis
      for (;;) {
        yield* Effect.sleep(checkEvery)
        const state = yield* Effect.result(isValid)
        if (Result.isSuccess(state) && !state.success) return yield* tokenNoLongerValid
        const now = yield* Clock.currentTimeMillis
        if (Result.isSuccess(state)) knownAt = now
        else if (now - knownAt > maxUnreadableMillis) return yield* tokenNoLongerValid
      }
    })
    return { requireValid, failWhenInvalid }
  }

  /** An answer that is broken off when the caller may not act any more. */
  const whileValid = (
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

  /** The application's answer to whoever calls, or why he gets none. */
  const answered = Effect.fnUntraced(function* <E, R>(app: App<E, R>, request: HttpServerRequest.HttpServerRequest) {
    const identified = yield* Effect.result(identify(request))
    if (Result.isFailure(identified)) {
      if (!(identified.failure instanceof Unauthorized)) {
        return yield* Effect.andThen(
          Effect.logError("The tokens cannot be read.", identified.failure),
          refuse(request, encodeUnavailable(new DatabaseUnavailable({ reason: identified.failure.reason._tag })))
        )
      }
      const wait = take(clientOf(request))
      return yield* wait > 0 ? tooManyRequests(request, wait) : unauthorized(request, identified.failure)
    }
    const token = identified.success
    const wait = take(token?.id ?? clientOf(request))
    if (wait > 0) return yield* tooManyRequests(request, wait)
    const identity: CallerIdentity =
      token === undefined ? anybody : { actor: token.actor, role: token.role, reservedNames: token.reservedNames }
    const known = Effect.provideService(app, CurrentCaller, identity)
    if (token === undefined) return yield* known
    const authority = authorityOf(token)
    const acting = Effect.provideService(known, CurrentAuthority, authority)
    const { body } = yield* CurrentIncomingRequest
    if (body === undefined) {
      const response = yield* acting
      if (response.body._tag === "Stream") return whileValid(response, response.body, authority)
      // What is read without a body changes nothing, so it can be kept from a caller who may not have it any more.
      const isRead = request.method === "GET" || request.method === "HEAD"
      return isRead && !(yield* isValid(authority)) ? yield* unauthorized(request, tokenNoLongerValid) : response
    }
    const watched = watchBody(body, authority, yield* Effect.context())
    const response = yield* Effect.catchCause(Effect.ensuring(acting, Effect.sync(watched.stop)), (cause) =>
      watched.hasEnded() ? Effect.undefined : Effect.failCause(cause)
    )
    // What read the body found that it broke off.
    if (response === undefined || watched.hasEnded()) return yield* unauthorized(request, tokenNoLongerValid)
    return response.body._tag === "Stream" ? whileValid(response, response.body, authority) : response
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
      if (isOther && !origins.has(origin)) return yield* refuse(request, originNotAllowed(origin, outerHost))
      if (isOther && request.method === "OPTIONS") return preflight(origin)
      const response = yield* Effect.flatMap(publicPaths.has(path) ? app : answered(app, request), (answer) =>
        answer.status === 401 && answer.headers["www-authenticate"] === undefined
          ? Effect.as(count(request, "Unauthorized"), HttpServerResponse.setHeaders(answer, challenge))
          : Effect.succeed(answer)
      )
      return isOther ? HttpServerResponse.setHeaders(response, crossOriginHeaders(origin)) : response
    })
}

const isValid = ({ requireValid }: Authority): Effect.Effect<boolean> =>
  Effect.match(requireValid, { onSuccess: () => true, onFailure: (error) => !(error instanceof Unauthorized) })

/** Fails a body that is still on its way when the caller may not act any more. Costs a timer, and no fiber. */
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
    `The header ${JSON.stringify(truncateMessage(header))} shows that a proxy forwarded this request, and this server asks no caller for a token, so all clients of the proxy could do everything. Start the server with --trust-proxy, which requires tokens.`
  )

const hostNotAllowed = (host: string): Problem =>
  makeProblem(
    "HostNotAllowed",
    `This server is not asked for by the name ${JSON.stringify(truncateMessage(host))}: start it with --allow-host to have it so.`
  )

const originNotAllowed = (origin: string, host: string): Problem =>
  makeProblem(
    "OriginNotAllowed",
    `Pages of ${JSON.stringify(truncateMessage(origin))} may not ask this server: start it with --allow-origin to have it so.${origin === `https://${host.toLowerCase()}` ? " When a proxy with TLS serves these pages of its own, start it with --trust-proxy." : ""}`
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
  Effect.andThen(
    Metric.update(Metric.withAttributes(refusedRequests, { reason }), 1),
    Effect.logDebug("A request was refused.").pipe(
      Effect.annotateLogs({
        reason,
        from: clientOf(request)
      })
    )
  )

const challenge = { "www-authenticate": "Bearer" }

const unauthorized = (request: HttpServerRequest.HttpServerRequest, error: Unauthorized) =>
  refuse(request, encodeUnauthorized(error), challenge)

const tooManyRequests = (request: HttpServerRequest.HttpServerRequest, wait: number) => {
  const error = new TooManyRequests({ retryAfterSeconds: Math.ceil(wait) })
  return refuse(request, encodeTooMany(error), { "retry-after": String(error.retryAfterSeconds) })
}

const tokenNoLongerValid = new Unauthorized({ problem: "The token was revoked, or has expired." })

/** What lets a browser show an answer to a page of another origin. */
const crossOriginHeaders = (origin: string) => ({
  "access-control-allow-origin": origin,
  "access-control-expose-headers": "retry-after, www-authenticate, mcp-session-id",
  vary: "origin"
})

/** The answer to a browser that asks whether a page of another origin may ask. */
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
