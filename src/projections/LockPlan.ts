import type { CardId } from "../domain/CardId.ts"
import type { ClaimFilter, Command } from "../domain/Command.ts"

/**
 * What a batch of commands must hold and know before it is decided.
 *
 * The graph is held `exclusive` by whoever changes an edge and `shared` by whoever makes a card done or no longer done.
 * So a card's dependents stay the same from when they are read until they are locked, and whether a dependency is done
 * stays the same from when a link reads it until it commits.
 */
export interface LockPlan {
  readonly graphLock: "none" | "shared" | "exclusive"
  /** Cards to lock, waiting for whoever holds them. */
  readonly cards: ReadonlySet<CardId>
  /** Idempotency keys whose cards to lock. */
  readonly idempotencyKeys: ReadonlySet<string>
  /** Cards that may become done or no longer done: their dependents are to be locked. */
  readonly doneChanges: ReadonlySet<CardId>
  /** Cards that get new dependencies, with those. */
  readonly newEdges: ReadonlyArray<{ readonly from: CardId; readonly to: ReadonlyArray<CardId> }>
  /** Cards whose being done matters to an edge that is added or removed. */
  readonly edgeTargets: ReadonlySet<CardId>
  /** Cards that are to be created. */
  readonly created: ReadonlySet<CardId>
  /** Cards to lock if they are free, skipping those that somebody else holds. */
  readonly claimedById: ReadonlySet<CardId>
  /** How many of the best claimable cards are wanted, by what they are chosen among. */
  readonly claims: ReadonlyArray<{ readonly choice: ClaimFilter; readonly limit: number }>
  /** Cards whose dependents a claim may choose from, once they are done. */
  readonly completedBeforeClaim: ReadonlySet<CardId>
  /** Whether every expired claim is to be taken back. */
  readonly reclaimsExpired: boolean
}

/** The footprint of commands that are decided together. */
export const planLocks = (commands: ReadonlyArray<Command>): LockPlan => {
  const cards = new Set<CardId>()
  const idempotencyKeys = new Set<string>()
  const doneChanges = new Set<CardId>()
  const newEdges: Array<{ readonly from: CardId; readonly to: ReadonlyArray<CardId> }> = []
  const edgeTargets = new Set<CardId>()
  const created = new Set<CardId>()
  const claimedById = new Set<CardId>()
  const completedBeforeClaim = new Set<CardId>()
  const wanted = new Map<string, { readonly choice: ClaimFilter; limit: number }>()
  let reclaimsExpired = false
  let unlinks = false
  let completedDirectly = 0
  const want = ({ minPriority, phase }: ClaimFilter, limit: number): void => {
    const key = JSON.stringify([phase, minPriority])
    wanted.set(key, { choice: { phase, minPriority }, limit: limit + (wanted.get(key)?.limit ?? 0) })
  }
  for (const command of commands) {
    switch (command._tag) {
      case "Create":
      case "CreateMany":
        for (const card of command._tag === "Create" ? [command] : command.cards) {
          cards.add(card.id)
          created.add(card.id)
          if (card.idempotencyKey != null) idempotencyKeys.add(card.idempotencyKey)
          if (card.status === "done") doneChanges.add(card.id)
          if (card.dependsOn !== undefined && card.dependsOn.length > 0) {
            newEdges.push({ from: card.id, to: card.dependsOn })
            for (const id of card.dependsOn) edgeTargets.add(id)
          }
        }
        break
      case "Claim":
        if (command.id === undefined) want(command, 1)
        else claimedById.add(command.id)
        break
      case "ClaimMany":
        want(command, command.limit)
        break
      case "Reclaim":
        if (command.id === undefined) reclaimsExpired = true
        else cards.add(command.id)
        break
      case "Link":
        cards.add(command.from)
        edgeTargets.add(command.to)
        newEdges.push({ from: command.from, to: [command.to] })
        break
      case "Unlink":
        cards.add(command.from)
        edgeTargets.add(command.to)
        unlinks = true
        break
      case "Complete":
      case "Reopen":
        cards.add(command.id)
        doneChanges.add(command.id)
        if (command._tag === "Complete" && command.claimNext !== undefined) {
          completedBeforeClaim.add(command.id)
          want(command.claimNext, 1)
          // Who shows a token completes a card that is claimed. Any other may be among the best, and is not the next.
          if (command.token === undefined || command.force === true) completedDirectly++
        }
        break
      case "Revise":
      case "Renew":
      case "Release":
      case "Block":
      case "Unblock":
        cards.add(command.id)
    }
  }
  const graphLock = newEdges.length > 0 || unlinks ? "exclusive" : doneChanges.size > 0 ? "shared" : "none"
  return {
    graphLock,
    cards,
    idempotencyKeys,
    doneChanges,
    newEdges,
    edgeTargets,
    created,
    claimedById,
    claims: withSpares([...wanted.values()], completedDirectly),
    completedBeforeClaim,
    reclaimsExpired: reclaimsExpired || wanted.size > 0
  }
}

/**
 * Each claim may take a card that one of another choice was to have, and each completion that a claim follows may complete
 * one: so there is one for every claim all the same.
 */
const withSpares = (wanted: LockPlan["claims"], completedDirectly: number): LockPlan["claims"] =>
  wanted.map(({ choice }) => ({
    choice,
    limit: wanted.reduce(
      (sum, other) => (mayTakeTheSame(choice, other.choice) ? sum + other.limit : sum),
      completedDirectly
    )
  }))

const mayTakeTheSame = (one: ClaimFilter, other: ClaimFilter): boolean =>
  one.phase === undefined || other.phase === undefined || one.phase === other.phase

/** The footprint of what changes one card alone. */
export const planCardLock = (id: CardId): LockPlan => ({ ...planLocks([]), cards: new Set([id]) })
