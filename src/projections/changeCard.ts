import { DateTime } from "effect"
import type { SqlClient } from "effect/sql"
import type { Card } from "../domain/Card.ts"
import type { ClaimFilter } from "../domain/Command.ts"
import { formatTime } from "../domain/Time.ts"
import { encodePayload, type PendingEvent } from "../events/eventLines.ts"
import type { LazyWrite } from "../sql/bulkStatements.ts"
import { prepareStatement } from "../sql/prepareStatement.ts"
import { CardTally, cardKinds } from "./CardCounts.ts"
import { toStateLine } from "./cardLines.ts"
import { decodeLoadedCard, leastPriority, type LoadedCardFacts } from "./lockAndLoad.ts"

/** A card as it was after its last event that is known. */
export interface RememberedCard {
  readonly card: Card
  /** The position of that event. */
  readonly position: number
}

/** One event that was decided before its transaction has loaded anything, and the state of its card after it. */
export interface CardChange {
  /** The card that changes, or the filter of a claim: the decision holds for each card that it may take. */
  readonly target:
    | { readonly remembered: RememberedCard }
    | { readonly filter: Pick<ClaimFilter, "phase" | "minPriority"> }
  /** For a claim, its card and version count for nothing. */
  readonly event: PendingEvent
  /** The card after the event. For a claim, its id, version, attempts and token count for nothing. */
  readonly after: Card
  /** The generation of the log on which the event was decided. */
  readonly generation: number
  /** How much later than the event the server's clock may be, in milliseconds. */
  readonly toleranceMillis: number
}

/** What a call has written. */
export interface ChangedCard {
  /** The position of the event. */
  readonly position: number
  /** The database's clock. */
  readonly now: DateTime.Utc
  /** The card that was claimed, before the event. */
  readonly claimed: Card | undefined
}

/** Calls of `change_card_v1` of the migrations, as the only statement of a transaction. */
export interface ChangeCard {
  /**
   * Locks a card and the head row, appends an event and updates the read model. Returns null and writes nothing if the decision may no
   * longer be right.
   */
  readonly bindChange: (change: CardChange) => LazyWrite
  /** Decodes the result of the call. `undefined` if it has written nothing. */
  readonly decodeChanged: (rows: ReadonlyArray<object>) => ChangedCard | undefined
}

export const makeChangeCard = (
  sql: SqlClient.SqlClient,
  schema: string,
  clockOverride: () => Date | null
): ChangeCard => {
  const { bind } = prepareStatement<ChangeCardArguments, ChangedRow>(
    sql,
    (call) => sql`SELECT ${sql(`${schema}.change_card_v1`)}(${call.card}, ${call.cardPosition}, ${call.phase},
      ${call.minPriority}, ${call.decidedAt}, ${call.decidedBefore}, ${call.generation}, ${call.type}, ${call.schemaVersion},
      ${call.data}, ${call.erasable}, ${call.commitments}, ${call.actor}, ${call.correlation}, ${call.causation}, ${call.version},
      ${call.state}, ${call.counted}, ${call.firstExpiry}, ${call.commitsEarly}, ${call.override}) AS changed`
  )
  return {
    bindChange: (change) => {
      const call = toArguments(change)
      return (commitsEarly = false) => {
        call.commitsEarly = commitsEarly
        call.override = clockOverride()
        return bind(call)
      }
    },
    decodeChanged: (rows) => {
      const [row] = rows as ReadonlyArray<ChangedRow>
      if (row?.changed == null) return undefined
      const [position, now, claimed] = JSON.parse(row.changed) as ChangedFacts
      return {
        position,
        now: DateTime.makeUnsafe(now),
        claimed: claimed === undefined ? undefined : decodeLoadedCard(claimed[0], claimed[1])
      }
    }
  }
}

/** The arguments of `change_card_v1`. */
interface ChangeCardArguments {
  readonly card: string | null
  readonly cardPosition: number | null
  readonly phase: string | null
  readonly minPriority: number | null
  readonly decidedAt: string
  readonly decidedBefore: string
  readonly generation: string
  readonly type: string
  readonly schemaVersion: number
  readonly data: string
  readonly erasable: string | null
  readonly commitments: string | null
  readonly actor: string
  readonly correlation: string | null
  readonly causation: string | null
  readonly version: number | null
  /** A record of the type `card_state_v1`. */
  readonly state: string
  /** A record of the type `card_counts_v1`. */
  readonly counted: string
  readonly firstExpiry: string | null
  commitsEarly: boolean
  override: Date | null
}

interface ChangedRow {
  /** JSON of `ChangedFacts`, or null. */
  readonly changed: string | null
}

type ChangedFacts = readonly [position: number, now: number, claimed?: LoadedCardFacts]

const toArguments = ({ after, event, generation, target, toleranceMillis }: CardChange): ChangeCardArguments => {
  const remembered = "remembered" in target ? target.remembered : undefined
  const filter = "filter" in target ? target.filter : undefined
  const { commitments, data, erasable, schemaVersion, type } = encodePayload(event.event)
  const counts = new CardTally()
  counts.add({ status: remembered?.card.status ?? "ready", unmetDependencies: 0 }, -1)
  counts.add({ status: after.status, unmetDependencies: 0 }, 1)
  return {
    card: remembered?.card.id ?? null,
    cardPosition: remembered?.position ?? null,
    phase: filter?.phase ?? null,
    minPriority: filter === undefined ? null : (filter.minPriority ?? leastPriority),
    decidedAt: formatTime(event.occurredAt),
    decidedBefore: formatTime(DateTime.makeUnsafe(event.occurredAt.epochMilliseconds + toleranceMillis)),
    generation: String(generation),
    type,
    schemaVersion,
    data,
    erasable,
    commitments,
    actor: event.actor,
    correlation: event.correlationId,
    causation: event.causationId,
    version: remembered === undefined ? null : event.version,
    state: toStateLine({ card: after, unmetDependencies: 0, deferred: false, place: 0 }),
    counted: `(${cardKinds.map((kind) => counts[kind]).join()})`,
    firstExpiry: after.claimExpiresAt === null ? null : formatTime(after.claimExpiresAt),
    commitsEarly: false,
    override: null
  }
}
