import { Context, Data, Deferred, Duration, Effect, Fiber, References, Result, type Scope } from "effect"
import { HttpEffect, HttpServerError, HttpServerRequest, type HttpServerResponse } from "effect/http"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo, Socket } from "node:net"
import { clientAddress, normalizeAddress, removedPrefix, type TrustedProxies } from "../access/forwarding.ts"
import { makeProblem, problemMediaType } from "../problems.ts"
import { CurrentIncomingRequest, incomingBodyOf, toServerRequest } from "./IncomingRequest.ts"
import { requestTarget } from "./requestTarget.ts"
import { writeResponse } from "./writeResponse.ts"

/**
 * The server cannot listen on the address.
 *
 * What to do: choose another host or port.
 */
export class ListenFailed extends Data.TaggedError("ListenFailed")<{
  readonly host: string
  readonly port: number
  readonly cause: Error
}> {
  override get message(): string {
    return `The server cannot listen on ${this.host}:${this.port}: ${this.cause.message}`
  }
}

/**
 * Whether requests are traced, whatever the program's setting is. A program that disables its tracer otherwise has no spans of
 * its start and of its background work. Defaults to the program's setting.
 */
export const RequestTracing: Context.Reference<boolean | undefined> = Context.Reference<boolean | undefined>(
  "mosaic-backlog/http/RequestTracing",
  { defaultValue: () => undefined }
)

/** Options of `listen`. */
export interface ListenOptions {
  readonly host: string
  /** 0 chooses a free port. */
  readonly port: number
  /** Time that requests in progress may take after the server begins to shut down. */
  readonly shutdownTimeout: Duration.Input
  /** Time that a client may read nothing of a response before the connection is closed. */
  readonly writeTimeout: Duration.Input
  /** Time that the request line and the headers may take. */
  readonly headersTimeout: Duration.Input
  /** Time that the body of a request may take. */
  readonly bodyTimeout: Duration.Input
  /** Time that a connection may be silent while the server expects a request. */
  readonly idleTimeout: Duration.Input
  /** Paths without a body timeout. */
  readonly unboundedBodyPaths: ReadonlySet<string>
  /** Maximum number of connections. Further connections are closed. */
  readonly maxConnections: number
  /** Proxies whose forwarding headers are trusted. `undefined` trusts none. */
  readonly trustedProxies: TrustedProxies | undefined
  /** Completed when the server begins to shut down. */
  readonly shutdown: Deferred.Deferred<void>
}

/**
 * Serves an application on an address until the scope closes. The server then accepts no more requests, waits for those in
 * progress, and interrupts those that exceed the shutdown timeout.
 */
export const listen = Effect.fnUntraced(function* <E, R>(
  app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>,
  options: ListenOptions
): Effect.fn.Return<
  AddressInfo,
  ListenFailed,
  Exclude<R, HttpServerRequest.HttpServerRequest | Scope.Scope> | Scope.Scope
> {
  const tracesRequests = yield* RequestTracing
  const context = Context.merge(
    yield* Effect.context(),
    tracesRequests === undefined ? Context.empty() : Context.make(References.TracerEnabled, tracesRequests)
  )
  const { host, maxConnections, port, writeTimeout, shutdown, shutdownTimeout, trustedProxies, unboundedBodyPaths } =
    options
  const bodyTimeout = toMillis(options.bodyTimeout)
  const idleTimeout = toMillis(options.idleTimeout)
  const fibers = new Set<Fiber.Fiber<void>>()
  const responses = new WeakMap<object, ServerResponse>()
  let isClosing = false

  const handled = HttpEffect.toHandled(app, (request, response) => {
    const to = responses.get(request.source)
    return to === undefined ? Effect.void : writeResponse(response, to, { close: isClosing, writeTimeout })
  })

  const handleRequest = (message: IncomingMessage, response: ServerResponse): void => {
    // The client disconnected. `close` handles it.
    response.on("error", () => {})
    const { headers, socket } = message
    const target = requestTarget(message.url ?? "", headers.host)
    const { path, url } = Result.getOrElse(target, () => ({ path: "/", url: "/" }))
    const problem = Result.isFailure(target) ? target.failure : repeatedHeaderProblem(message.rawHeaders)
    const peer = normalizeAddress(socket.remoteAddress ?? "")
    const client =
      trustedProxies === undefined ? peer : clientAddress(peer, textOf(headers["x-forwarded-for"]), trustedProxies)
    const prefix = removedPrefix(peer, textOf(headers["x-forwarded-prefix"]), trustedProxies)
    const request = toServerRequest(message, url, client)
    if (request === undefined) {
      const refused = makeProblem("BadRequest", `The server accepts no ${message.method} requests.`)
      response
        .writeHead(refused.status, { connection: "close", "content-type": problemMediaType })
        .end(JSON.stringify(refused))
      return
    }
    const body = incomingBodyOf(message)
    if (body !== undefined && !unboundedBodyPaths.has(path)) closeOnBodyTimeout(message, bodyTimeout)
    responses.set(request.source, response)
    const services = Context.add(context, HttpServerRequest.HttpServerRequest, request).pipe(
      Context.add(CurrentIncomingRequest, { path, problem, body, peer, prefix })
    )
    const fiber = Effect.runForkWith(services)(
      handled as Effect.Effect<void, never, HttpServerRequest.HttpServerRequest>
    )
    if (fiber.pollUnsafe() !== undefined) return
    fibers.add(fiber)
    fiber.addObserver(() => fibers.delete(fiber))
    response.on("close", () => {
      if (!response.writableFinished) fiber.interruptUnsafe(undefined, HttpServerError.ClientAbort.annotation)
    })
  }

  const server = createServer(
    {
      requestTimeout: 0,
      ...headersTimeoutSettings(toMillis(options.headersTimeout)),
      keepAliveTimeout: idleTimeout
    },
    handleRequest
  )
  server.maxConnections = maxConnections
  closeOnIdleTimeout(server, idleTimeout)

  yield* Effect.acquireRelease(
    Effect.callback<void, ListenFailed>((resume) => {
      server.once("error", (cause) => resume(new ListenFailed({ host, port, cause })))
      server.listen({ host, port }, () => resume(Effect.void))
    }),
    () =>
      Effect.gen(function* () {
        isClosing = true
        yield* Deferred.succeed(shutdown, undefined)
        server.close()
        server.closeIdleConnections()
        yield* Effect.timeoutOption(Fiber.awaitAll([...fibers]), shutdownTimeout)
        yield* Fiber.interruptAll([...fibers])
        server.closeAllConnections()
      })
  )
  return server.address() as AddressInfo
})

const toMillis = (duration: Duration.Input): number => Duration.toMillis(Duration.fromInputUnsafe(duration))

const textOf = (header: string | ReadonlyArray<string> | undefined): string | undefined =>
  typeof header === "object" ? header.join(",") : header

/** Headers that must not be repeated: Node keeps the first or joins the values, and a proxy may have read the last. */
const nonRepeatableHeaders: ReadonlySet<string> = new Set(["authorization", "host", "idempotency-key", "origin"])

const repeatedHeaderProblem = (rawHeaders: ReadonlyArray<string>): string | undefined => {
  let seen: Set<string> | undefined
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] ?? "").toLowerCase()
    if (!nonRepeatableHeaders.has(name)) continue
    if (seen?.has(name) === true) return `The header ${name} is repeated.`
    seen = (seen ?? new Set()).add(name)
  }
  return undefined
}

/** Closes a connection whose body takes too long. The idle timeout does not cover a client that sends a byte now and then. */
const closeOnBodyTimeout = (message: IncomingMessage, timeout: number): void => {
  const timer = setTimeout(() => message.socket.destroy(), timeout).unref()
  const cancelTimeout = (): void => clearTimeout(timer)
  message.once("end", cancelTimeout).once("close", cancelTimeout)
}

/** Closes idle connections. A connection may be silent while it waits for a response to a complete request. */
const closeOnIdleTimeout = (server: Server, idleTimeout: number): void => {
  const waiting = new WeakSet<Socket>()
  server.on("request", (message: IncomingMessage, response: ServerResponse) => {
    const { socket } = message
    message.on("end", () => waiting.add(socket))
    response.on("close", () => waiting.delete(socket))
  })
  server.setTimeout(idleTimeout, (socket) => {
    if (!waiting.has(socket)) socket.destroy()
  })
}

/** Number of times that Node checks the headers of a request before they time out. */
const checksPerTimeout = 60

/**
 * Node's settings for a headers timeout in milliseconds. Node closes the connection at the first check after its timeout, so
 * the timeout is shortened by the interval of the checks.
 */
export const headersTimeoutSettings = (limit: number) => {
  const interval = Math.max(1, Math.floor(limit / checksPerTimeout))
  return { headersTimeout: Math.max(1, Math.floor(limit) - interval), connectionsCheckingInterval: interval }
}
