import { DateTime, Effect, Result } from "effect"
import type { SqlError } from "effect/sql"
import type { CardId } from "../domain/CardId.ts"
import type { Event } from "../domain/Event.ts"
import { evolve } from "../domain/evolve.ts"
import type { UndecodableEvent } from "../events/EventCodec.ts"
import type { LogReader } from "../events/LogReader.ts"
import { decodeRecordedEvent } from "../events/RecordedEvent.ts"
import type { CardColumns, PastState } from "./CardColumns.ts"

/** The cards that changed after the moment of some columns and up to `position`. */
export interface Changes {
  readonly position: number
  /** By ordinal. */
  readonly states: ReadonlyMap<number, PastState>
  /** The ordinals of all these cards and of their dependencies, by id. */
  readonly ordinals: ReadonlyMap<CardId, number>
  /** How many cards there are. */
  readonly count: number
}

interface WindowEvent {
  readonly position: number
  readonly cardId: CardId
  readonly version: number
  readonly occurredAt: number
  readonly actor: string
  readonly event: Event
}

/**
 * The events after the moment of some columns, read as far as they were needed, and the changes of one position. A later
 * position in the window costs its own events, an earlier one a fold of the window, and neither reads the log twice.
 */
export class PastWindow {
  readonly columns: CardColumns
  readonly #read: LogReader
  readonly #events: Array<WindowEvent> = []
  /** The ordinals of cards of the columns, by id, as far as they were looked up; -1 for others. */
  readonly #known = new Map<CardId, number>()
  #end: { readonly position: number; readonly chainHash: string }
  #last: Changes

  /** `chainHash` is that of the position of the columns. */
  constructor(read: LogReader, columns: CardColumns, chainHash: string) {
    this.columns = columns
    this.#read = read
    this.#end = { position: columns.position, chainHash }
    this.#last = { position: columns.position, states: new Map(), ordinals: new Map(), count: columns.count }
  }

  /** The last event that was read, and its hash. While the log has this event, it has all earlier ones that were read. */
  get end(): { readonly position: number; readonly chainHash: string } {
    return this.#end
  }

  /** The changes up to a position, which must not be before that of the columns. */
  readonly changesAt = (position: number): Effect.Effect<Changes, SqlError.SqlError | UndecodableEvent> =>
    Effect.map(this.#extend(position), () => this.#fold(position))

  readonly #extend = Effect.fnUntraced(function* (this: PastWindow, upTo: number) {
    while (this.#end.position < upTo) {
      const rows = yield* this.#read.withoutTexts(this.#end.position, upTo)
      const last = rows.at(-1)
      if (last === undefined) break
      const page: Array<WindowEvent> = []
      const unknown = new Set<CardId>()
      const ask = (id: CardId): void => void (this.#known.has(id) || unknown.add(id))
      for (const { actor, cardId, data, occurredAt, position, redacted, schemaVersion, type, version } of rows) {
        const decoded = decodeRecordedEvent({ type, schemaVersion, data: JSON.parse(data), redacted })
        if (Result.isFailure(decoded)) return yield* decoded.failure
        const event = decoded.success
        page.push({ position, cardId, version, occurredAt, actor, event })
        if (event._tag !== "CardCreated") ask(cardId)
        if (event._tag === "CardCreated") for (const id of event.dependsOn) ask(id)
        if (event._tag === "CardLinked") ask(event.dependsOn)
      }
      if (unknown.size > 0) {
        const created = yield* this.#read.createdPositions([...unknown])
        for (const id of unknown) this.#known.set(id, this.columns.ordinalOf(created.get(id) ?? -1))
      }
      // Another fiber may have read the same page meanwhile.
      if (page[0] !== undefined && page[0].position === this.#end.position + 1) {
        this.#events.push(...page)
        this.#end = last
      }
    }
  })

  #fold(position: number): Changes {
    const from = this.#last.position <= position ? this.#last : undefined
    const states = new Map(from?.states)
    const ordinals = new Map(from?.ordinals)
    let count = from?.count ?? this.columns.count
    const add = (id: CardId, ordinal: number, state: PastState): void => {
      states.set(ordinal, state)
      ordinals.set(id, ordinal)
    }
    const first = (from?.position ?? this.columns.position) - this.columns.position
    for (let index = first; index < this.#events.length; index++) {
      const row = this.#events[index] as WindowEvent
      if (row.position > position) break
      const { cardId, event } = row
      let ordinal = ordinals.get(cardId)
      if (ordinal === undefined || !states.has(ordinal)) {
        ordinal = event._tag === "CardCreated" ? undefined : this.#known.get(cardId)
        if (ordinal !== undefined && ordinal >= 0) {
          add(cardId, ordinal, this.columns.stateOf(ordinal))
          this.#addTargets(ordinal, ordinals)
        }
      }
      const before = ordinal === undefined ? undefined : states.get(ordinal)
      const card = evolve(before?.card, {
        cardId,
        version: row.version,
        occurredAt: DateTime.makeUnsafe(row.occurredAt),
        actor: row.actor,
        event
      })
      // An event that no correct program writes, such as one of a card that does not exist.
      if (card === undefined) continue
      if (event._tag === "CardCreated") for (const id of event.dependsOn) this.#addKnown(id, ordinals)
      if (event._tag === "CardLinked") this.#addKnown(event.dependsOn, ordinals)
      add(cardId, ordinal !== undefined && before !== undefined ? ordinal : count++, {
        card,
        createdPosition: before?.createdPosition ?? row.position,
        position: row.position
      })
    }
    this.#last = { position, states, ordinals, count }
    return this.#last
  }

  #addKnown(id: CardId, ordinals: Map<CardId, number>): void {
    const ordinal = this.#known.get(id)
    if (ordinal !== undefined && ordinal >= 0 && !ordinals.has(id)) ordinals.set(id, ordinal)
  }

  #addTargets(ordinal: number, ordinals: Map<CardId, number>): void {
    const { columns } = this
    columns.someTarget(ordinal, (target) => {
      if (target >= 0) {
        const id = columns.idOf(target)
        if (!ordinals.has(id)) ordinals.set(id, target)
      }
      return false
    })
  }
}
