import { Effect, type Layer } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { type HttpApiEndpoint, OpenApi } from "effect/http-api"
import type { Shutdown } from "./Shutdown.ts"
import { makeClaimOwnerLookup } from "./access/workerRules.ts"
import { BacklogApi } from "./api/BacklogApi.ts"
import { behindPrefix } from "./api/document.ts"
import { makeAuditHandlers } from "./auditHandlers.ts"
import { makeBacklogHandlers } from "./backlogHandlers.ts"
import { callerHandlers } from "./callerHandlers.ts"
import { type AnyHandler, type Groups, handleEndpoint } from "./handleEndpoint.ts"
import { CurrentIncomingRequest } from "./node/IncomingRequest.ts"
import type { AuditService, BacklogService } from "../index.ts"

/** Maximum number of documents that are kept, one per prefix. */
const maxDocuments = 10

/** Handles the endpoints of the API, and serves its OpenAPI document at a path. */
export const layerEndpoints = (
  documentPath: `/${string}`
): Layer.Layer<never, never, HttpRouter.HttpRouter | BacklogService | AuditService | Shutdown> =>
  HttpRouter.use(
    Effect.fnUntraced(function* (router) {
      const ownerOf = yield* makeClaimOwnerLookup
      const handlers = { backlog: yield* makeBacklogHandlers, audit: yield* makeAuditHandlers, caller: callerHandlers }
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
      const documents = new Map<string, HttpServerResponse.HttpServerResponse>()
      yield* router.add(
        "GET",
        documentPath,
        Effect.map(CurrentIncomingRequest, ({ prefix }) => {
          const known = documents.get(prefix)
          if (known !== undefined) return known
          const document = HttpServerResponse.jsonUnsafe(behindPrefix({ ...OpenApi.fromApi(BacklogApi) }, prefix))
          // A proxy has one prefix. A client that sends others through it cannot fill the memory.
          if (documents.size < maxDocuments) documents.set(prefix, document)
          return document
        })
      )
    })
  )
