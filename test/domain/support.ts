import { expect } from "@effect/vitest"
import { DateTime, Result, Schema } from "effect"
import { CardId } from "../../src/domain/CardId.ts"
import { Command, type IdentifiedCommand } from "../../src/domain/Command.ts"
import { decide } from "../../src/domain/decide.ts"
import type { Decision } from "../../src/domain/Decision.ts"
import { type DecidedEvent, Event } from "../../src/domain/Event.ts"
import type { StreamEvent } from "../../src/domain/evolve.ts"
import { Rejection } from "../../src/domain/Rejection.ts"
import { ReadModelState } from "../../src/projections/ReadModelState.ts"
import { rowChanges } from "../../src/projections/rowChanges.ts"

/*
 * A small language for given-when-then tests of `decide`:
 *
 *     given(created("a"), on("a", { _tag: "CardLinked", dependsOn: id("b") }))
 *       .when({ _tag: "Claim", owner: "w1" }, at(10))
 *       .thenNothing()
 *
 * The backlog is in memory. It contains no rules of its own: `decide` returns the events, and `rowChanges` what they change,
 * as in the program.
 */

/** A time on the day of all tests, in minutes after nine o'clock. */
export const at = (minutes: number): DateTime.Utc =>
  DateTime.makeUnsafe(Date.UTC(2026, 0, 5, 9, 0) + Math.round(minutes * 60_000))

/** A card's id. */
export const id = (text: string): CardId => CardId.make(text)

/** An event of a card with its time. */
export interface TimedEvent extends DecidedEvent {
  readonly occurredAt: DateTime.Utc
}

/** An event of a card. The time defaults to nine o'clock. */
export const on = (cardId: string, event: Event, occurredAt = at(0)): TimedEvent => ({
  cardId: id(cardId),
  event,
  occurredAt
})

/** The payload of `CardCreated`. */
type Birth = Omit<Extract<Event, { readonly _tag: "CardCreated" }>, "_tag">

/** Creates a card. Defaults to ready, without dependencies, of priority 0, with the id in capitals as its title. */
export const created = (cardId: string, birth: Partial<Birth> = {}, occurredAt = at(0)): TimedEvent =>
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
      labels: [],
      notBefore: null,
      ...birth
    },
    occurredAt
  )

type Unsigned<C> = C extends unknown ? Omit<C, "actor"> & { readonly actor?: string } : never

/** The input of a command. The actor defaults to `ann`. */
export type Order = Unsigned<typeof Command.Encoded>

const decodeCommand = Schema.decodeUnknownSync(Command, { onExcessProperty: "error" })

/** The command, decoded by its schema. New cards must have ids. */
export const command = (order: Order): IdentifiedCommand =>
  decodeCommand({ actor: "ann", ...order }) as IdentifiedCommand

/** A backlog in memory, with its log. */
export class MemoryBacklog {
  readonly state = new ReadModelState()
  readonly log: Array<StreamEvent> = []

  /** Appends an event to the log and applies its changes. */
  append({ cardId, event }: DecidedEvent, occurredAt: DateTime.Utc): StreamEvent {
    const version = (this.state.card(cardId)?.version ?? 0) + 1
    const occurrence = { cardId, version, occurredAt, actor: "ann", event }
    const changes = rowChanges(this.state, occurrence)
    if (changes.length === 0) throw new Error(`no backlog has a log with ${event._tag} of ${cardId} at this place`)
    this.state.recordAttempt(occurrence)
    for (const change of changes) this.state.apply(change)
    this.log.push(occurrence)
    return occurrence
  }
}

/** The backlog after some events. */
export const backlogAfter = (history: ReadonlyArray<TimedEvent>): MemoryBacklog => {
  const backlog = new MemoryBacklog()
  for (const event of history) backlog.append(event, event.occurredAt)
  return backlog
}

const encodeEvent = Schema.encodeSync(Event)
const encodeRejection = Schema.encodeSync(Rejection)

/** Events without their times, as plain data for the output of a failing test. */
const plainEvents = (events: ReadonlyArray<DecidedEvent>): ReadonlyArray<unknown> =>
  events.map(({ cardId, event }) => ({ cardId, ...encodeEvent(event) }))

/** A decision as plain data for the output of a failing test. */
const plain = (decision: Decision): unknown =>
  Result.isSuccess(decision) ? plainEvents(decision.success) : { refused: encodeRejection(decision.failure) }

/** The outcome of a command, to compare with the expected one. */
export interface Outcome {
  /** Expects exactly these events in this order. */
  readonly thenEvents: (...expected: ReadonlyArray<DecidedEvent>) => void
  /** Expects this rejection and no events. */
  readonly thenRejected: (expected: Rejection) => void
  /** Expects acceptance without events. */
  readonly thenNothing: () => void
}

/** Starts a test with a backlog after some events. */
export const given = (
  ...history: ReadonlyArray<TimedEvent>
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
