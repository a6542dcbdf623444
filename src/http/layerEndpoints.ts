import { Effect, type Layer } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { type HttpApiEndpoint, OpenApi } from "effect/http-api"
import type { Shutdown } from "./Shutdown.ts"
import { makeClaimOwnerLookup } from "./access/workerRules.ts"
import { BacklogApi } from "./api/BacklogApi.ts"
import { makeAuditHandlers } from "./auditHandlers.ts"
import { makeBacklogHandlers } from "./backlogHandlers.ts"
import { type AnyHandler, type Groups, handleEndpoint } from "./handleEndpoint.ts"
import type { AuditService, BacklogService } from "../index.ts"

/** Handles the endpoints of the API, and serves its OpenAPI document at a path. */
export const layerEndpoints = (
  documentPath: `/${string}`
): Layer.Layer<never, never, HttpRouter.HttpRouter | BacklogService | AuditService | Shutdown> =>
  HttpRouter.use(
    Effect.fnUntraced(function* (router) {
      const ownerOf = yield* makeClaimOwnerLookup
      const handlers = { backlog: yield* makeBacklogHandlers, audit: yield* makeAuditHandlers }
      for (const [name, group] of Object.entries(BacklogApi.groups)) {
        const ofGroup = handlers[name as keyof Groups] as unknown as Readonly<Record<string, AnyHandler>>
        for (const endpoint of Object.values(group.endpoints) as ReadonlyArray<HttpApiEndpoint.Top>) {
          const handler = ofGroup[endpoint.identifier] as AnyHandler
          yield* router.add(
            endpoint.method as "GET" | "POST",
            endpoint.path as HttpRouter.PathInput,
            handleEndpoint(endpoint, handler, ownerOf)
          )
        }
      }
      let document: HttpServerResponse.HttpServerResponse | undefined
      yield* router.add(
        "GET",
        documentPath,
        Effect.sync(() => (document ??= HttpServerResponse.jsonUnsafe(OpenApi.fromApi(BacklogApi))))
      )
    })
  )
