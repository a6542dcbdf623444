import { Context, Deferred, type Duration, Effect, Layer, Result, type Scope } from "effect"
import { HttpRouter, HttpServer, UrlParams } from "effect/http"
import { HttpApi, HttpApiBuilder } from "effect/http-api"
import type { SqlError } from "effect/sql"
import { layerAuthorization } from "./Caller.ts"
import { layerRequestValidation } from "./RequestValidation.ts"
import { Shutdown } from "./Shutdown.ts"
import { type RateLimit, effectiveRateLimit } from "./access/RateLimit.ts"
import { trustedProxies, type TrustProxy } from "./access/forwarding.ts"
import { guard, type GuardOptions } from "./access/guard.ts"
import { isLoopback, isOrigin, allowedHostNames } from "./access/hosts.ts"
import { BacklogApi, operationPaths } from "./api/BacklogApi.ts"
import { layerAuditHandlers } from "./auditHandlers.ts"
import { layerBacklogHandlers } from "./backlogHandlers.ts"
import { ServeRefused } from "./errors.ts"
import { listen, type ListenFailed } from "./node/listen.ts"
import { layerOperations } from "./operations.ts"
import { withProblemResponses, type MethodsByPath } from "./problemResponses.ts"
import { layerReferencePage, referencePath } from "./referencePage.ts"
import { type AccessTokens, type AuditService, type BacklogService, type Doctor, withoutSecrets } from "../index.ts"

/** The services that a server puts on the network. */
export type Served = BacklogService | AuditService

/** How a backlog is served. */
export interface ServeOptions<E = never> {
  /** An address of this machine, 127.0.0.1 unless told otherwise. */
  readonly host?: string | undefined
  /** 4010 unless told otherwise; 0 for one that is free. */
  readonly port?: number | undefined
  /** How long commands that are being carried out may take once the server is to end: 10 seconds unless told otherwise. */
  readonly shutdownTimeout?: Duration.Input | undefined
  /** How long a reader of a stream may take nothing before it is hung up on: 30 seconds unless told otherwise. */
  readonly writeTimeout?: Duration.Input | undefined
  /**
   * The tokens by which callers are known. Where only this machine can reach the server they need not show one, and may
   * do everything then; anywhere else they must.
   */
  readonly tokens?: AccessTokens["Service"] | undefined
  /** Whether callers must show a token in any case, and also where there is none yet; `false` unless told otherwise. */
  readonly requireTokens?: boolean | undefined
  /** More names by which the server may be asked for, beside those of the address on which it listens. */
  readonly allowHosts?: ReadonlyArray<string> | undefined
  /** Origins whose pages may ask, `https://board.example.com`; only the server's own unless told otherwise. */
  readonly allowOrigins?: ReadonlyArray<string> | undefined
  /** How long the first line and the headers of a request may take: 15 seconds unless told otherwise. */
  readonly headersTimeout?: Duration.Input | undefined
  /** How long the body of a request may take, but for a log that is imported: a minute unless told otherwise. */
  readonly bodyTimeout?: Duration.Input | undefined
  /** How long a connection may say nothing while a request is expected of it: a minute unless told otherwise. */
  readonly idleTimeout?: Duration.Input | undefined
  /** How often each caller may ask: where tokens must be shown 1,000 times a second, 2,000 at once; else without limit. */
  readonly rateLimit?: RateLimit | "none" | undefined
  /** Connections at most, 4,000 unless told otherwise: more are hung up on. */
  readonly maxConnections?: number | undefined
  /** Looks at the database for `/readyz` and `/metrics`, closer than the services can. */
  readonly doctor?: Doctor["Service"] | undefined
  /** Paths of `routes` that anybody may ask. */
  readonly openPaths?: ReadonlyArray<string> | undefined
  /**
   * Trusts a proxy in front of the server, and requires tokens. `true` trusts one proxy on this machine; addresses and
   * networks (`10.0.0.5`, `10.1.0.0/16`) trust the proxies there, several in a row. The client's address for limits and
   * logs is read from the proxy's `X-Forwarded-For`, and what the server's own origin is from `X-Forwarded-Proto` and
   * `X-Forwarded-Host`. From any other connection these headers are ignored. Defaults to `false`: a server that requires
   * tokens ignores them, and any other server refuses requests that have them.
   */
  readonly trustProxy?: TrustProxy | undefined
  /**
   * More routes, mounted next to the endpoints of the services. Their paths are compared exactly. A route that waits, or
   * that changes something when its body has come, checks `CurrentAuthority` before it acts.
   */
  readonly routes?: Layer.Layer<never, E, HttpRouter.HttpRouter | Served | Shutdown> | undefined
}

/** Where a server listens. */
export interface ServerAddress {
  readonly host: string
  readonly port: number
  readonly url: string
}

const defaultHost = "127.0.0.1"

/** Where the OpenAPI document is. */
const documentPath = "/openapi.json"

/**
 * Serves both services over HTTP until the scope ends, and says where. What it logs and traces has no tokens, no passwords
 * and no content of rows, whichever loggers and tracer the program provides.
 */
export const serve = <E = never>(
  options: ServeOptions<E> = {}
): Effect.Effect<ServerAddress, E | ListenFailed | ServeRefused | SqlError.SqlError, Served | Scope.Scope> =>
  withoutSecrets(served(options))

const served = Effect.fnUntraced(function* <E = never>(
  options: ServeOptions<E>
): Effect.fn.Return<ServerAddress, E | ListenFailed | ServeRefused | SqlError.SqlError, Served | Scope.Scope> {
  const access = yield* accessOf(options)
  const shutdown = yield* Deferred.make<void>()
  const endpoints = HttpApiBuilder.layer(BacklogApi, { openapiPath: documentPath }).pipe(
    Layer.provide([layerBacklogHandlers, layerAuditHandlers]),
    Layer.provide([layerRequestValidation, layerAuthorization]),
    Layer.provide(HttpServer.layerServices)
  )
  const routes: Layer.Layer<HttpRouter.HttpRouter, E, Served> = Layer.mergeAll(
    endpoints,
    layerReferencePage,
    layerOperations(options.doctor),
    options.routes ?? Layer.empty
  ).pipe(
    Layer.provide(Layer.succeed(Shutdown, { awaitShutdown: Deferred.await(shutdown) })),
    Layer.provideMerge(Layer.provide(HttpRouter.layer, exactPaths))
  )
  // Shared with no other server of this program: layers are memoised by identity, and each has services of its own.
  const built = yield* Layer.buildWithMemoMap(routes, yield* Layer.makeMemoMap, yield* Effect.scope)
  const router = Context.get(built, HttpRouter.HttpRouter)
  // Parameters that are secrets of other programs are known by their names only.
  const address = yield* listen(withProblemResponses(paths)(guard(access)(router.asHttpEffect())), {
    host: options.host ?? defaultHost,
    port: options.port ?? 4010,
    shutdown,
    shutdownTimeout: options.shutdownTimeout ?? "10 seconds",
    writeTimeout: options.writeTimeout ?? "30 seconds",
    headersTimeout: options.headersTimeout ?? "15 seconds",
    bodyTimeout: options.bodyTimeout ?? "1 minute",
    idleTimeout: options.idleTimeout ?? "1 minute",
    maxConnections: options.maxConnections ?? 4000,
    trustedProxies: access.trustedProxies,
    unboundedBodyPaths: importPaths
  }).pipe(
    Effect.updateService(UrlParams.CurrentRedactedNames, (names) => [
      ...names,
      /token|secret|authorization|password|api.?key/i
    ])
  )
  if (!access.requiresToken) {
    yield* Effect.logWarning(
      "The server asks no caller for a token: every program and every proxy that reaches this port can do everything."
    )
  }
  const host = address.family === "IPv6" ? `[${address.address}]` : address.address
  return { host: address.address, port: address.port, url: `http://${host}:${address.port}` }
})

/** Who is let in, by how a backlog is served. */
const accessOf = Effect.fnUntraced(function* <E>({
  allowHosts = [],
  allowOrigins = [],
  host = defaultHost,
  openPaths = [],
  rateLimit,
  requireTokens = false,
  tokens,
  trustProxy
}: ServeOptions<E>): Effect.fn.Return<GuardOptions, ServeRefused | SqlError.SqlError> {
  const trusted = trustedProxies(trustProxy)
  if (Result.isFailure(trusted)) {
    return yield* new ServeRefused({
      problem: `trustProxy takes addresses and networks of proxies, 10.0.0.5 or 10.1.0.0/16, and not ${JSON.stringify(trusted.failure)}`
    })
  }
  const wrong = allowOrigins.find((origin) => !isOrigin(origin))
  if (wrong !== undefined) {
    return yield* new ServeRefused({
      problem: `allowOrigins takes origins like https://board.example.com, and not ${JSON.stringify(wrong)}`
    })
  }
  const requiresToken = requireTokens || trusted.success !== undefined || !isLoopback(host)
  if (requiresToken && tokens === undefined) {
    return yield* new ServeRefused({
      problem: "callers must show a token there, and the server was given none to know"
    })
  }
  if (requiresToken && !requireTokens && tokens !== undefined && !(yield* tokens.hasAny)) {
    return yield* new ServeRefused({
      problem:
        `others can reach ${isLoopback(host) ? "it through the proxy" : JSON.stringify(host)}, so callers must show a token, and there is none yet: make one with ` +
        "`backlog token create`, or start with --require-tokens"
    })
  }
  return {
    hosts: allowedHostNames(host, allowHosts),
    origins: new Set(allowOrigins),
    publicPaths: new Set([documentPath, referencePath, operationPaths.health, operationPaths.ready, ...openPaths]),
    tokens,
    requiresToken,
    rateLimit: effectiveRateLimit(rateLimit, requiresToken),
    trustedProxies: trusted.success
  }
})

/** A path has one spelling, so that every check compares the path that is routed. */
const exactPaths = Layer.succeed(HttpRouter.RouterConfig)({
  caseSensitive: true,
  ignoreDuplicateSlashes: false,
  ignoreTrailingSlash: false
})

const pathsOf = (): MethodsByPath => {
  const found = new Map(
    [documentPath, referencePath, ...Object.values(operationPaths)].map((path) => [path, new Set(["GET"])])
  )
  HttpApi.reflect(BacklogApi, {
    onGroup: () => {},
    onEndpoint: ({ endpoint }) => {
      const methods = found.get(endpoint.path) ?? new Set()
      found.set(endpoint.path, methods.add(endpoint.method))
    }
  })
  return found
}

const paths = pathsOf()

/** A log may be of any length, and is taken no faster than it is recorded. */
const importPaths: ReadonlySet<string> = new Set(["/import-log"])
