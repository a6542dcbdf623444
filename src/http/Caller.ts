import { Context, Effect, Layer } from "effect"
import { HttpApiMiddleware, HttpApiSecurity } from "effect/http-api"
import type { SqlError } from "effect/sql"
import { mayCall } from "./access/policy.ts"
import { makeClaimOwnerLookup, workerRules } from "./access/workerRules.ts"
import { Forbidden, Unauthorized } from "./errors.ts"
import { problems } from "./problems.ts"
import type { AccessRole, AuditService, BacklogService } from "../index.ts"

/** For how long a caller may act: a token can be revoked or expire while a request is on its way. */
export interface Authority {
  /**
   * Fails when the caller's token is not valid any more. Runs directly before each command, and asks nothing of the
   * database while what is known of tokens is recent.
   */
  readonly requireValid: Effect.Effect<void, Unauthorized | SqlError.SqlError>
  /** Fails when the caller's token is not valid any more, and never succeeds. What waits is raced with it. */
  readonly failWhenInvalid: Effect.Effect<never, Unauthorized>
}

/** For how long the caller of the current request may act; without an end where the caller has no token. */
export const CurrentAuthority: Context.Reference<Authority> = Context.Reference<Authority>(
  "mosaic-backlog/http/CurrentAuthority",
  { defaultValue: () => ({ requireValid: Effect.void, failWhenInvalid: Effect.never }) }
)

/** Fails when the caller's token is not valid any more. */
export const requireValidToken: Effect.Effect<void, Unauthorized | SqlError.SqlError> = Effect.flatMap(
  CurrentAuthority,
  (authority) => authority.requireValid
)

/** Waits for something until the caller's token is not valid any more. */
export const whileTokenValid = <A, E, R>(waiting: Effect.Effect<A, E, R>): Effect.Effect<A, E | Unauthorized, R> =>
  Effect.flatMap(CurrentAuthority, ({ failWhenInvalid }) => Effect.raceFirst(waiting, failWhenInvalid))

/** Who calls. */
export interface CallerIdentity {
  /** Who the events are by, whatever the command says; `undefined` when the command says it. */
  readonly actor: string | undefined
  /** What the caller may do; `anybody` may do everything. */
  readonly role: AccessRole | "anybody"
  /** Other tokens' holders under a worker's name, for which it does not act. */
  readonly reservedNames: ReadonlyArray<string>
}

/** Who calls, as the server found out before it routed the request; nobody until it has. */
export const CurrentCaller: Context.Reference<CallerIdentity | undefined> = Context.Reference<
  CallerIdentity | undefined
>("mosaic-backlog/http/CurrentCaller", { defaultValue: () => undefined })

/** Who calls an endpoint that he may ask. */
export class Caller extends Context.Service<
  Caller,
  CallerIdentity & {
    /** Fails when the caller may ask the endpoint, and not for this. */
    readonly permit: (endpoint: string, input: unknown) => Effect.Effect<void, Forbidden | SqlError.SqlError>
  }
>()("mosaic-backlog/http/Caller") {}

/** Lets pass who may ask an endpoint, before anything of the request's body is read. */
export class Authorization extends HttpApiMiddleware.Service<Authorization, { provides: Caller }>()(
  "mosaic-backlog/http/Callers",
  {
    error: [problems.unauthorized, problems.forbidden, problems.tooManyRequests],
    security: { token: HttpApiSecurity.bearer }
  }
) {}

/** Lets pass who may ask an endpoint. */
export const layerAuthorization: Layer.Layer<Authorization, never, BacklogService | AuditService> = Layer.effect(
  Authorization,
  Effect.map(makeClaimOwnerLookup, (ownerOf) => ({
    token: (httpEffect, { endpoint }) =>
      Effect.gen(function* () {
        const caller = yield* CurrentCaller
        if (caller === undefined) return yield* new Unauthorized({ problem: "The server does not know who calls." })
        const { actor, reservedNames, role } = caller
        if (role !== "anybody" && !mayCall(role, endpoint.identifier)) {
          return yield* new Forbidden({ problem: `${withArticle(role)} may not ask for ${endpoint.path}.` })
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
