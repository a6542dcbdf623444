import { Context, Effect, Layer } from "effect"
import type { SqlError } from "effect/sql"
import { stillValid } from "../http/Caller.ts"
import { makeClaimOwners, workerRules } from "../http/access/workerRules.ts"
import type { Forbidden, Unauthorized } from "../http/errors.ts"
import type { AuditService, BacklogService } from "../index.ts"
import type { Agent } from "./Agent.ts"

/** Finds out whose a claim is or was. */
export class ClaimOwners extends Context.Service<ClaimOwners, Effect.Success<typeof makeClaimOwners>>()(
  "mosaic-backlog/mcp/ClaimOwners"
) {
  static readonly layer: Layer.Layer<ClaimOwners, never, BacklogService | AuditService> = Layer.effect(
    ClaimOwners,
    makeClaimOwners
  )
}

/** Fails when an agent is a worker and the claim not its own. */
export const ownClaim = (
  { apart = [], owner, role }: Agent,
  claim: { readonly id: string; readonly token: number }
): Effect.Effect<void, Forbidden | Unauthorized | SqlError.SqlError, ClaimOwners> =>
  role === "worker"
    ? Effect.flatMap(ClaimOwners, (ownerOf) =>
        // The owner may have been read from the database, and the command follows.
        Effect.andThen(workerRules(owner, apart, ownerOf)("renew", claim), stillValid)
      )
    : Effect.void
