import { Context, Deferred, type Duration, Effect, Layer, Result, type Scope } from "effect"
import { HttpMiddleware, HttpRouter, UrlParams } from "effect/http"
import { HttpApi } from "effect/http-api"
import type { SqlError } from "effect/sql"
import { Shutdown } from "./Shutdown.ts"
import { type RateLimit, effectiveRateLimit } from "./access/RateLimit.ts"
import { trustedProxies, type TrustProxy } from "./access/forwarding.ts"
import { guard, type GuardOptions } from "./access/guard.ts"
import { isLoopback, isOrigin, allowedHostNames } from "./access/hosts.ts"
import { BacklogApi, operationPaths } from "./api/BacklogApi.ts"
import { ServeRefused } from "./errors.ts"
import { type BoardFiles, boardPath, isBoardPath, layerBoardPage, readBoardFiles } from "./boardPage.ts"
import { layerEndpoints } from "./layerEndpoints.ts"
import { listen, type ListenFailed } from "./node/listen.ts"
import { layerOperations } from "./operations.ts"
import { withProblemResponses, type MethodsByPath } from "./problemResponses.ts"
import { layerReferencePage, referencePath } from "./referencePage.ts"
import { type AccessTokens, type AuditService, type BacklogService, type Doctor, withoutSecrets } from "../index.ts"

/** Whether a server serves the board, and whether its pages may send commands without a token. */
export type BoardMode = "read" | "write" | "off"

/** The services that a server exposes. */
export type Served = BacklogService | AuditService

/** Options of `serve`. */
export interface ServeOptions<E = never> {
  /** Address to listen on. Defaults to 127.0.0.1. */
  readonly host?: string | undefined
  /** Port to listen on; 0 chooses a free one. Defaults to 4010. */
  readonly port?: number | undefined
  /** Time that requests in progress may take after the server begins to shut down. Defaults to 10 seconds. */
  readonly shutdownTimeout?: Duration.Input | undefined
  /** Time after which a connection whose client reads nothing of a streamed response is closed. Defaults to 30 seconds. */
  readonly writeTimeout?: Duration.Input | undefined
  /** Time that the request line and the headers may take. Defaults to 15 seconds. */
  readonly headersTimeout?: Duration.Input | undefined
  /** Time that the body of a request may take. Does not apply to the import of a log. Defaults to 1 minute. */
  readonly bodyTimeout?: Duration.Input | undefined
  /** Time that a connection may be idle while the server waits for a request. Defaults to 1 minute. */
  readonly idleTimeout?: Duration.Input | undefined
  /** Maximum number of connections. Further connections are closed. Defaults to 4,000. */
  readonly maxConnections?: number | undefined
  /**
   * Access tokens that identify callers. A server that only this machine can reach also accepts callers without a token,
   * and lets them do everything. Any other server requires a token. Defaults to none.
   */
  readonly tokens?: AccessTokens["Service"] | undefined
  /** Requires a token on every address, and starts even if no token exists yet. Defaults to `false`. */
  readonly requireTokens?: boolean | undefined
  /** Accepted values of the `Host` header, in addition to the names of the server's own address. Defaults to none. */
  readonly allowHosts?: ReadonlyArray<string> | undefined
  /** Other origins whose pages may send requests: `https://board.example.com`. Defaults to none. */
  readonly allowOrigins?: ReadonlyArray<string> | undefined
  /**
   * Maximum number of requests per caller. Defaults to 1,000 per second with bursts of 2,000 when the server requires
   * tokens, and to no limit otherwise.
   */
  readonly rateLimit?: RateLimit | "none" | undefined
  /**
   * Trusts a proxy in front of the server, and requires tokens. `true` trusts one proxy on this machine; addresses and
   * networks (`10.0.0.5`, `10.1.0.0/16`) trust a chain of proxies there. The server reads the client's address for limits
   * and logs from `X-Forwarded-For`, and its own origin from `X-Forwarded-Proto` and `X-Forwarded-Host`. It ignores these
   * headers on any other connection. Defaults to `false`: a server that requires tokens ignores the headers, and any other
   * server refuses requests that have them.
   */
  readonly trustProxy?: TrustProxy | undefined
  /**
   * The board, a page for people at `/`, and what pages of this server may do without a token. With `read`, they may read, and
   * their commands are refused. With `write`, their commands are accepted. With `off`, the board is not served, and the
   * commands of other pages of this server are refused. Programs, which send no header `Origin`, and callers with a token are
   * not affected. Defaults to `read`.
   */
  readonly board?: BoardMode | undefined
  /** The doctor, which adds checks of the database to `/readyz` and `/metrics`. Defaults to none. */
  readonly doctor?: Doctor["Service"] | undefined
  /**
   * Interval at which the gauges of `/metrics` are measured for exporters of the program's metrics. Defaults to none: they are
   * measured when `/metrics` is read.
   */
  readonly gaugeInterval?: Duration.Input | undefined
  /**
   * More routes, next to the endpoints of the services. Their paths are matched exactly. A route that waits, or that changes
   * something after its body has arrived, must check `CurrentAuthority` before it acts. Defaults to none.
   */
  readonly routes?: Layer.Layer<never, E, HttpRouter.HttpRouter | Served | Shutdown> | undefined
  /** Paths of `routes` that require no token. Defaults to none. */
  readonly publicPaths?: ReadonlyArray<string> | undefined
}

/** The address on which a server listens. */
export interface ServerAddress {
  readonly host: string
  readonly port: number
  readonly url: string
  /** The address of the board. `undefined` if the server does not serve it. */
  readonly board: string | undefined
}

const defaultHost = "127.0.0.1"

/** The path of the OpenAPI document. */
const documentPath = "/openapi.json"

/**
 * Serves `BacklogService` and `AuditService` over HTTP until the scope closes. Returns the address. The server's logs and spans
 * contain no tokens, passwords or row contents, whichever loggers and tracer the program provides. Fails with
 * `ListenFailed` if the port cannot be opened, and with `ServeRefused` if the options would expose the backlog.
 */
export const serve = <E = never>(
  options: ServeOptions<E> = {}
): Effect.Effect<ServerAddress, E | ListenFailed | ServeRefused | SqlError.SqlError, Served | Scope.Scope> =>
  withoutSecrets(startServer(options))

const startServer = Effect.fnUntraced(function* <E = never>(
  options: ServeOptions<E>
): Effect.fn.Return<ServerAddress, E | ListenFailed | ServeRefused | SqlError.SqlError, Served | Scope.Scope> {
  const access = yield* decideAccess(options)
  const boardFiles = options.board === "off" ? undefined : yield* readBoardFiles
  const shutdown = yield* Deferred.make<void>()
  const paths = new Set<string>()
  const routes: Layer.Layer<HttpRouter.HttpRouter, E, Served> = Layer.mergeAll(
    layerEndpoints(documentPath),
    layerReferencePage,
    boardFiles === undefined ? Layer.empty : layerBoardPage(boardFiles),
    layerOperations(options.doctor, options.gaugeInterval),
    options.routes ?? Layer.empty
  ).pipe(
    Layer.provide(Layer.succeed(Shutdown, { awaitShutdown: Deferred.await(shutdown) })),
    Layer.provideMerge(Layer.provide(layerRecordingRouter(paths), exactPaths))
  )
  // A memo map of its own: layers are memoized by identity, and two servers of one program serve different services.
  const built = yield* Layer.buildWithMemoMap(routes, yield* Layer.makeMemoMap, yield* Effect.scope)
  const router = Context.get(built, HttpRouter.HttpRouter)
  // Query parameters with these names may hold secrets of other programs.
  const address = yield* listen(
    withProblemResponses(withBoardMethods(boardFiles))(guard(access)(router.asHttpEffect())),
    {
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
    }
  ).pipe(
    Effect.updateService(UrlParams.CurrentRedactedNames, (names) => [
      ...names,
      /token|secret|authorization|password|api.?key/i
    ]),
    Effect.provideService(HttpMiddleware.SpanNameGenerator, ({ method, url }) => {
      const path = url.replace(/^https?:\/\/[^/]*|[?#].*$/g, "")
      return paths.has(path) ? `${method} ${path}` : method
    })
  )
  if (!access.requiresToken) {
    yield* Effect.logWarning(
      "The server requires no token: every program and every proxy that reaches this port can do everything."
    )
  }
  const host = address.family === "IPv6" ? `[${address.address}]` : address.address
  const url = `http://${host}:${address.port}`
  const hasBoard = boardFiles !== undefined && boardFiles.length > 0
  return { host: address.address, port: address.port, url, board: hasBoard ? `${url}${boardPath}` : undefined }
})

/** Decides which requests the server accepts. */
const decideAccess = Effect.fnUntraced(function* <E>({
  allowHosts = [],
  allowOrigins = [],
  board = "read",
  host = defaultHost,
  publicPaths = [],
  rateLimit,
  requireTokens = false,
  tokens,
  trustProxy
}: ServeOptions<E>): Effect.fn.Return<GuardOptions, ServeRefused | SqlError.SqlError> {
  const trusted = trustedProxies(trustProxy)
  if (Result.isFailure(trusted)) {
    return yield* new ServeRefused({
      problem: `trustProxy takes addresses and networks such as 10.0.0.5 or 10.1.0.0/16, not ${JSON.stringify(trusted.failure)}`
    })
  }
  const wrong = allowOrigins.find((origin) => !isOrigin(origin))
  if (wrong !== undefined) {
    return yield* new ServeRefused({
      problem: `allowOrigins takes origins such as https://board.example.com, not ${JSON.stringify(wrong)}`
    })
  }
  const requiresToken = requireTokens || trusted.success !== undefined || !isLoopback(host)
  if (requiresToken && tokens === undefined) {
    return yield* new ServeRefused({
      problem: "the address requires tokens, and the option `tokens` is missing"
    })
  }
  if (requiresToken && !requireTokens && tokens !== undefined && !(yield* tokens.hasAny)) {
    return yield* new ServeRefused({
      problem:
        `other machines can reach ${isLoopback(host) ? "it through the proxy" : JSON.stringify(host)}, so callers need a token, and none exists yet. Create one with ` +
        "`backlog token create`, or start with --require-tokens"
    })
  }
  const open = new Set([documentPath, referencePath, operationPaths.health, operationPaths.ready, ...publicPaths])
  return {
    hosts: allowedHostNames(host, allowHosts),
    origins: new Set(allowOrigins),
    isPublic: board === "off" ? (path) => open.has(path) : (path) => open.has(path) || isBoardPath(path),
    ownPagesMayWrite: board === "write",
    tokens,
    requiresToken,
    rateLimit: effectiveRateLimit(rateLimit, requiresToken),
    trustedProxies: trusted.success
  }
})

/** A router that records the paths of its routes, which are the names of the requests' spans. */
const layerRecordingRouter = (paths: Set<string>): Layer.Layer<HttpRouter.HttpRouter> =>
  Layer.effect(
    HttpRouter.HttpRouter,
    Effect.map(HttpRouter.make, (router) =>
      HttpRouter.HttpRouter.of({
        ...router,
        add: (method, path, handler, options) => {
          paths.add(path)
          return router.add(method, path, handler, options)
        }
      })
    )
  )

/** Every path has one spelling, so that each check compares the path that is routed. */
const exactPaths = Layer.succeed(HttpRouter.RouterConfig)({
  caseSensitive: true,
  ignoreDuplicateSlashes: false,
  ignoreTrailingSlash: false
})

const collectMethods = (): MethodsByPath => {
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

const methodsByPath = collectMethods()

const getOnly: ReadonlySet<string> = new Set(["GET"])

const withBoardMethods = (board: BoardFiles = []): MethodsByPath =>
  new Map([...methodsByPath, ...board.map(({ path }) => [path, getOnly] as const)])

/** A log may have any length, and the server reads it no faster than it records it. */
const importPaths: ReadonlySet<string> = new Set(["/import-log"])
