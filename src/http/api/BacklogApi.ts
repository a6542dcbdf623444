import { HttpApi, HttpApiMiddleware, HttpApiSecurity, OpenApi } from "effect/http-api"
import { AuditGroup } from "./AuditGroup.ts"
import { BacklogGroup } from "./BacklogGroup.ts"
import { problems } from "../problems.ts"
import { packageVersion } from "../../services/packageFiles.ts"

/** A part of an OpenAPI document. */
type Part = Readonly<Record<string, unknown>>

/**
 * Declares query parameters as integers and booleans instead of as text that encodes them, so that generated clients accept
 * numbers and booleans.
 */
const simplifyParameters = (document: Part): Part => ({
  ...document,
  paths: mapValues(document["paths"] as Part, (path) =>
    mapValues(path as Part, (operation) => ({
      ...(operation as Part),
      parameters: ((operation as Part)["parameters"] as ReadonlyArray<Part>).map(simplifyParameter)
    }))
  )
})

const simplifyParameter = (parameter: Part): Part => {
  const schema = parameter["schema"] as Part
  if (schema["pattern"] !== undefined) return { ...parameter, schema: { type: "integer" } }
  if (String(schema["enum"]) === "true,false") return { ...parameter, schema: { type: "boolean" } }
  return parameter
}

const mapValues = (part: Part, change: (value: unknown) => unknown): Part =>
  Object.fromEntries(Object.entries(part).map(([name, value]) => [name, change(value)]))

/** Declares that every endpoint takes a token, and the errors of callers without the permission. */
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

/** The HTTP API: the endpoints of both services. */
export const BacklogApi = HttpApi.make("backlog")
  .add(BacklogGroup, AuditGroup)
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
      transform: simplifyParameters
    })
  )
