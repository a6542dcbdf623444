import { Context, Data, Deferred, Duration, Effect, Fiber, Result, type Scope } from "effect"
import { HttpEffect, HttpServerError, HttpServerRequest, type HttpServerResponse } from "effect/http"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo, Socket } from "node:net"
import { clientAddress, normalizeAddress, type TrustedProxies } from "../access/forwarding.ts"
import { CurrentIncomingRequest, incomingBodyOf, toServerRequest } from "./IncomingRequest.ts"
import { requestTarget } from "./requestTarget.ts"
import { writeResponse } from "./writeResponse.ts"

/** How often Node checks for heads that take too long: in 15 seconds 60 times. */
const headChecks = 60

/**
 * Settings by which a head takes no longer than so many milliseconds. Node ends it at the first check after its timeout,
 * so the timeout is shorter by the time between two checks.
 */
export const headersTimeoutSettings = (limit: number) => {
  const between = Math.max(1, Math.floor(limit / headChecks))
  return { headersTimeout: Math.max(1, Math.floor(limit) - between), connectionsCheckingInterval: between }
}

/** The address cannot be listened on. */
export class ListenFailed extends Data.TaggedError("ListenFailed")<{
  readonly host: string
  readonly port: number
  readonly cause: Error
}> {
  override get message(): string {
    return `The server cannot listen on ${this.host}:${this.port}: ${this.cause.message}`
  }
}

/** Where and how to listen. */
export interface ListenOptions {
  readonly host: string
  /** 0 for one that is free. */
  readonly port: number
  /** How long what is being done may take once the server is about to end. */
  readonly shutdownTimeout: Duration.Input
  /** How long to wait for a reader who takes nothing, before hanging up. */
  readonly writeTimeout: Duration.Input
  /** How long the first line and the headers of a request may take. */
  readonly headersTimeout: Duration.Input
  /** How long the body of a request may take. */
  readonly bodyTimeout: Duration.Input
  /** How long a connection may say nothing while a request is expected of it. */
  readonly idleTimeout: Duration.Input
  /** Paths of which a body may take as long as something comes. */
  readonly unboundedBodyPaths: ReadonlySet<string>
  /** Connections at most: more are hung up on. */
  readonly maxConnections: number
  /** Proxies that say for whom they ask; none when absent. */
  readonly trustedProxies: TrustedProxies | undefined
  /** Succeeds when the server is about to end, before anything else of it ends. */
  readonly shutdown: Deferred.Deferred<void>
}

/**
 * Answers requests on an address until the scope ends: then no more are taken, those that are being answered are waited
 * for, and what is not done by then is interrupted.
 */
export const listen = Effect.fnUntraced(function* <E, R>(
  app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>,
  options: ListenOptions
): Effect.fn.Return<
  AddressInfo,
  ListenFailed,
  Exclude<R, HttpServerRequest.HttpServerRequest | Scope.Scope> | Scope.Scope
> {
  const context = yield* Effect.context()
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

  const answer = (message: IncomingMessage, response: ServerResponse): void => {
    // Its reader is gone, which the response says too.
    response.on("error", () => {})
    const { headers, socket } = message
    const target = requestTarget(message.url ?? "", headers.host)
    const { path, url } = Result.getOrElse(target, () => ({ path: "/", url: "/" }))
    const problem = Result.isFailure(target) ? target.failure : repeatedHeaderProblem(message.rawHeaders)
    const peer = normalizeAddress(socket.remoteAddress ?? "")
    const client =
      trustedProxies === undefined ? peer : clientAddress(peer, textOf(headers["x-forwarded-for"]), trustedProxies)
    let request: HttpServerRequest.HttpServerRequest
    try {
      request = toServerRequest(message, url, client)
    } catch {
      response.writeHead(400, { connection: "close" }).end()
      return
    }
    const body = incomingBodyOf(message)
    if (body !== undefined && !unboundedBodyPaths.has(path)) closeOnBodyTimeout(message, bodyTimeout)
    responses.set(request.source, response)
    const services = Context.add(context, HttpServerRequest.HttpServerRequest, request).pipe(
      Context.add(CurrentIncomingRequest, { path, problem, body, peer })
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
    answer
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

/** Headers of which Node keeps the first, and a proxy may have read the last; and one that Node joins to another value. */
const nonRepeatableHeaders: ReadonlySet<string> = new Set(["authorization", "host", "idempotency-key", "origin"])

const repeatedHeaderProblem = (rawHeaders: ReadonlyArray<string>): string | undefined => {
  let seen: Set<string> | undefined
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] ?? "").toLowerCase()
    if (!nonRepeatableHeaders.has(name)) continue
    if (seen?.has(name) === true) return `The header ${name} is there twice.`
    seen = (seen ?? new Set()).add(name)
  }
  return undefined
}

/** A sender of a byte now and then is not silent, and keeps a connection all the same. */
const closeOnBodyTimeout = (message: IncomingMessage, timeout: number): void => {
  const timer = setTimeout(() => message.socket.destroy(), timeout).unref()
  const inTime = (): void => clearTimeout(timer)
  message.once("end", inTime).once("close", inTime)
}

/** A connection on which a request has come in whole may be silent for as long as its answer takes. */
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
