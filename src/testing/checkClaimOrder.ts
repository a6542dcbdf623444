import type { RecordedEvent } from "../events/RecordedEvent.ts"
import { applyEvent, toModelEvent } from "./applyEvent.ts"
import { type History, type Operation, overlaps, possibleTimes } from "./History.ts"
import { type ModelCard, type ModelCommand, namedCards, receiptKey } from "./Model.ts"
import { describeCommand } from "./describeProblem.ts"
import { describeValue } from "./differences.ts"
import { byClaimOrder, isDue, isExpired, matchesFilter, unmetDependencies } from "./modelQueries.ts"

/** The result of `checkClaimOrder`. */
export interface ClaimOrderReport {
  /** The number of claims without an id that were checked. */
  readonly claims: number
  /** The number of compared pairs of such a claim and a card that it could certainly have taken. */
  readonly compared: number
  /** The number of claims that did not take the best card that they could certainly have taken. */
  readonly outOfOrder: number
  /** One text with `outOfOrder` and a description of the first such claim. Empty if there is none. */
  readonly violations: ReadonlyArray<string>
}

/** A claim that did not take the best card. */
interface OutOfOrder {
  readonly claim: Operation
  readonly claimed: ModelCard | null
  /** The best card that the claim could have taken. */
  readonly best: ModelCard
}

/**
 * Checks that claims took cards in claim order, as far as concurrency allows a statement. When a claim without an id
 * returned card X, or nothing, there was no card Y that
 *
 * - matches the claim's filter and ranks before X, whichever rank X had during the claim (any card ranks before nothing);
 * - was claimable during the whole claim: before the claim was sent, Y was ready or had an expired claim, its retry time had
 *   passed and its dependencies were done; and no operation that overlapped the claim changed Y or its dependencies;
 * - and was certainly not locked by an operation that overlapped the claim: no such operation named Y or one of its
 *   dependencies, and no such claim may have locked more cards than it took. A claim may do so when it takes several cards,
 *   filters, follows a completion, was sent twice or has an unknown outcome; while expired claims are reclaimed; and when Y
 *   has a retry time.
 *
 * Claims that share their command id with another command are skipped, since they may return the answer of the first. `log`
 * holds the events since the history began. `cardsBefore` is the backlog at that time. Defaults to an empty backlog. The
 * events of a history have the correlation ids of its commands, which no other events have.
 */
export const checkClaimOrder = (
  history: History,
  log: ReadonlyArray<RecordedEvent>,
  cardsBefore: ReadonlyMap<string, ModelCard> = new Map()
): ClaimOrderReport => {
  const { operations } = history
  const states = statesOf(log, cardsBefore)
  const bounds = boundsOf(operations)
  // An event that no command of the history caused may have been written at any time.
  const boundsAt = log.map(({ correlationId }) => bounds.get(correlationId ?? "") ?? always)
  const isShared = sharedCommandIds(operations)
  const outOfOrder: Array<OutOfOrder> = []
  let claims = 0
  let compared = 0
  for (const claim of operations) {
    const { command, invoked, outcome, responded } = claim
    if (command._tag !== "Claim" || command.id !== undefined || outcome?._tag !== "Answered" || isShared(claim))
      continue
    claims++
    const first = boundsAt.findLastIndex(({ to }) => to < invoked) + 1
    const during = log.filter((_event, index) => {
      const { from, to } = boundsAt[index] ?? always
      return from < responded && to > invoked
    })
    const last = boundsAt.findLastIndex(({ from }) => from < responded) + 1
    const window = states.slice(first, last + 1)
    const before = states[first] ?? new Map<string, ModelCard>()
    const changed = new Set<string>(during.map(({ cardId }) => cardId))
    const now = possibleTimes(history, claim)[0] ?? -Infinity
    const others = operations.filter((other) => other !== claim && overlaps(claim, other))
    const wasReclaimed = during.some(({ data, type }) => type === "CardReclaimed" && data["why"] === "expired")
    const otherClaims = others.filter(({ command: other }) => claimsBest(other))
    const mayLockMore =
      otherClaims.length > 0 &&
      (wasReclaimed ||
        otherClaims.some((other) => mayLockUntaken(other.command) || other.outcome === undefined || isShared(other)))
    const claimed = outcome.answer as ModelCard | null
    const ranks = window.flatMap((state) => (claimed === null ? [] : (state.get(claimed.id) ?? [])))
    let best: ModelCard | undefined
    for (const card of before.values()) {
      if (card.id === claimed?.id || changed.has(card.id) || card.dependsOn.some((id) => changed.has(id))) continue
      const claimable = (card.status === "ready" && isDue(card, now)) || isExpired(card, now)
      if (!claimable || unmetDependencies({ cards: before }, card).length > 0) continue
      if (!matchesFilter(card, command)) continue
      if (mayLockMore || (card.notBefore !== null && otherClaims.length > 0)) continue
      if (others.some((other) => mayLock(other, card))) continue
      compared++
      if (ranks.some((rank) => byClaimOrder(card, rank) >= 0)) continue
      if (best === undefined || byClaimOrder(card, best) < 0) best = card
    }
    if (best !== undefined) outOfOrder.push({ claim, claimed, best })
  }
  return { claims, compared, outOfOrder: outOfOrder.length, violations: describeFirst(outOfOrder, claims) }
}

const describeFirst = (outOfOrder: ReadonlyArray<OutOfOrder>, claims: number): ReadonlyArray<string> => {
  const [first] = [...outOfOrder].sort((one, other) => one.claim.invoked - other.claim.invoked)
  if (first === undefined) return []
  const { best, claim, claimed } = first
  return [
    `${outOfOrder.length} of ${claims} claims are out of order. The first: ` +
      `[${claim.invoked}, ${claim.responded}] ${describeCommand(claim.command)} returned ` +
      `${claimed === null ? "nothing" : describeValue(claimed)}, but ${describeValue(best)} was claimable all the time ` +
      "and ranks before it"
  ]
}

const claimsBest = (command: ModelCommand): boolean =>
  command._tag === "Claim"
    ? command.id === undefined
    : command._tag === "ClaimMany" || (command._tag === "Complete" && command.claimNext !== undefined)

/** Whether a claim may lock more cards than it takes: it takes several, follows a completion, or filters. */
const mayLockUntaken = (command: ModelCommand): boolean =>
  command._tag !== "Claim" ||
  [command.phase, command.minPriority, command.labels, command.withoutLabels].some((filter) => filter !== undefined)

/** Returns the backlog before the first event of a log, and after each event. */
const statesOf = (
  log: ReadonlyArray<RecordedEvent>,
  cardsBefore: ReadonlyMap<string, ModelCard>
): ReadonlyArray<ReadonlyMap<string, ModelCard>> => {
  const states = [cardsBefore]
  let cards = cardsBefore
  for (const recorded of log) {
    const event = toModelEvent(recorded)
    const card = event === undefined ? undefined : applyEvent(cards.get(recorded.cardId), event, recorded)
    if (card !== undefined) cards = new Map([...cards, [card.id, card]])
    states.push(cards)
  }
  return states
}

const always = { from: -Infinity, to: Infinity }

/** Returns between which stamps the events with a correlation id were written. */
const boundsOf = (
  operations: ReadonlyArray<Operation>
): ReadonlyMap<string, { readonly from: number; readonly to: number }> => {
  const bounds = new Map<string, { readonly from: number; readonly to: number }>()
  for (const { command, invoked, responded } of operations) {
    const { from, to } = bounds.get(command.correlationId ?? "") ?? { from: Infinity, to: -Infinity }
    bounds.set(command.correlationId ?? "", { from: Math.min(from, invoked), to: Math.max(to, responded) })
  }
  return bounds
}

const sharedCommandIds = (operations: ReadonlyArray<Operation>): ((operation: Operation) => boolean) => {
  const counts = new Map<string, number>()
  for (const { command } of operations) {
    const key = receiptKey(command)
    if (key !== undefined) counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  return ({ command }) => (counts.get(receiptKey(command) ?? "") ?? 0) > 1
}

const mayLock = ({ command }: Operation, card: ModelCard): boolean =>
  namedCards(command).some((id) => id === card.id || card.dependsOn.includes(id))
