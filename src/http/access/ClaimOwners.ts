import { Effect, Option } from "effect"
import type { SqlError } from "effect/sql"
import { AuditService, BacklogService } from "../../index.ts"

/** Claims whose owners are remembered: what they are never changes. */
const remembered = 10_000

/** Finds out whose a claim is or was, by its card and token; `undefined` when there was never one. */
export const makeClaimOwners = Effect.gen(function* () {
  const backlog = yield* BacklogService
  const audit = yield* AuditService
  const known = new Map<string, string>()

  const find = Effect.fnUntraced(function* (id: string, token: number) {
    const current = Option.getOrUndefined(yield* backlog.get(id))
    if (current === undefined) return undefined
    if (current.claimToken === token) return current.claimOwner ?? undefined
    // The token of a claim is the version of the event with which it began.
    const then = Option.getOrUndefined(yield* audit.cardAt(id, { version: token }))
    return then?.claimToken === token ? (then.claimOwner ?? undefined) : undefined
  })

  return (id: string, token: number): Effect.Effect<string | undefined, SqlError.SqlError> => {
    const key = `${token} ${id}`
    const owner = known.get(key)
    if (owner !== undefined) return Effect.succeed(owner)
    return find(id, token).pipe(
      Effect.tap((found) =>
        Effect.sync(() => {
          if (found === undefined) return
          known.set(key, found)
          const [oldest = ""] = known.keys()
          if (known.size > remembered) known.delete(oldest)
        })
      ),
      // There is no such card, or not yet such an event; what is wrong with the log, the command itself will meet.
      Effect.catchTags({
        InvalidInput: () => Effect.undefined,
        MomentNotReached: () => Effect.undefined,
        DamagedEvent: Effect.die,
        UndecodableEvent: Effect.die
      })
    )
  }
})
