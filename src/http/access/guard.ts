import { Effect, Metric, Option, Redacted, Result, Schema, Stream } from "effect"
import { HttpBody, HttpServerRequest, HttpServerResponse } from "effect/http"
import { shortened } from "../../domain/shortened.ts"
import type { AccessTokens } from "../../index.ts"
import { problems } from "../api/problems.ts"
import { type Problem, problemMediaType, problemOf } from "../asProblem.ts"
import { type CallerIdentity, CurrentCaller } from "../Caller.ts"
import { DatabaseUnavailable } from "../DatabaseTrouble.ts"
import { hostIn } from "./names.ts"
import { TooManyRequests, Unauthorized } from "./problems.ts"
import { makeTokenBuckets, type RateLimit } from "./TokenBuckets.ts"

/** Who is let in. */
export interface GuardOptions {
  /** Names by which the server may be asked for, as in a header `Host`, without ports. */
  readonly hosts: ReadonlySet<string>
  /** Other origins whose pages may ask, `https://board.example.com`. */
  readonly origins: ReadonlySet<string>
  /** Paths that anybody may ask. */
  readonly open: ReadonlySet<string>
  /** The tokens that are taken; none are when absent. */
  readonly tokens: AccessTokens["Service"] | undefined
  /** Paths whose answers may be waited for. */
  readonly waiting: ReadonlySet<string>
  /** Whether whoever shows no token is nobody, or else anybody. */
  readonly requiresToken: boolean
  /** How often each caller may ask; as often as he likes when absent. */
  readonly rateLimit: RateLimit | undefined
}

type App<E, R> = Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>

const refused = Metric.counter("backlog_http_refused_total", {
  description: "Requests that were refused before they were looked at, by why",
  incremental: true
})

const anybody: CallerIdentity = { actor: undefined, role: "anybody", apart: [] }

/** How often it is looked whether the token of an answer that goes on is still taken. */
const lookAgain = "1 second"

/**
 * Lets a request through to an application when it is meant for this server, comes from no page of another origin, and is
 * made by somebody who may call, not too often. The application finds him as `CurrentCaller`.
 */
export const guard = ({ hosts, open, origins, rateLimit, requiresToken, tokens, waiting }: GuardOptions) => {
  const take = rateLimit === undefined ? () => 0 : makeTokenBuckets(rateLimit)

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
    return { ...token, apart: token.role === "worker" ? yield* tokens.holdersUnder(token.actor) : [] }
  })

  /** Ends when a token is taken no more. */
  const revoked = (id: string): Effect.Effect<void> =>
    Effect.sleep(lookAgain).pipe(
      Effect.andThen(
        tokens === undefined ? Effect.succeed(true) : Effect.orElseSucceed(tokens.isTaken(id), () => true)
      ),
      Effect.repeat({ while: (isTaken) => isTaken }),
      Effect.asVoid
    )

  /** An answer that ends, broken off, when the token for which it is given is taken no more. */
  const whileTaken = (
    response: HttpServerResponse.HttpServerResponse,
    id: string
  ): HttpServerResponse.HttpServerResponse => {
    const { body } = response
    if (body._tag !== "Stream") return response
    return HttpServerResponse.setBody(
      response,
      HttpBody.stream(
        Stream.interruptWhen(body.stream, Effect.andThen(revoked(id), Effect.die(new Error("the token was revoked")))),
        body.contentType,
        body.contentLength
      )
    )
  }

  /** The application's answer to whoever calls, or why he gets none. */
  const answered = Effect.fnUntraced(function* <E, R>(app: App<E, R>, request: HttpServerRequest.HttpServerRequest) {
    const identified = yield* Effect.result(identify(request))
    if (Result.isFailure(identified)) {
      return identified.failure instanceof Unauthorized
        ? yield* unauthorized(request, identified.failure)
        : yield* Effect.andThen(
            Effect.logError("The tokens cannot be read.", identified.failure),
            refuse(request, encodeUnavailable(new DatabaseUnavailable({ reason: identified.failure.reason._tag })))
          )
    }
    const token = identified.success
    const wait = take(token?.id ?? Option.getOrElse(request.remoteAddress, () => ""))
    if (wait > 0) {
      const error = new TooManyRequests({ retryAfterSeconds: Math.ceil(wait) })
      return yield* refuse(request, encodeTooMany(error), { "retry-after": String(error.retryAfterSeconds) })
    }
    const identity = token === undefined ? anybody : { actor: token.actor, role: token.role, apart: token.apart }
    const response = Effect.provideService(app, CurrentCaller, identity)
    if (token === undefined) return yield* response
    // An answer that is waited for must not be given to whom it would not be given any more.
    const isWaitedFor = /[?&]wait/.test(request.url) || waiting.has(pathOf(request))
    const given = isWaitedFor
      ? Effect.raceFirst(response, Effect.andThen(revoked(token.id), unauthorized(request, noLonger)))
      : response
    return whileTaken(yield* given, token.id)
  })

  return <E, R>(app: App<E, R>): App<E, R | HttpServerRequest.HttpServerRequest> =>
    Effect.gen(function* () {
      const request = yield* HttpServerRequest.HttpServerRequest
      const { host = "", origin } = request.headers
      const name = hostIn(host)
      if (name === undefined || !hosts.has(name)) return yield* refuse(request, hostNotAllowed(host))
      const isOther = origin !== undefined && URL.parse(origin)?.host !== host.toLowerCase()
      if (isOther && !origins.has(origin)) return yield* refuse(request, originNotAllowed(origin))
      if (isOther && request.method === "OPTIONS") return preflight(origin)
      const isOpen = open.has(pathOf(request))
      const response = yield* isOpen ? app : answered(app, request)
      return isOther ? HttpServerResponse.setHeaders(response, crossOrigin(origin)) : response
    })
}

const pathOf = ({ url }: HttpServerRequest.HttpServerRequest): string => url.replace(/[?#].*$/s, "")

const hostNotAllowed = (host: string): Problem =>
  problemOf(
    "HostNotAllowed",
    403,
    "Host not allowed",
    `This server is not asked for by the name ${JSON.stringify(shortened(host))}: start it with --allow-host to have it so.`
  )

const originNotAllowed = (origin: string): Problem =>
  problemOf(
    "OriginNotAllowed",
    403,
    "Origin not allowed",
    `Pages of ${JSON.stringify(shortened(origin))} may not ask this server: start it with --allow-origin to have it so.`
  )

const encodeUnauthorized = Schema.encodeSync(problems.unauthorized)
const encodeTooMany = Schema.encodeSync(problems.tooManyRequests)
const encodeUnavailable = Schema.encodeSync(problems.databaseUnavailable)

const refuse = (
  request: HttpServerRequest.HttpServerRequest,
  problem: Problem,
  headers: Readonly<Record<string, string>> = {}
) =>
  Effect.as(
    Effect.andThen(
      Metric.update(Metric.withAttributes(refused, { reason: problem._tag }), 1),
      Effect.logDebug("A request was refused.").pipe(
        Effect.annotateLogs({
          reason: problem._tag,
          from: Option.getOrElse(request.remoteAddress, () => "")
        })
      )
    ),
    HttpServerResponse.jsonUnsafe(problem, { status: problem.status, contentType: problemMediaType, headers })
  )

const unauthorized = (request: HttpServerRequest.HttpServerRequest, error: Unauthorized) =>
  refuse(request, encodeUnauthorized(error), { "www-authenticate": "Bearer" })

const noLonger = new Unauthorized({ problem: "The token was revoked, or has expired." })

/** What lets a browser show an answer to a page of another origin. */
const crossOrigin = (origin: string) => ({
  "access-control-allow-origin": origin,
  "access-control-expose-headers": "retry-after, www-authenticate, mcp-session-id",
  vary: "origin"
})

/** The answer to a browser that asks whether a page of another origin may ask. */
const preflight = (origin: string): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.empty({
    status: 204,
    headers: {
      ...crossOrigin(origin),
      "access-control-allow-methods": "GET, POST, DELETE",
      "access-control-allow-headers":
        "authorization, content-type, idempotency-key, last-event-id, mcp-session-id, mcp-protocol-version, mcp-method, mcp-name",
      "access-control-max-age": "600"
    }
  })
