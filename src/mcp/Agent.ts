import { Context, Effect, Layer } from "effect"
import type { Headers } from "effect/http"
import type { SqlError } from "effect/sql"
import { Name } from "../domain/Text.ts"
import { type CallerIdentity, requireValidToken } from "../http/Caller.ts"
import { makeClaimOwnerLookup, ownerRule, workerRules } from "../http/access/workerRules.ts"
import { Forbidden, Unauthorized } from "../http/errors.ts"
import { AccessRole, type AuditService, type BacklogService, InvalidInput } from "../index.ts"
import { actsFor } from "../services/access/AccessRole.ts"
import { decodeInput } from "../services/decodeInput.ts"

/** Finds out whose a claim is or was. */
export class ClaimOwners extends Context.Service<ClaimOwners, Effect.Success<typeof makeClaimOwnerLookup>>()(
  "mosaic-backlog/mcp/ClaimOwners"
) {
  static readonly layer: Layer.Layer<ClaimOwners, never, BacklogService | AuditService> = Layer.effect(
    ClaimOwners,
    makeClaimOwnerLookup
  )
}

/** Fails when an agent is a worker and the claim not its own. */
export const requireOwnClaim = (
  { reservedNames = [], owner, role }: Agent,
  claim: { readonly id: string; readonly token: number }
): Effect.Effect<void, Forbidden | Unauthorized | SqlError.SqlError, ClaimOwners> =>
  role === "worker"
    ? Effect.flatMap(ClaimOwners, (ownerOf) =>
        // The owner may have been read from the database, and the command follows.
        Effect.andThen(workerRules(owner, reservedNames, ownerOf)("renew", claim), requireValidToken)
      )
    : Effect.void

/** Headers that say who is connected, as whoever sets up a client writes them beside the server's address. */
const agentHeaders = { actor: "backlog-actor", owner: "backlog-owner", role: "backlog-role" } as const

/**
 * Who is connected: by a token, its actor in its role; where nobody needs one, who the headers say, a worker unless they
 * say otherwise. A worker with a token claims in its own name or in one under it (`worker-1/browser`).
 */
export const callerAgent = Effect.fnUntraced(function* (caller: CallerIdentity | undefined, headers: Headers.Headers) {
  const said = {
    actor: yield* decodeNameHeader(headers, agentHeaders.actor),
    owner: yield* decodeNameHeader(headers, agentHeaders.owner),
    role: yield* decodeRoleHeader(headers)
  }
  if (caller === undefined) return yield* new Unauthorized({ problem: "The server does not know who calls." })
  if (caller.role === "anybody") {
    if (said.actor === undefined) {
      return yield* new InvalidInput({
        problem: `the header ${agentHeaders.actor} is missing: it says who is connected, where callers show no token`
      })
    }
    return { role: said.role ?? "worker", actor: said.actor, owner: said.owner ?? said.actor } satisfies Agent
  }
  const { reservedNames, role } = caller
  const actor = caller.actor ?? ""
  if ((said.actor ?? actor) !== actor || (said.role ?? role) !== role) {
    return yield* new Forbidden({
      problem: `The token is that of ${JSON.stringify(actor)}, in the role ${role}: leave out ${agentHeaders.actor} and ${agentHeaders.role}.`
    })
  }
  const owner = said.owner ?? actor
  if (role === "worker" && !actsFor(actor, reservedNames, owner)) {
    return yield* new Forbidden({
      problem: `A worker claims in its own name: ${agentHeaders.owner} ${ownerRule(actor, owner)}.`
    })
  }
  return { role, actor, owner, reservedNames } satisfies Agent
})

/** Bytes of headers are not text of any kind but ASCII, on which all agree. */
const isAscii = (value: string): boolean => /^[ -~]*$/.test(value)

const decodeNameHeader = Effect.fnUntraced(function* (headers: Headers.Headers, header: string) {
  const value = headers[header]
  if (value === undefined) return undefined
  if (!isAscii(value)) return yield* new InvalidInput({ problem: `the header ${header} takes ASCII only` })
  return yield* Effect.mapError(
    decodeName(value),
    (error) => new InvalidInput({ problem: `the header ${header}: ${error.problem}` })
  )
})

const decodeName = decodeInput(Name)

const decodeRoleHeader = (headers: Headers.Headers): Effect.Effect<AccessRole | undefined, InvalidInput> => {
  const value = headers[agentHeaders.role]
  const role = AccessRole.literals.find((literal) => literal === value)
  return value !== undefined && role === undefined
    ? Effect.fail(
        new InvalidInput({ problem: `the header ${agentHeaders.role} takes ${AccessRole.literals.join(", ")}` })
      )
    : Effect.succeed(role)
}

/** Who is connected: known from the connection, never from what a tool is given. */
export interface Agent {
  /** Which tools there are, and what they may do. */
  readonly role: AccessRole
  /** Who the events are by. */
  readonly actor: string
  /** In whose name cards are claimed. */
  readonly owner: string
  /** Other tokens' holders under a worker's name, for which it does not act. Defaults to none. */
  readonly reservedNames?: ReadonlyArray<string>
}

/** Who calls a tool; nobody until the transport has found out. */
export const CurrentAgent: Context.Reference<Agent | undefined> = Context.Reference<Agent | undefined>(
  "mosaic-backlog/mcp/CurrentAgent",
  { defaultValue: () => undefined }
)
