import { Context, Effect, Layer } from "effect"
import type { SqlError } from "effect/sql"
import { makeClaimOwners } from "../http/access/ClaimOwners.ts"
import type { Forbidden } from "../http/access/problems.ts"
import { workerRules } from "../http/access/workerRules.ts"
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
): Effect.Effect<void, Forbidden | SqlError.SqlError, ClaimOwners> =>
  role === "worker"
    ? Effect.flatMap(ClaimOwners, (ownerOf) => workerRules(owner, apart, ownerOf)("renew", claim))
    : Effect.void
