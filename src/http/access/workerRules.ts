import { Effect, Option } from "effect"
import type { SqlError } from "effect/sql"
import { quote } from "../../domain/displayText.ts"
import { Forbidden } from "../errors.ts"
import { AuditService, BacklogService } from "../../index.ts"
import { actsFor, isUnder } from "../../services/access/AccessRole.ts"

/** Claims whose owners are remembered: what they are never changes. */
const maxCachedOwners = 10_000

/** Finds out whose a claim is or was, by its card and token; `undefined` when there was never one. */
export const makeClaimOwnerLookup = Effect.gen(function* () {
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
          if (known.size > maxCachedOwners) known.delete(oldest)
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

/** What of a command's input says whose claims it is about. */
interface WorkerInput {
  readonly owner?: string
  readonly id?: string
  readonly token?: number
  readonly force?: boolean
  readonly claimNext?: { readonly owner: string }
  readonly completions?: ReadonlyArray<WorkerInput>
}

/** What is wrong with an owner for which a worker does not act. */
export const ownerRule = (actor: string, owner: string): string =>
  isUnder(owner, actor)
    ? `must not be ${quote(owner)}, where another token's holder has that name or one above it`
    : `must be ${quote(actor)}, or begin with ${quote(`${actor}/`)}`

/**
 * What a worker may do with a command that it may send at all: claim in its own name or in one under it
 * (`worker-1/browser`), and renew, release and complete such claims only. `reservedNames` has other tokens' holders under its
 * name: it does not act for them.
 */
export const workerRules = (
  actor: string,
  reservedNames: ReadonlyArray<string>,
  ownerOf: (id: string, token: number) => Effect.Effect<string | undefined, SqlError.SqlError>
) => {
  const requireOwnName = (owner: string | undefined): Effect.Effect<void, Forbidden> =>
    owner === undefined || actsFor(actor, reservedNames, owner)
      ? Effect.void
      : new Forbidden({ problem: `A worker claims in its own name: the owner ${ownerRule(actor, owner)}.` })

  const requireOwnClaim = Effect.fnUntraced(function* ({ force, id = "", token }: WorkerInput) {
    if (force === true) return yield* new Forbidden({ problem: "A worker may not force: that is for an orchestrator." })
    if (token === undefined) {
      return yield* new Forbidden({ problem: "A worker completes what it holds: give the token of its claim." })
    }
    const owner = yield* ownerOf(id, token)
    if (owner === undefined || !actsFor(actor, reservedNames, owner)) {
      return yield* new Forbidden({
        problem: `No claim of yours on card ${quote(id)} has the token ${token}.`
      })
    }
  })

  return (endpoint: string, input: WorkerInput): Effect.Effect<void, Forbidden | SqlError.SqlError> => {
    switch (endpoint) {
      case "claim":
      case "claimMany":
        return requireOwnName(input.owner)
      case "renew":
      case "release":
        return requireOwnClaim(input)
      case "complete":
        return Effect.andThen(requireOwnName(input.claimNext?.owner), requireOwnClaim(input))
      case "completeMany":
        return Effect.forEach(input.completions ?? [], requireOwnClaim, { concurrency: 8, discard: true })
      default:
        return Effect.void
    }
  }
}
