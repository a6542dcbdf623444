import type { ClaimFilter } from "../domain/Command.ts"
import type { RecordedEvent } from "../events/RecordedEvent.ts"
import { applyEvent, toModelEvent } from "./applyEvent.ts"
import { type History, type Operation, overlaps, possibleTimes } from "./History.ts"
import { type ModelCard, type ModelCommand, receiptKey } from "./Model.ts"
import { byClaimOrder, isDue, isExpired, unmetDependencies } from "./modelQueries.ts"

/** What was checked, and which claims passed a better card over. */
export interface ClaimOrderReport {
  /** Claims without an id that were looked at. */
  readonly claims: number
  /** Pairs of such a claim and a card that it certainly could have had. */
  readonly compared: number
  readonly violations: ReadonlyArray<string>
}

/**
 * Checks that claims took cards in the order of claims, as far as concurrency allows it to be told. When a claim
 * without an id was answered with card X, or with none, there was no card Y that
 *
 * - is one that the claim chooses among, and ranks before X, whatever X ranked while the claim was under way (any card
 *   ranks before none);
 * - could be claimed during the whole of the claim's interval: Y was ready or under an expired claim, due, and waited
 *   for nothing before the claim was asked for, and no operation that overlapped the claim changed Y or what it depends on;
 * - and may not have been locked by an operation that overlapped the claim: one that names Y or a card that Y depends
 *   on; or another claim that may have locked more cards than it took, because it takes several, chooses among some, or follows a completion, was sent twice or its answer is unknown, because expired claims
 *   were taken back meanwhile, or because Y had a retry time and was being put back among the claimable ones.
 *
 * Claims that share their command id with another are not looked at: their answer may be the first one's. `log` has the events
 * since the history began, when the backlog held `cardsBefore`, nothing unless told otherwise; the events of a history carry the correlation ids of its commands, which no others do.
 */
export const checkClaimOrder = (
  history: History,
  log: ReadonlyArray<RecordedEvent>,
  cardsBefore: ReadonlyMap<string, ModelCard> = new Map()
): ClaimOrderReport => {
  const { operations } = history
  const states = statesOf(log, cardsBefore)
  const bounds = boundsOf(operations)
  // Nobody knows when an event was written that no command of the history led to.
  const boundsAt = log.map(({ correlationId }) => bounds.get(correlationId ?? "") ?? always)
  const isShared = sharedCommandIds(operations)
  const violations: Array<string> = []
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
    const anyTakenBack = during.some(({ data, type }) => type === "CardReclaimed" && data["why"] === "expired")
    const otherClaims = others.filter(({ command: other }) => claimsBest(other))
    const mayLockMore =
      otherClaims.length > 0 &&
      (anyTakenBack ||
        otherClaims.some((other) => isNotPlain(other.command) || other.outcome === undefined || isShared(other)))
    const answered = outcome.answer as ModelCard | null
    const ranks = window.flatMap((state) => (answered === null ? [] : (state.get(answered.id) ?? [])))
    for (const card of before.values()) {
      if (card.id === answered?.id || changed.has(card.id) || card.dependsOn.some((id) => changed.has(id))) continue
      const claimable = (card.status === "ready" && isDue(card, now)) || isExpired(card, now)
      if (!claimable || unmetDependencies({ cards: before }, card).length > 0) continue
      if (!isAmong(card, command)) continue
      if (mayLockMore || (card.notBefore !== null && otherClaims.length > 0)) continue
      if (others.some((other) => mayLock(other, card))) continue
      compared++
      if (ranks.every((rank) => byClaimOrder(card, rank) < 0)) {
        violations.push(
          `[${invoked}, ${responded}] ${JSON.stringify(command)} was answered ${answered === null ? "none" : `card ${answered.id}`}, ` +
            `and card ${card.id} was claimable all the time and ranks before: ${JSON.stringify(card)}`
        )
      }
    }
  }
  return { claims, compared, violations }
}

const claimsBest = (command: ModelCommand): boolean =>
  command._tag === "Claim"
    ? command.id === undefined
    : command._tag === "ClaimMany" || (command._tag === "Complete" && command.claimNext !== undefined)

/** Claims of several cards, after a completion, or among some of the cards: of these more are locked than are taken. */
const isNotPlain = (command: ModelCommand): boolean =>
  command._tag !== "Claim" || command.phase !== undefined || command.minPriority !== undefined

const isAmong = (card: ModelCard, { minPriority, phase }: ClaimFilter): boolean =>
  (phase === undefined || card.phase === phase) && (minPriority === undefined || card.priority >= minPriority)

/** The backlog before the first event of a log, and after each. */
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

/** Between which stamps the events with a correlation id were written. */
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

const mayLock = ({ command }: Operation, card: ModelCard): boolean => {
  const named =
    command._tag === "CreateMany"
      ? command.cards.map(({ id }) => id)
      : command._tag === "Link" || command._tag === "Unlink"
        ? [command.from]
        : "id" in command && command.id !== undefined
          ? [command.id]
          : []
  return named.some((id) => id === card.id || card.dependsOn.includes(id))
}
