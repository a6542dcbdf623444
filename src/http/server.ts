import { Context, Deferred, type Duration, Effect, Layer, type Scope } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { HttpApi, HttpApiBuilder } from "effect/http-api"
import type { AuditService, BacklogService } from "../index.ts"
import { answerProblems, type Paths } from "./answerProblems.ts"
import { BacklogApi } from "./api/BacklogApi.ts"
import { layerAuditHandlers } from "./auditHandlers.ts"
import { layerBacklogHandlers } from "./backlogHandlers.ts"
import { type Callers, layerEverybody } from "./Caller.ts"
import { listen, type ListenFailed } from "./node/listen.ts"
import { layerRequests } from "./Requests.ts"
import { Shutdown } from "./Shutdown.ts"

/** The services that a server puts on the network. */
export type Served = BacklogService | AuditService

/** How a backlog is served. */
export interface ServeOptions<E = never> {
  /** An address of this machine, 127.0.0.1 unless told otherwise. */
  readonly host?: string | undefined
  /** 4010 unless told otherwise; 0 for one that is free. */
  readonly port?: number | undefined
  /** How long commands that are being carried out may take once the server is to end: 10 seconds unless told otherwise. */
  readonly shutdownPatience?: Duration.Input | undefined
  /** How long a reader of a stream may take nothing before it is hung up on: 30 seconds unless told otherwise. */
  readonly readerPatience?: Duration.Input | undefined
  /** Finds out who calls; everybody may do everything unless told otherwise. */
  readonly callers?: Layer.Layer<Callers, E, Served> | undefined
  /** More routes, mounted beside the endpoints of the services. */
  readonly routes?: Layer.Layer<never, E, HttpRouter.HttpRouter | Served | Shutdown> | undefined
}

/** Where a server listens. */
export interface ServerAddress {
  readonly host: string
  readonly port: number
  readonly url: string
}

/** Where the OpenAPI document is. */
const documentPath = "/openapi.json"

/** Serves both services over HTTP until the scope ends, and says where. */
export const serve = Effect.fnUntraced(function* <E = never>(
  options: ServeOptions<E> = {}
): Effect.fn.Return<ServerAddress, E | ListenFailed, Served | Scope.Scope> {
  const shutdown = yield* Deferred.make<void>()
  const endpoints = HttpApiBuilder.layer(BacklogApi, { openapiPath: documentPath }).pipe(
    Layer.provide([layerBacklogHandlers, layerAuditHandlers]),
    Layer.provide([layerRequests, options.callers ?? layerEverybody]),
    Layer.provide(HttpServer.layerServices)
  )
  const routes: Layer.Layer<HttpRouter.HttpRouter, E, Served> = Layer.mergeAll(
    endpoints,
    options.routes ?? Layer.empty
  ).pipe(
    Layer.provide(Layer.succeed(Shutdown, { begun: Deferred.await(shutdown) })),
    Layer.provideMerge(HttpRouter.layer)
  )
  // Shared with no other server of this program: layers are memoised by identity, and each has services of its own.
  const built = yield* Layer.buildWithMemoMap(routes, yield* Layer.makeMemoMap, yield* Effect.scope)
  const router = Context.get(built, HttpRouter.HttpRouter)
  const address = yield* listen(answerProblems(paths)(router.asHttpEffect()), {
    host: options.host ?? "127.0.0.1",
    port: options.port ?? 4010,
    shutdown,
    shutdownPatience: options.shutdownPatience ?? "10 seconds",
    readerPatience: options.readerPatience ?? "30 seconds"
  })
  const host = address.family === "IPv6" ? `[${address.address}]` : address.address
  return { host: address.address, port: address.port, url: `http://${host}:${address.port}` }
})

const pathsOf = (): Paths => {
  const found = new Map<string, Set<string>>([[documentPath, new Set(["GET"])]])
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
