import type { CardId } from "../domain/CardId.ts"
import type { ClaimFilter, Command, NewCard } from "../domain/Command.ts"

/** The ids that cards without an id can get, in the order of preference. */
export type ProposedIds = ReadonlyMap<NewCard, ReadonlyArray<CardId>>

/**
 * The locks and facts that a batch of commands needs before it is decided. `ReadModel.lockAndLoad` takes the locks; the lock
 * order is at the top of `ReadModel.ts`.
 */
export interface LockPlan {
  /**
   * `exclusive` if a command changes an edge, `shared` if one makes a card done or no longer done. So the dependents of a card
   * do not change between being read and being locked, and a dependency does not become done between being read by a link and
   * that link's commit.
   */
  readonly graphLock: "none" | "shared" | "exclusive"
  /** Cards to lock. Waits for transactions that have locked them. */
  readonly cards: ReadonlySet<CardId>
  /** Idempotency keys whose cards are locked. */
  readonly idempotencyKeys: ReadonlySet<string>
  /** Cards that may become done or no longer done. Their dependents are locked too. */
  readonly doneChanges: ReadonlySet<CardId>
  /** Cards that get new dependencies, and these dependencies. */
  readonly newEdges: ReadonlyArray<{ readonly from: CardId; readonly to: ReadonlyArray<CardId> }>
  /** Targets of edges that are added or removed: whether they are done is read. */
  readonly edgeTargets: ReadonlySet<CardId>
  /** Cards that are created. */
  readonly created: ReadonlySet<CardId>
  /** Cards that are claimed by their ids. Those that other transactions have locked are skipped. */
  readonly claimedById: ReadonlySet<CardId>
  /** How many of the best claimable cards to lock, for each filter. */
  readonly claims: ReadonlyArray<{ readonly filter: ClaimFilter; readonly limit: number }>
  /** Cards that are completed before a claim, which may choose from their dependents. */
  readonly completedBeforeClaim: ReadonlySet<CardId>
  /** Whether every expired claim is reclaimed. */
  readonly reclaimsExpired: boolean
}

/**
 * Plans the locks of commands that are decided together. `spares` is how many cards more than they take the claims of one filter
 * lock. Defaults to as many as other commands of the batch may take. `proposedIds` must have every new card without an id.
 */
export const planLocks = (
  commands: ReadonlyArray<Command>,
  { proposedIds = none, spares = 0 }: { readonly spares?: number; readonly proposedIds?: ProposedIds } = {}
): LockPlan => {
  const cards = new Set<CardId>()
  const idempotencyKeys = new Set<string>()
  const doneChanges = new Set<CardId>()
  const newEdges: Array<{ readonly from: CardId; readonly to: ReadonlyArray<CardId> }> = []
  const edgeTargets = new Set<CardId>()
  const created = new Set<CardId>()
  const claimedById = new Set<CardId>()
  const completedBeforeClaim = new Set<CardId>()
  const claims = new Map<string, { readonly filter: ClaimFilter; limit: number }>()
  let reclaimsExpired = false
  let unlinks = false
  let completedDirectly = 0
  const addClaim = (request: ClaimFilter, limit: number): void => {
    const filter = normalizeFilter(request)
    const key = JSON.stringify(filter)
    claims.set(key, { filter, limit: limit + (claims.get(key)?.limit ?? 0) })
  }
  for (const command of commands) {
    switch (command._tag) {
      case "Create":
      case "CreateMany":
        for (const card of command._tag === "Create" ? [command] : command.cards) {
          if (card.idempotencyKey != null) idempotencyKeys.add(card.idempotencyKey)
          for (const id of card.id === undefined ? (proposedIds.get(card) ?? []) : [card.id]) {
            cards.add(id)
            created.add(id)
            if (card.status === "done") doneChanges.add(id)
            if (card.dependsOn !== undefined && card.dependsOn.length > 0)
              newEdges.push({ from: id, to: card.dependsOn })
          }
          for (const id of card.dependsOn ?? []) edgeTargets.add(id)
        }
        break
      case "Claim":
        if (command.id === undefined) addClaim(command, 1)
        else claimedById.add(command.id)
        break
      case "ClaimMany":
        addClaim(command, command.limit)
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
          addClaim(command.claimNext, 1)
          // With a token the completed card is claimed. Without one it may be among the best, and is not claimed next.
          if (command.token === undefined || command.force === true) completedDirectly++
        }
        break
      case "Revise":
      case "Note":
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
    claims: addSpares([...claims.values()], completedDirectly + spares),
    completedBeforeClaim,
    reclaimsExpired: reclaimsExpired || claims.size > 0
  }
}

const none: ProposedIds = new Map()

/** The same filter for the same cards: without what is not given, and with sorted labels. */
export const normalizeFilter = ({ labels, minPriority, phase, withoutLabels }: ClaimFilter): ClaimFilter =>
  labels === undefined && withoutLabels === undefined
    ? { phase, minPriority }
    : {
        phase,
        minPriority,
        ...(labels === undefined || labels.length === 0 ? undefined : { labels: [...new Set(labels)].sort() }),
        ...(withoutLabels === undefined || withoutLabels.length === 0
          ? undefined
          : { withoutLabels: [...new Set(withoutLabels)].sort() })
      }

/**
 * Locks more cards than the claims of one filter take, so that there is a card for every claim: claims of another filter may
 * take some of them, and completions that a claim follows may complete some.
 */
const addSpares = (claims: LockPlan["claims"], others: number): LockPlan["claims"] =>
  claims.map(({ filter }) => ({
    filter,
    limit: claims.reduce((sum, other) => (mayOverlap(filter, other.filter) ? sum + other.limit : sum), others)
  }))

const mayOverlap = (one: ClaimFilter, other: ClaimFilter): boolean =>
  one.phase === undefined || other.phase === undefined || one.phase === other.phase

/** Plans the lock of a change of one card alone. */
export const planCardLock = (id: CardId): LockPlan => ({ ...planLocks([]), cards: new Set([id]) })
