import { Context, Effect } from "effect"
import type { SqlError } from "effect/sql"
import type { Unauthorized } from "./access/problems.ts"

/** For how long a caller may act: a token can be revoked or expire while a request is on its way. */
export interface Authority {
  /**
   * Fails when the caller's token is not valid any more. Runs directly before each command, and asks nothing of the
   * database while what is known of tokens is recent.
   */
  readonly stillValid: Effect.Effect<void, Unauthorized | SqlError.SqlError>
  /** Fails when the caller's token is not valid any more, and never succeeds. What waits is raced with it. */
  readonly ended: Effect.Effect<never, Unauthorized>
}

/** For how long the caller of the current request may act; without an end where the caller has no token. */
export const CurrentAuthority: Context.Reference<Authority> = Context.Reference<Authority>(
  "mosaic-backlog/http/CurrentAuthority",
  { defaultValue: () => ({ stillValid: Effect.void, ended: Effect.never }) }
)

/** Fails when the caller's token is not valid any more. */
export const stillValid: Effect.Effect<void, Unauthorized | SqlError.SqlError> = Effect.flatMap(
  CurrentAuthority,
  (authority) => authority.stillValid
)

/** Waits for something until the caller's token is not valid any more. */
export const whileValid = <A, E, R>(waiting: Effect.Effect<A, E, R>): Effect.Effect<A, E | Unauthorized, R> =>
  Effect.flatMap(CurrentAuthority, ({ ended }) => Effect.raceFirst(waiting, ended))
