import { Effect, Option } from "effect"
import { quote } from "../../domain/displayText.ts"
import { Forbidden } from "../errors.ts"
import { AuditService, type BacklogFailure, BacklogService } from "../../index.ts"
import { actsFor, isUnder } from "../../services/access/AccessRole.ts"

/** The fields of a command's input that say which claims it concerns. */
interface WorkerInput {
  readonly owner?: string
  readonly id?: string
  readonly token?: number
  readonly force?: boolean
  readonly claimNext?: { readonly owner: string }
  readonly completions?: ReadonlyArray<WorkerInput>
}

/** The rule that an owner violates, as the end of a sentence. */
export const ownerRule = (actor: string, owner: string): string =>
  isUnder(owner, actor)
    ? `must not be ${quote(owner)}, because that name or one above it belongs to another token`
    : `must be ${quote(actor)} or begin with ${quote(`${actor}/`)}`

/**
 * The rules for a worker's commands. A worker claims under its own name or a name below it (`worker-1/browser`), and renews,
 * releases, completes and blocks only the cards of such claims. It may write notes on any card, with a token only on those. `reservedNames` are names below its own that belong to other
 * tokens.
 */
export const workerRules = (
  actor: string,
  reservedNames: ReadonlyArray<string>,
  ownerOf: (id: string, token: number) => Effect.Effect<string | undefined, BacklogFailure>
) => {
  const requireOwnName = (owner: string | undefined): Effect.Effect<void, Forbidden> =>
    owner === undefined || actsFor(actor, reservedNames, owner)
      ? Effect.void
      : new Forbidden({ problem: `A worker claims under its own name: the owner ${ownerRule(actor, owner)}.` })

  const requireOwnClaim = Effect.fnUntraced(function* ({ force, id = "", token }: WorkerInput) {
    if (force === true) {
      return yield* new Forbidden({ problem: "A worker may not use force. Only an orchestrator may." })
    }
    if (token === undefined) {
      return yield* new Forbidden({
        problem: "A worker completes and blocks only cards that it holds. Pass the token of the claim."
      })
    }
    const owner = yield* ownerOf(id, token)
    if (owner === undefined || !actsFor(actor, reservedNames, owner)) {
      return yield* new Forbidden({
        problem: `No claim of yours on card ${quote(id)} has the token ${token}.`
      })
    }
  })

  return (endpoint: string, input: WorkerInput): Effect.Effect<void, BacklogFailure> => {
    switch (endpoint) {
      case "claim":
      case "claimMany":
        return requireOwnName(input.owner)
      case "renew":
      case "release":
      case "block":
        return requireOwnClaim(input)
      case "note":
        return input.token === undefined ? Effect.void : requireOwnClaim(input)
      case "complete":
        return Effect.andThen(requireOwnName(input.claimNext?.owner), requireOwnClaim(input))
      case "completeMany":
        return Effect.forEach(input.completions ?? [], requireOwnClaim, { concurrency: 8, discard: true })
      default:
        return Effect.void
    }
  }
}

/** Maximum number of cached owners. The owner of a claim never changes. */
const maxCachedOwners = 10_000

/** Makes a lookup of the owner of a current or past claim, by card and token; `undefined` if there was no such claim. */
export const makeClaimOwnerLookup = Effect.gen(function* () {
  const backlog = yield* BacklogService
  const audit = yield* AuditService
  const known = new Map<string, string>()

  const find = Effect.fnUntraced(function* (id: string, token: number) {
    const current = Option.getOrUndefined(yield* backlog.get(id))
    if (current === undefined) return undefined
    if (current.claimToken === token) return current.claimOwner ?? undefined
    // The token of a claim is the version of its CardClaimed event.
    const then = Option.getOrUndefined(yield* audit.cardAt(id, { version: token }))
    return then?.claimToken === token ? (then.claimOwner ?? undefined) : undefined
  })

  return (id: string, token: number): Effect.Effect<string | undefined, BacklogFailure> => {
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
      // No such card, or no such event yet. Damage in the log also fails the command itself.
      Effect.catchTags({
        InvalidInput: () => Effect.undefined,
        MomentNotReached: () => Effect.undefined,
        DamagedEvent: Effect.die,
        UndecodableEvent: Effect.die
      })
    )
  }
})
