import { DateTime } from "effect"
import type { RecordedEvent } from "../events/RecordedEvent.ts"
import { type ModelCard, receiptKey, sameJson } from "./Model.ts"
import { applyEvent, type ModelEvent, toModelEvent } from "./applyEvent.ts"
import { checkInvariants } from "./checkInvariants.ts"
import { byId, isDue, unmetDependencies } from "./modelQueries.ts"

/**
 * Checks a log event by event, from the first position. It folds the log itself, and reports the rules that are broken at
 * each position:
 *
 * - positions and versions have no gaps, and recording times never decrease;
 * - a card is claimed only while it is ready, its retry time has passed and its dependencies are done, in a generation that
 *   never decreases;
 * - only the current claim is renewed, released, reclaimed or ended, and it is reclaimed as expired only once its lease has
 *   expired;
 * - an event changes something: a link is not added twice, a done card is not completed again;
 * - a completion names exactly the dependencies that were not done;
 * - the events of one command are adjacent, so no command was carried out twice;
 * - `checkInvariants` of the whole state.
 */
export class LogChecker {
  readonly #cards = new Map<string, ModelCard>()
  readonly #lastOfCommand = new Map<string, number>()
  #position = 0
  #recordedAt = -Infinity
  #generation = 0
  #doubleClaims = 0
  #repeatedCommands = 0

  /** The backlog after the events so far. */
  get cards(): ReadonlyMap<string, ModelCard> {
    return this.#cards
  }

  /** The number of events that were added. */
  get position(): number {
    return this.#position
  }

  /** The number of claims of cards that were already claimed. */
  get doubleClaims(): number {
    return this.#doubleClaims
  }

  /** The number of commands that were carried out more than once. */
  get repeatedCommands(): number {
    return this.#repeatedCommands
  }

  /** Adds the next event, and returns the rules that it or the state after it breaks. */
  add(recorded: RecordedEvent): ReadonlyArray<string> {
    const { cardId, commandId, position, version } = recorded
    const violations: Array<string> = []
    const check = (isMet: boolean, violation: string): void => {
      if (!isMet) violations.push(`position ${position}, ${recorded.type} of card ${cardId}: ${violation}`)
    }
    check(position === this.#position + 1, `it follows position ${this.#position}`)
    this.#position = position
    const time = DateTime.toEpochMillis(recorded.recordedAt)
    check(time >= this.#recordedAt, "its recording time is before that of the previous event")
    this.#recordedAt = time
    const before = this.#cards.get(cardId)
    check(version === (before?.version ?? 0) + 1, `it is version ${version} after ${before?.version ?? 0}`)
    if (commandId !== null) {
      const key = receiptKey({ actor: recorded.actor, commandId }) ?? ""
      const last = this.#lastOfCommand.get(key) ?? position - 1
      if (last !== position - 1) this.#repeatedCommands++
      check(last === position - 1, `command ${commandId} was carried out at position ${last} already`)
      this.#lastOfCommand.set(key, position)
    }
    const event = toModelEvent(recorded)
    if (event === undefined) {
      check(false, "it cannot be decoded")
      return violations
    }
    if (event._tag === "CardClaimed" && before?.status === "claimed") this.#doubleClaims++
    if (event._tag === "CardClaimed") {
      check(event.generation >= this.#generation, `its generation ${event.generation} is less than ${this.#generation}`)
      this.#generation = Math.max(this.#generation, event.generation)
    }
    const problem = this.#findViolation(before, event, time)
    check(problem === undefined, problem ?? "")
    const after = applyEvent(before, event, recorded)
    if (after !== undefined) this.#cards.set(cardId, after)
    for (const violation of checkInvariants({ cards: [...this.#cards.values()], time })) check(false, violation)
    return violations
  }

  #findViolation(card: ModelCard | undefined, event: ModelEvent, time: number): string | undefined {
    if (event._tag === "CardCreated") return card === undefined ? undefined : "the card exists already"
    if (card === undefined) return "the card does not exist"
    const unmet = unmetDependencies({ cards: this.#cards }, card)
    const isHolder = (claim: { readonly owner: string; readonly token: number } | null): boolean =>
      claim?.owner === (card.claimOwner ?? undefined) && claim?.token === (card.claimToken ?? undefined)
    const notHeld = `the claim on the card is ${card.claimOwner}'s, with token ${card.claimToken}`
    switch (event._tag) {
      case "CardClaimed":
        return card.status !== "ready"
          ? `the card is ${card.status}, held by ${card.claimOwner}`
          : unmet.length > 0
            ? `the card waits for ${unmet.join(", ")}`
            : isDue(card, time)
              ? undefined
              : `the card is not claimable before ${card.notBefore}`
      case "ClaimRenewed":
      case "CardReleased":
        return isHolder(event) ? undefined : notHeld
      case "CardReclaimed":
        if (!isHolder(event)) return notHeld
        return event.why === "expired" && time < Date.parse(event.expiresAt) ? "its lease has not expired" : undefined
      case "CardLinked":
        return card.dependsOn.includes(event.dependsOn)
          ? "it has that dependency already"
          : this.#cards.has(event.dependsOn)
            ? undefined
            : "the dependency does not exist"
      case "CardUnlinked":
        return card.dependsOn.includes(event.dependsOn) ? undefined : "it does not have that dependency"
      case "CardBlocked":
        return card.status === "done" ? "the card is done" : isHolder(event.endedClaim) ? undefined : notHeld
      case "CardUnblocked":
        return card.status === "blocked" ? undefined : `the card is ${card.status}`
      case "CardCompleted":
        if (card.status === "done") return "the card is done already"
        if (!isHolder(event.claim)) return notHeld
        return sameJson([...event.overrode].sort(byId), unmet)
          ? undefined
          : `the card waits for ${unmet.join(", ")}, and the event names ${event.overrode.join(", ")}`
      case "CardReopened":
        return card.status === "done" ? undefined : `the card is ${card.status}`
      case "CardNoted":
        return event.claim === null || isHolder(event.claim) ? undefined : notHeld
      case "CardRevised":
      case "CardRedacted":
        return undefined
    }
  }
}
