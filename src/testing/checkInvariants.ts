import type { Stats } from "../domain/Stats.ts"
import { type ModelCard, sameJson } from "./Model.ts"
import { byId, computeStats, listCards } from "./modelQueries.ts"

/** A whole backlog at one moment, as JSON. */
export interface BacklogState {
  readonly cards: ReadonlyArray<ModelCard>
  /** By which leases and retry times are judged, in milliseconds since 1970. */
  readonly time: number
  /** What the backlog says of itself, when it was asked. */
  readonly stats?: Stats | undefined
  /** What the backlog lists as claimable, in its order, when it was asked. */
  readonly claimable?: ReadonlyArray<string> | undefined
}

/**
 * Everything that must hold of a backlog at any moment, and does not: one line for each violation, none when all is
 * well.
 *
 * - ids and idempotency keys are used once; dependencies are in the order of ids, each once, and lead to no cycle;
 * - a card has a claim exactly while it is `claimed`, and the claim is whole: owner, ttl, start, expiry, token; its
 *   token is a version that the card has reached, or one of a later generation, and expiry lies after start;
 * - a done card has a time of completion, and no other card has one or a result; only a blocked card has a reason, and
 *   only a ready card a retry time;
 * - no card has been claimed more often than its version allows;
 * - the counts, and the list of claimable cards, are what counting the cards gives.
 */
export const checkInvariants = ({ cards, claimable, stats, time }: BacklogState): ReadonlyArray<string> => {
  const byCardId = new Map(cards.map((card) => [card.id, card]))
  const violations: Array<string> = []
  const must = (holds: boolean, violation: string): void => {
    if (!holds) violations.push(violation)
  }
  must(byCardId.size === cards.length, "two cards have one id")
  const keys = cards.flatMap((card) => card.idempotencyKey ?? [])
  must(new Set(keys).size === keys.length, "two cards have one idempotency key")
  for (const card of cards) violations.push(...cardViolations(card))
  const cycle = findCycle(byCardId)
  must(cycle === undefined, `cards depend on each other in a cycle: ${cycle?.join(" → ")}`)

  const model = { cards: byCardId }
  const counted = computeStats(model, time)
  if (stats !== undefined) {
    must(sameJson(counted, stats), `the counts are ${JSON.stringify(counted)}, not ${JSON.stringify(stats)}`)
  }
  if (claimable !== undefined) {
    const found = listCards(model, time, { readyOnly: true }).map((card) => card.id)
    must(found.join() === claimable.join(), `claimable are ${found.join(", ")}, not ${claimable.join(", ")}`)
  }
  return violations
}

/** Tokens of the first generation are versions, all others are greater than every version can be. */
const firstGeneration = 2 ** 31

const cardViolations = (card: ModelCard): ReadonlyArray<string> => {
  const violations: Array<string> = []
  const must = (holds: boolean, violation: string): void => {
    if (!holds) violations.push(`card ${card.id}: ${violation}`)
  }
  const claim = [card.claimOwner, card.claimTtlSeconds, card.claimedAt, card.claimExpiresAt, card.claimToken]
  const isClaimed = card.status === "claimed"
  const isDone = card.status === "done"
  must(
    claim.every((part) => (part !== null) === isClaimed),
    isClaimed ? "it is claimed, but its claim is not whole" : `it is ${card.status}, and has a claim`
  )
  if (card.claimToken !== null) {
    const version = card.claimToken < firstGeneration ? card.claimToken : 2
    must(version > 1 && version <= card.version, `no event of it has the token ${card.claimToken}`)
  }
  if (card.claimedAt !== null && card.claimExpiresAt !== null) {
    must(Date.parse(card.claimedAt) < Date.parse(card.claimExpiresAt), "its claim expires before it begins")
  }
  must((card.completedAt !== null) === isDone, `it is ${card.status}, completed at ${card.completedAt}`)
  must(card.result === null || isDone, `it is ${card.status}, and has a result`)
  must(card.blockedReason === null || card.status === "blocked", `it is ${card.status}, and has a reason to be blocked`)
  must(card.notBefore === null || card.status === "ready", `it is ${card.status}, and has a retry time`)
  must(card.attempts >= (isClaimed ? 1 : 0) && card.attempts < card.version, `${card.attempts} attempts`)
  must(!card.dependsOn.includes(card.id), "it depends on itself")
  const sorted = [...new Set(card.dependsOn)].sort(byId)
  must(sorted.join("\n") === card.dependsOn.join("\n"), "its dependencies are not in order, or not each once")
  return violations
}

/** Takes away every card that depends on none that is left; what then remains lies on cycles, or waits for one. */
const findCycle = (cards: ReadonlyMap<string, ModelCard>): ReadonlyArray<string> | undefined => {
  const left = new Set(cards.keys())
  const dependencyLeft = (id: string): string | undefined => cards.get(id)?.dependsOn.find((other) => left.has(other))
  for (let before = Infinity; left.size < before;) {
    before = left.size
    for (const id of left) if (dependencyLeft(id) === undefined) left.delete(id)
  }
  const path: Array<string> = []
  for (let [id] = left; id !== undefined; id = dependencyLeft(id)) {
    if (path.includes(id)) return [...path.slice(path.indexOf(id)), id]
    path.push(id)
  }
  return undefined
}
