import { HttpApi, HttpApiMiddleware, HttpApiSecurity, OpenApi } from "effect/http-api"
import { AuditGroup } from "./AuditGroup.ts"
import { BacklogGroup } from "./BacklogGroup.ts"
import { CallerGroup } from "./CallerGroup.ts"
import { completeDocument } from "./document.ts"
import { problems } from "../problems.ts"
import { packageVersion } from "../../services/packageFiles.ts"

/** Declares that every endpoint takes a token, and the errors of a caller without permission. */
export class Authorization extends HttpApiMiddleware.Service<Authorization>()("mosaic-backlog/http/Authorization", {
  error: [problems.unauthorized, problems.forbidden, problems.tooManyRequests],
  security: { token: HttpApiSecurity.bearer }
}) {}

/** Declares the errors that every endpoint can return. */
export class RequestValidation extends HttpApiMiddleware.Service<RequestValidation>()(
  "mosaic-backlog/http/RequestValidation",
  {
    error: [
      problems.invalidInput,
      problems.bodyTooLarge,
      problems.databaseUnavailable,
      problems.databaseFailed,
      problems.readOnlyReplica,
      problems.replicaBehind,
      problems.replicaConflict,
      problems.notPermitted
    ]
  }
) {}

/** The paths of the endpoints for operators. */
export const operationPaths = { health: "/healthz", ready: "/readyz", metrics: "/metrics" } as const

/** The HTTP API: the endpoints of both services, and the one about the caller. */
export const BacklogApi = HttpApi.make("backlog")
  .add(BacklogGroup, AuditGroup, CallerGroup)
  // Requests must not have unknown members. Clients ignore unknown members of a response.
  .annotate(HttpApi.PayloadParseOptions, { onExcessProperty: "error" })
  .annotate(HttpApi.QueryParseOptions, { onExcessProperty: "error" })
  .middleware(RequestValidation)
  .middleware(Authorization)
  .annotateMerge(
    OpenApi.annotations({
      title: "Mosaic Backlog",
      version: packageVersion(),
      description:
        "The backlog of record for many workers: cards with priorities and dependencies, claimed under a lease.",
      license: { name: "MIT" },
      transform: completeDocument(BacklogGroup, AuditGroup, CallerGroup)
    })
  )
