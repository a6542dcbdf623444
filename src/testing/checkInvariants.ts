import type { Stats } from "../domain/Stats.ts"
import type { ModelCard } from "./Model.ts"
import { differences } from "./differences.ts"
import { byId, computeStats, listCards } from "./modelQueries.ts"

/** A whole backlog at one time, as JSON. */
export interface BacklogState {
  readonly cards: ReadonlyArray<ModelCard>
  /** The time for leases and retry times, in milliseconds since 1970. */
  readonly time: number
  /** The counts that the backlog returned. Checked when present. */
  readonly stats?: Stats | undefined
  /** The claimable cards that the backlog listed, in its order. Checked when present. */
  readonly claimable?: ReadonlyArray<string> | undefined
}

/**
 * Checks the invariants of a backlog, and returns one line for each violation:
 *
 * - ids and idempotency keys are unique; dependencies are sorted by id, unique, and have no cycle;
 * - a card has a claim exactly while it is `claimed`, and the claim is complete: owner, ttl, start, expiry, token; its token
 *   is a version that the card has reached, or of a later generation, and it expires after its start;
 * - a done card has a completion time, and no other card has one or a result; only a blocked card has a reason, and no claimed
 *   card has a time before which it cannot be claimed;
 * - labels are sorted, unique, and at most 32; a card has a last note exactly if it has notes;
 * - no card has more attempts than its version allows;
 * - the counts and the list of claimable cards agree with the cards.
 */
export const checkInvariants = ({ cards, claimable, stats, time }: BacklogState): ReadonlyArray<string> => {
  const byCardId = new Map(cards.map((card) => [card.id, card]))
  const violations: Array<string> = []
  const check = (isMet: boolean, violation: string): void => {
    if (!isMet) violations.push(violation)
  }
  check(byCardId.size === cards.length, "two cards have the same id")
  const keys = cards.flatMap((card) => card.idempotencyKey ?? [])
  check(new Set(keys).size === keys.length, "two cards have the same idempotency key")
  for (const card of cards) violations.push(...cardViolations(card))
  const cycle = findCycle(byCardId)
  check(cycle === undefined, `cards depend on each other in a cycle: ${cycle?.join(" → ")}`)

  const model = { cards: byCardId }
  const counted = computeStats(model, time)
  if (stats !== undefined) {
    for (const line of differences(counted, stats)) check(false, `in the counts, ${line}`)
  }
  if (claimable !== undefined) {
    const found = listCards(model, time, { claimability: "claimable" }).map((card) => card.id)
    check(found.join() === claimable.join(), `the claimable cards are ${found.join(", ")}, not ${claimable.join(", ")}`)
  }
  return violations
}

/** Tokens of the first generation are versions. All others are greater than any version. */
const firstGeneration = 2 ** 31

const cardViolations = (card: ModelCard): ReadonlyArray<string> => {
  const violations: Array<string> = []
  const check = (isMet: boolean, violation: string): void => {
    if (!isMet) violations.push(`card ${card.id}: ${violation}`)
  }
  const claim = [card.claimOwner, card.claimTtlSeconds, card.claimedAt, card.claimExpiresAt, card.claimToken]
  const isClaimed = card.status === "claimed"
  const isDone = card.status === "done"
  check(
    claim.every((part) => (part !== null) === isClaimed),
    isClaimed ? "it is claimed, but its claim is incomplete" : `it is ${card.status}, but has a claim`
  )
  if (card.claimToken !== null) {
    const version = card.claimToken < firstGeneration ? card.claimToken : 2
    check(version > 1 && version <= card.version, `no event of it has the token ${card.claimToken}`)
  }
  if (card.claimedAt !== null && card.claimExpiresAt !== null) {
    check(Date.parse(card.claimedAt) < Date.parse(card.claimExpiresAt), "its claim expires before it starts")
  }
  check((card.completedAt !== null) === isDone, `it is ${card.status}, completed at ${card.completedAt}`)
  check(card.result === null || isDone, `it is ${card.status}, but has a result`)
  check(card.blockedReason === null || card.status === "blocked", `it is ${card.status}, but has a blocked reason`)
  check(card.notBefore === null || card.status !== "claimed", "it is claimed, but has a time before which it cannot be")
  check(
    (card.lastNote === null) === (card.noteCount === 0),
    `it has ${card.noteCount} notes, and the last is ${card.lastNote?.text}`
  )
  const labels = [...new Set(card.labels)].sort(byId)
  check(labels.join("\n") === card.labels.join("\n"), "its labels are not sorted or not unique")
  check(labels.length <= 32, `it has ${labels.length} labels`)
  check(card.attempts >= (isClaimed ? 1 : 0) && card.attempts < card.version, `it has ${card.attempts} attempts`)
  check(!card.dependsOn.includes(card.id), "it depends on itself")
  const sorted = [...new Set(card.dependsOn)].sort(byId)
  check(sorted.join("\n") === card.dependsOn.join("\n"), "its dependencies are not sorted or not unique")
  return violations
}

/** Removes every card that depends on no remaining card. The cards that remain are on a cycle or depend on one. */
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
