import { Context, Effect, Layer } from "effect"
import type { Headers } from "effect/http"
import { Name } from "../domain/Text.ts"
import { type CallerIdentity, ownPageRefusal, requireValidToken } from "../http/Caller.ts"
import { makeClaimOwnerLookup, ownerRule, workerRules } from "../http/access/workerRules.ts"
import { Forbidden, Unauthorized } from "../http/errors.ts"
import { AccessRole, type AuditService, type BacklogFailure, type BacklogService, InvalidInput } from "../index.ts"
import { actsFor } from "../services/access/AccessRole.ts"
import { decodeInput } from "../services/decodeInput.ts"

/** The connected agent. Its identity comes from the connection, never from the arguments of a tool. */
export interface Agent {
  /** The role, which determines the available tools and their permissions. */
  readonly role: AccessRole
  /** The actor of the events. */
  readonly actor: string
  /** The owner of the claims. */
  readonly owner: string
  /** Names under a worker's name that belong to other tokens. The worker cannot act for them. Defaults to none. */
  readonly reservedNames?: ReadonlyArray<string>
}

/** The agent that calls a tool. `undefined` until the transport has identified it. */
export const CurrentAgent: Context.Reference<Agent | undefined> = Context.Reference<Agent | undefined>(
  "mosaic-backlog/mcp/CurrentAgent",
  { defaultValue: () => undefined }
)

/** Headers that identify an agent. They are part of the client's configuration, next to the server's URL. */
const agentHeaders = { actor: "backlog-actor", owner: "backlog-owner", role: "backlog-role" } as const

/**
 * Identifies the agent of a request. With a token, the actor and the role are the token's. Without one, the headers name
 * the actor, and the role defaults to worker. A worker with a token claims under its own name or under a name below it
 * (`worker-1/browser`).
 */
export const callerAgent = Effect.fnUntraced(function* (caller: CallerIdentity | undefined, headers: Headers.Headers) {
  const headerValues = {
    actor: yield* decodeNameHeader(headers, agentHeaders.actor),
    owner: yield* decodeNameHeader(headers, agentHeaders.owner),
    role: yield* decodeRoleHeader(headers)
  }
  if (caller === undefined) return yield* new Unauthorized({ problem: "The server does not know the caller." })
  // Most tools change the backlog, so that a page that may only read is no agent.
  if (caller.readsOnly) return yield* new Forbidden({ problem: ownPageRefusal })
  if (caller.role === "unrestricted") {
    if (headerValues.actor === undefined) {
      return yield* new InvalidInput({
        problem: `the header ${agentHeaders.actor} is missing: it names the agent when the request has no token`
      })
    }
    return {
      role: headerValues.role ?? "worker",
      actor: headerValues.actor,
      owner: headerValues.owner ?? headerValues.actor
    } satisfies Agent
  }
  const { reservedNames, role } = caller
  const actor = caller.actor ?? ""
  if ((headerValues.actor ?? actor) !== actor || (headerValues.role ?? role) !== role) {
    return yield* new Forbidden({
      problem: `The token belongs to ${JSON.stringify(actor)} with the role ${role}. Omit ${agentHeaders.actor} and ${agentHeaders.role}.`
    })
  }
  const owner = headerValues.owner ?? actor
  if (role === "worker" && !actsFor(actor, reservedNames, owner)) {
    return yield* new Forbidden({
      problem: `A worker claims under its own name: ${agentHeaders.owner} ${ownerRule(actor, owner)}.`
    })
  }
  return { role, actor, owner, reservedNames } satisfies Agent
})

/** ASCII is the only encoding of header values on which all clients agree. */
const isAscii = (value: string): boolean => /^[ -~]*$/.test(value)

const decodeNameHeader = Effect.fnUntraced(function* (headers: Headers.Headers, header: string) {
  const value = headers[header]
  if (value === undefined) return undefined
  if (!isAscii(value)) return yield* new InvalidInput({ problem: `the header ${header} must be ASCII` })
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
        new InvalidInput({
          problem: `the header ${agentHeaders.role} must be one of ${AccessRole.literals.join(", ")}`
        })
      )
    : Effect.succeed(role)
}

/** Looks up the owner of a current or past claim. */
export class ClaimOwners extends Context.Service<ClaimOwners, Effect.Success<typeof makeClaimOwnerLookup>>()(
  "mosaic-backlog/mcp/ClaimOwners"
) {
  static readonly layer: Layer.Layer<ClaimOwners, never, BacklogService | AuditService> = Layer.effect(
    ClaimOwners,
    makeClaimOwnerLookup
  )
}

/** Fails if the agent is a worker and the claim is not its own. */
export const requireOwnClaim = (
  { reservedNames = [], owner, role }: Agent,
  claim: { readonly id: string; readonly token: number }
): Effect.Effect<void, BacklogFailure, ClaimOwners> =>
  role === "worker"
    ? Effect.flatMap(ClaimOwners, (ownerOf) =>
        // Reading the owner may have taken time, and the command follows.
        Effect.andThen(workerRules(owner, reservedNames, ownerOf)("renew", claim), requireValidToken)
      )
    : Effect.void
