import { HttpApi, OpenApi } from "effect/http-api"
import { Callers } from "../Caller.ts"
import { Requests } from "../Requests.ts"
import { BacklogGroup } from "./BacklogGroup.ts"

/** The backlog over HTTP. */
export const BacklogApi = HttpApi.make("backlog")
  .add(BacklogGroup)
  .annotate(HttpApi.ParseOptions, { onExcessProperty: "error" })
  // A request has headers of all kinds.
  .annotate(HttpApi.HeadersParseOptions, {})
  .middleware(Requests)
  // Last, and so first to look at a request.
  .middleware(Callers)
  .annotateMerge(
    OpenApi.annotations({
      title: "Mosaic Backlog",
      description:
        "The backlog of record for many workers: cards with priorities and dependencies, claimed under a lease."
    })
  )
