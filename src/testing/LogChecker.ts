import { DateTime } from "effect"
import type { RecordedEvent } from "../events/RecordedEvent.ts"
import { type ModelCard, receiptKey, sameJson } from "./Model.ts"
import { applyEvent, type ModelEvent, toModelEvent } from "./applyEvent.ts"
import { checkInvariants } from "./checkInvariants.ts"
import { byId, isDue, unmetDependencies } from "./modelQueries.ts"

/**
 * Reads a log in the order of positions, from the first, and says at every position what must hold there and does not.
 * It keeps the state of the whole backlog by a fold of its own.
 *
 * - positions and versions have no holes, and recording times never go back;
 * - a card is claimed only while it is ready, due, and everything that it depends on is done, in a generation that is
 *   never smaller than that of an earlier claim;
 * - only the claim that the card has is renewed, released, taken back or ended, and taken back as expired only when its
 *   lease has run out;
 * - an event changes something: what is linked is not linked again, what is done is not completed again;
 * - a completion names exactly the dependencies that were not done;
 * - the events of one command stand beside each other, so no command was carried out twice;
 * - `invariants` of the whole state.
 */
export class LogChecker {
  readonly #cards = new Map<string, ModelCard>()
  readonly #lastOfCommand = new Map<string, number>()
  #position = 0
  #recordedAt = -Infinity
  #generation = 0
  #doubleClaims = 0
  #repeatedCommands = 0

  /** The backlog as it stands after the events so far. */
  get cards(): ReadonlyMap<string, ModelCard> {
    return this.#cards
  }

  /** How many events there were. */
  get position(): number {
    return this.#position
  }

  /** How often a card was claimed that had a claim. */
  get doubleClaims(): number {
    return this.#doubleClaims
  }

  /** How many commands were carried out more than once. */
  get repeatedCommands(): number {
    return this.#repeatedCommands
  }

  /** Takes the next event, and answers what is wrong with it and with the state after it. */
  add(recorded: RecordedEvent): ReadonlyArray<string> {
    const { cardId, commandId, position, version } = recorded
    const violations: Array<string> = []
    const must = (holds: boolean, violation: string): void => {
      if (!holds) violations.push(`position ${position}, ${recorded.type} of card ${cardId}: ${violation}`)
    }
    must(position === this.#position + 1, `it follows position ${this.#position}`)
    this.#position = position
    const time = DateTime.toEpochMillis(recorded.recordedAt)
    must(time >= this.#recordedAt, "it was recorded before the event before it")
    this.#recordedAt = time
    const before = this.#cards.get(cardId)
    must(version === (before?.version ?? 0) + 1, `it is version ${version} after ${before?.version ?? 0}`)
    if (commandId !== null) {
      const key = receiptKey({ actor: recorded.actor, commandId }) ?? ""
      const last = this.#lastOfCommand.get(key) ?? position - 1
      if (last !== position - 1) this.#repeatedCommands++
      must(last === position - 1, `command ${commandId} was carried out at position ${last} already`)
      this.#lastOfCommand.set(key, position)
    }
    const event = toModelEvent(recorded)
    if (event === undefined) {
      must(false, "it cannot be decoded")
      return violations
    }
    if (event._tag === "CardClaimed" && before?.status === "claimed") this.#doubleClaims++
    if (event._tag === "CardClaimed") {
      must(event.generation >= this.#generation, `its generation ${event.generation} comes after ${this.#generation}`)
      this.#generation = Math.max(this.#generation, event.generation)
    }
    const problem = this.#whyNot(before, event, time)
    must(problem === undefined, problem ?? "")
    const after = applyEvent(before, event, recorded)
    if (after !== undefined) this.#cards.set(cardId, after)
    for (const violation of checkInvariants({ cards: [...this.#cards.values()], time })) must(false, violation)
    return violations
  }

  #whyNot(card: ModelCard | undefined, event: ModelEvent, time: number): string | undefined {
    if (event._tag === "CardCreated") return card === undefined ? undefined : "the card exists already"
    if (card === undefined) return "there is no such card"
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
        return event.why === "expired" && time < Date.parse(event.expiresAt) ? "its lease has not run out" : undefined
      case "CardLinked":
        return card.dependsOn.includes(event.dependsOn)
          ? "it depends on that already"
          : this.#cards.has(event.dependsOn)
            ? undefined
            : "there is no card to depend on"
      case "CardUnlinked":
        return card.dependsOn.includes(event.dependsOn) ? undefined : "it does not depend on that"
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
      case "CardRevised":
      case "CardRedacted":
        return undefined
    }
  }
}
