import { Effect } from "effect"
import { HttpApi, type HttpApiEndpoint } from "effect/http-api"
import { mayCallerCall } from "./Caller.ts"
import { BacklogApi } from "./api/BacklogApi.ts"
import type { Handlers } from "./handleEndpoint.ts"
import { packageVersion } from "../services/packageFiles.ts"

const version = packageVersion()

const collectEndpoints = (): ReadonlyArray<HttpApiEndpoint.Top> => {
  const found: Array<HttpApiEndpoint.Top> = []
  HttpApi.reflect(BacklogApi, {
    onGroup: () => {},
    onEndpoint: ({ endpoint }) => {
      found.push(endpoint)
    }
  })
  return found
}

const endpoints = collectEndpoints()

/** The handlers of the endpoint about the caller. */
export const callerHandlers = {
  caller: ({ caller }) =>
    Effect.succeed({
      actor: caller.actor ?? null,
      role: caller.role,
      version,
      operations: endpoints.filter((each) => mayCallerCall(caller, each)).map(({ identifier }) => identifier)
    })
} satisfies Handlers<"caller">
