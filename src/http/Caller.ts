import { Context, Effect, Result } from "effect"
import type { SqlError } from "effect/sql"
import { changesBacklog, mayCall, rolesFor } from "./access/policy.ts"
import { type makeClaimOwnerLookup, workerRules } from "./access/workerRules.ts"
import { Forbidden, Unauthorized } from "./errors.ts"
import type { AccessRole } from "../index.ts"

/** The authority of a caller. A token can be revoked or expire while its request is in progress. */
export interface Authority {
  /**
   * Fails if the caller's token is no longer valid. Runs directly before each command. Reads the database only if the cached
   * tokens are stale.
   */
  readonly requireValid: Effect.Effect<void, Unauthorized | SqlError.SqlError>
  /** Fails as soon as the caller's token is no longer valid, and never succeeds. Race it with each wait. */
  readonly failWhenInvalid: Effect.Effect<never, Unauthorized>
}

/** The authority of the current request. Never ends for a caller without a token. */
export const CurrentAuthority: Context.Reference<Authority> = Context.Reference<Authority>(
  "mosaic-backlog/http/CurrentAuthority",
  { defaultValue: () => ({ requireValid: Effect.void, failWhenInvalid: Effect.never }) }
)

/** Fails if the caller's token is no longer valid. */
export const requireValidToken: Effect.Effect<void, Unauthorized | SqlError.SqlError> = Effect.flatMap(
  CurrentAuthority,
  (authority) => authority.requireValid
)

/** Runs a wait. Fails as soon as the caller's token is no longer valid. */
export const whileTokenValid = <A, E, R>(waiting: Effect.Effect<A, E, R>): Effect.Effect<A, E | Unauthorized, R> =>
  Effect.flatMap(CurrentAuthority, ({ failWhenInvalid }) => Effect.raceFirst(waiting, failWhenInvalid))

/** The identity of a caller. */
export interface CallerIdentity {
  /** The actor of the caller's events. `undefined` if each command names its own actor. */
  readonly actor: string | undefined
  /** The role of the caller. `unrestricted` may do everything. */
  readonly role: AccessRole | "unrestricted"
  /** Names under a worker's name that belong to other tokens. The worker cannot act for them. */
  readonly reservedNames: ReadonlyArray<string>
  /** Whether the caller may only read: it is a page of the server itself that sent no token, and such pages may not write. */
  readonly readsOnly: boolean
}

/** Why a page of the server itself may not send a command. */
export const ownPageRefusal =
  'Pages of this server may only read, because they send no token. Start the server with --board=write (in a program: serve({ board: "write" })) to let them change the backlog, or send a token.'

/** The caller of the current request. `undefined` until the server has identified it. */
export const CurrentCaller: Context.Reference<CallerIdentity | undefined> = Context.Reference<
  CallerIdentity | undefined
>("mosaic-backlog/http/CurrentCaller", { defaultValue: () => undefined })

/** A caller that may call an endpoint. */
export interface AuthorizedCaller extends CallerIdentity {
  /** Fails if the caller may call the endpoint, but not with this input. */
  readonly permit: (endpoint: string, input: unknown) => Effect.Effect<void, Forbidden | SqlError.SqlError>
}

/** Finds the owner of a claim. */
export type OwnerLookup = Effect.Success<typeof makeClaimOwnerLookup>

/** An endpoint, as far as authorization needs it. */
interface AuthorizedEndpoint {
  readonly identifier: string
  readonly method: string
  readonly path: string
}

/** Whether a caller may call an endpoint. Some inputs may be refused nevertheless. */
export const mayCallerCall = ({ readsOnly, role }: CallerIdentity, endpoint: AuthorizedEndpoint): boolean =>
  (role === "unrestricted" || mayCall(role, endpoint.identifier)) && !(readsOnly && changesBacklog(endpoint))

/** Authorizes a caller for an endpoint by its role. */
export const authorize = (
  caller: CallerIdentity | undefined,
  endpoint: AuthorizedEndpoint,
  ownerOf: OwnerLookup
): Result.Result<AuthorizedCaller, Unauthorized | Forbidden> => {
  if (caller === undefined) return Result.fail(new Unauthorized({ problem: "The server does not know the caller." }))
  const { actor, reservedNames, role } = caller
  if (!mayCallerCall(caller, endpoint)) {
    if (role === "unrestricted") return Result.fail(new Forbidden({ problem: ownPageRefusal }))
    const others = rolesFor(endpoint.identifier).map((each) => withArticle(each))
    return Result.fail(
      new Forbidden({
        problem: `${withArticle(role, "A")} may not call ${endpoint.path}. That needs the token of ${others.join(" or ")}.`
      })
    )
  }
  const permit =
    role === "worker" && actor !== undefined ? workerRules(actor, reservedNames, ownerOf) : permitEverything
  return Result.succeed({ ...caller, permit: permit as AuthorizedCaller["permit"] })
}

const permitEverything = () => Effect.void

const withArticle = (role: AccessRole, a: "A" | "a" = "a"): string => `${role === "worker" ? a : `${a}n`} ${role}`
