import { expect } from "@effect/vitest"
import { DateTime, Result, Schema } from "effect"
import { CardId } from "../../src/domain/CardId.ts"
import { Command } from "../../src/domain/Command.ts"
import { decide } from "../../src/domain/decide.ts"
import type { Decision } from "../../src/domain/Decision.ts"
import { type DecidedEvent, Event } from "../../src/domain/Event.ts"
import type { StreamEvent } from "../../src/domain/evolve.ts"
import { Rejection } from "../../src/domain/Rejection.ts"
import { ReadModelState } from "../../src/projections/ReadModelState.ts"
import { rowChanges } from "../../src/projections/rowChanges.ts"

/*
 * A small language for stories about the backlog:
 *
 *     given(created("a"), on("a", { _tag: "CardLinked", dependsOn: id("b") }))
 *       .when({ _tag: "Claim", owner: "w1" }, at(10))
 *       .thenNothing()
 *
 * The whole backlog is in memory. Nothing here decides anything: events come from `decide`, and `rowChanges` says what
 * they change, as in the program.
 */

/** A moment of the day on which every story happens: so many minutes after nine o'clock. */
export const at = (minutes: number): DateTime.Utc =>
  DateTime.makeUnsafe(Date.UTC(2026, 0, 5, 9, 0) + Math.round(minutes * 60_000))

/** A card's id. */
export const id = (text: string): CardId => CardId.make(text)

/** An event, when it happened, and to which card. */
export interface Happened extends DecidedEvent {
  readonly occurredAt: DateTime.Utc
}

/** An event that happens to a card, at nine o'clock unless another time is given. */
export const on = (cardId: string, event: Event, occurredAt = at(0)): Happened => ({
  cardId: id(cardId),
  event,
  occurredAt
})

/** The payload of `CardCreated`. */
type Birth = Omit<Extract<Event, { readonly _tag: "CardCreated" }>, "_tag">

/** A plain card is made: ready, without dependencies, of priority 0, its title the id in capitals. */
export const created = (cardId: string, birth: Partial<Birth> = {}, occurredAt = at(0)): Happened =>
  on(
    cardId,
    {
      _tag: "CardCreated",
      title: cardId.toUpperCase(),
      body: null,
      phase: null,
      priority: 0,
      status: "ready",
      dependsOn: [],
      acceptance: null,
      idempotencyKey: null,
      blockedReason: null,
      ...birth
    },
    occurredAt
  )

type Unsigned<C> = C extends unknown ? Omit<C, "actor"> & { readonly actor?: string } : never

/** A command as a caller writes it; `ann` causes it unless somebody else is named. */
export type Order = Unsigned<typeof Command.Encoded>

const decodeCommand = Schema.decodeUnknownSync(Command, { onExcessProperty: "error" })

/** The command as the program sees it, checked by its schema. */
export const command = (order: Order): Command => decodeCommand({ actor: "ann", ...order })

/** A whole backlog in memory, with its log. */
export class MemoryBacklog {
  readonly state = new ReadModelState()
  readonly log: Array<StreamEvent> = []

  /** Appends an event to the log and applies what it changes. */
  append({ cardId, event }: DecidedEvent, occurredAt: DateTime.Utc): StreamEvent {
    const version = (this.state.card(cardId)?.version ?? 0) + 1
    const occurrence = { cardId, version, occurredAt, event }
    const changes = rowChanges(this.state, occurrence)
    if (changes.length === 0) throw new Error(`no backlog has a log with ${event._tag} of ${cardId} at this place`)
    for (const change of changes) this.state.apply(change)
    this.log.push(occurrence)
    return occurrence
  }
}

/** The backlog that a log leads to. */
export const backlogAfter = (history: ReadonlyArray<Happened>): MemoryBacklog => {
  const backlog = new MemoryBacklog()
  for (const event of history) backlog.append(event, event.occurredAt)
  return backlog
}

const encodeEvent = Schema.encodeSync(Event)
const encodeRejection = Schema.encodeSync(Rejection)

/** Events without their times, as plain data that a failing test can print. */
const plainEvents = (events: ReadonlyArray<DecidedEvent>): ReadonlyArray<unknown> =>
  events.map(({ cardId, event }) => ({ cardId, ...encodeEvent(event) }))

/** A decision as plain data that a failing test can print. */
const plain = (decision: Decision): unknown =>
  Result.isSuccess(decision) ? plainEvents(decision.success) : { refused: encodeRejection(decision.failure) }

/** A command's outcome, to be compared with what was expected of it. */
export interface Outcome {
  /** These events, in this order, and no others. */
  readonly thenEvents: (...expected: ReadonlyArray<DecidedEvent>) => void
  /** Refused, and nothing happens. */
  readonly thenRejected: (expected: Rejection) => void
  /** Accepted, and nothing happens: it is so already, or there is nothing to do. */
  readonly thenNothing: () => void
}

/** A backlog with a past. */
export const given = (
  ...history: ReadonlyArray<Happened>
): { readonly when: (order: Order, now?: DateTime.Utc) => Outcome } => ({
  when: (order, now = at(10)) => {
    const decision = decide(backlogAfter(history).state, command(order), now)
    return {
      thenEvents: (...expected) => expect(plain(decision)).toStrictEqual(plainEvents(expected)),
      thenRejected: (expected) => expect(plain(decision)).toStrictEqual({ refused: encodeRejection(expected) }),
      thenNothing: () => expect(plain(decision)).toStrictEqual([])
    }
  }
})
