import { HttpApi, OpenApi } from "effect/http-api"
import { packageVersion } from "../../services/packageFiles.ts"
import { Callers } from "../Caller.ts"
import { Requests } from "../Requests.ts"
import { AuditGroup } from "./AuditGroup.ts"
import { BacklogGroup } from "./BacklogGroup.ts"
import { plainParameters } from "./plainParameters.ts"

/** The backlog over HTTP. */
export const BacklogApi = HttpApi.make("backlog")
  .add(BacklogGroup, AuditGroup)
  // What is asked must be understood whole; an answer may have more than its reader knows.
  .annotate(HttpApi.PayloadParseOptions, { onExcessProperty: "error" })
  .annotate(HttpApi.QueryParseOptions, { onExcessProperty: "error" })
  .middleware(Requests)
  // Last, and so first to look at a request.
  .middleware(Callers)
  .annotateMerge(
    OpenApi.annotations({
      title: "Mosaic Backlog",
      version: packageVersion(),
      description:
        "The backlog of record for many workers: cards with priorities and dependencies, claimed under a lease.",
      transform: plainParameters
    })
  )
