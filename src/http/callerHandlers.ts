import { Effect } from "effect"
import type { Handlers } from "./handleEndpoint.ts"
import { packageVersion } from "../services/packageFiles.ts"

const version = packageVersion()

/** The handlers of the endpoint about the caller. */
export const callerHandlers = {
  caller: ({ caller: { actor, role } }) => Effect.succeed({ actor: actor ?? null, role, version })
} satisfies Handlers<"caller">
