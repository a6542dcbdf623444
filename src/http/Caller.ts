import { Context, Effect, Layer } from "effect"
import { HttpApiMiddleware, HttpApiSecurity } from "effect/http-api"
import type { SqlError } from "effect/sql"
import { mayCall } from "./access/policy.ts"
import { makeClaimOwnerLookup, workerRules } from "./access/workerRules.ts"
import { Forbidden, Unauthorized } from "./errors.ts"
import { problems } from "./problems.ts"
import type { AccessRole, AuditService, BacklogService } from "../index.ts"

/** The authority of a caller. A token can be revoked or expire while its request is in progress. */
export interface Authority {
  /**
   * Fails if the caller's token is no longer valid. Runs directly before each command. Reads the database only if the cached
   * tokens are stale.
   */
  readonly requireValid: Effect.Effect<void, Unauthorized | SqlError.SqlError>
  /** Fails as soon as the caller's token is no longer valid, and never succeeds. Waits are raced with it. */
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
}

/** The caller of the current request. `undefined` until the server has identified it. */
export const CurrentCaller: Context.Reference<CallerIdentity | undefined> = Context.Reference<
  CallerIdentity | undefined
>("mosaic-backlog/http/CurrentCaller", { defaultValue: () => undefined })

/** The caller of an endpoint, after authorization. */
export class Caller extends Context.Service<
  Caller,
  CallerIdentity & {
    /** Fails if the caller may call the endpoint, but not with this input. */
    readonly permit: (endpoint: string, input: unknown) => Effect.Effect<void, Forbidden | SqlError.SqlError>
  }
>()("mosaic-backlog/http/Caller") {}

/** Authorizes a caller for an endpoint, before the request's body is read. */
export class Authorization extends HttpApiMiddleware.Service<Authorization, { provides: Caller }>()(
  "mosaic-backlog/http/Authorization",
  {
    error: [problems.unauthorized, problems.forbidden, problems.tooManyRequests],
    security: { token: HttpApiSecurity.bearer }
  }
) {}

/** Authorizes callers by their role. */
export const layerAuthorization: Layer.Layer<Authorization, never, BacklogService | AuditService> = Layer.effect(
  Authorization,
  Effect.map(makeClaimOwnerLookup, (ownerOf) => ({
    token: (httpEffect, { endpoint }) =>
      Effect.gen(function* () {
        const caller = yield* CurrentCaller
        if (caller === undefined) return yield* new Unauthorized({ problem: "The server does not know the caller." })
        const { actor, reservedNames, role } = caller
        if (role !== "unrestricted" && !mayCall(role, endpoint.identifier)) {
          return yield* new Forbidden({ problem: `${withArticle(role)} may not call ${endpoint.path}.` })
        }
        const permit =
          role === "worker" && actor !== undefined ? workerRules(actor, reservedNames, ownerOf) : () => Effect.void
        return yield* Effect.provideService(httpEffect, Caller, {
          ...caller,
          permit: permit as Caller["Service"]["permit"]
        })
      })
  }))
)

const withArticle = (role: AccessRole): string => (role === "worker" ? `A ${role}` : `An ${role}`)
