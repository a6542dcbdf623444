import { DateTime } from "effect"
import type { SqlClient } from "effect/sql"
import type { Card } from "../domain/Card.ts"
import type { CardId } from "../domain/CardId.ts"
import { compareClaimOrder, isClaimable } from "../domain/Claimability.ts"
import { formatTime } from "../domain/Time.ts"
import { encodeEventLines, type PendingEvent, payloadSize } from "../events/eventLines.ts"
import { arrayLiteral } from "../sql/arrayLiteral.ts"
import { chunkRows, type LazyWrite } from "../sql/bulkStatements.ts"
import { type BoundStatement, prepareStatement } from "../sql/prepareStatement.ts"
import { joinLines, textField } from "../sql/recordLines.ts"
import {
  type CardRow,
  contentSize,
  isDeferred,
  noteSize,
  resultSize,
  toContentLine,
  toNoteLine,
  toStateLine
} from "./cardLines.ts"
import type { LockedState } from "./lockAndLoad.ts"
import type { RowChange } from "./rowChanges.ts"

/** What a transaction writes. */
export interface BatchWrite {
  /** The state that the transaction locked, after the changes. */
  readonly locked: LockedState
  /** The events to append, in order. */
  readonly pending: ReadonlyArray<PendingEvent>
  /** The last events of the log, when the rows are written. Defaults to the pending ones. */
  readonly events?: ReadonlyArray<{ readonly cardId: CardId }>
  /** The changes of the read model that follow from the events, in order. */
  readonly changes: ReadonlyArray<RowChange>
  readonly createdCards: ReadonlySet<CardId>
  /** Records of the type `receipt_v1`, in the order of their ids and actors. */
  readonly receipts: ReadonlyArray<string>
}

/** Calls of `append_and_project_v4` of the migrations, in the caller's transaction. */
export interface AppendAndProject {
  /**
   * The statements that append events, update the read model and write receipts: one, or several for a large batch, to be run
   * in this order. The first locks the head row, which is the last lock of a transaction but for the receipts. They fail with a
   * `SerializationError` when the generation of the log is greater than the one that was loaded.
   */
  readonly bindWrites: (batch: BatchWrite) => ReadonlyArray<LazyWrite>
  /**
   * Makes the commit of a read-only transaction wait for the synchronous standby, like the commits that it has read.
   * Does nothing where no synchronous standby is configured.
   */
  readonly awaitStandby: BoundStatement
}

export const makeAppendAndProject = (
  sql: SqlClient.SqlClient,
  schema: string,
  clockOverride: () => Date | null
): AppendAndProject => {
  const { bind } = prepareStatement<Call>(
    sql,
    (call) => sql`SELECT ${sql(`${schema}.append_and_project_v4`)}(${call.events}, ${call.data}, ${call.erasable},
      ${call.commitments}, ${call.continues}, ${call.generation}, ${call.createdStates}, ${call.createdContents},
      ${call.changed}, ${call.revised}, ${call.noted}, ${call.counters}, ${call.addedEdges}, ${call.removedEdges}, ${call.counted},
      ${call.madeClaimable}, ${call.firstExpiry}, ${call.firstRetry}, ${call.receipts}, ${call.awaitsStandby}, ${call.isSingle},
      ${call.commitsEarly}, ${call.override})`
  )
  // The members are set instead of spread into another object, which shows in the profile of small batches.
  const complete = (call: Call, commitsEarly: boolean): Call => {
    call.commitsEarly = commitsEarly
    call.override = clockOverride()
    return call
  }

  return {
    bindWrites: (batch) => {
      const rows = summarize(batch)
      if (hasFewRows(batch, rows)) {
        const call = wholeCall(batch, rows)
        if (sizeOf(call) <= charactersOfOneCall) return [(commitsEarly = false) => bind(complete(call, commitsEarly))]
      }
      return splitCalls(batch, rows).map(
        (call) =>
          (commitsEarly = false) =>
            bind(complete({ ...emptyCall, ...call() }, commitsEarly))
      )
    },
    awaitStandby: bind({ ...emptyCall, awaitsStandby: true })
  }
}

/** The arguments of `append_and_project_v4`. */
interface Call {
  readonly events: string | null
  readonly data: string | null
  readonly erasable: string | null
  readonly commitments: string | null
  readonly continues: boolean
  readonly generation: string | null
  readonly createdStates: string | null
  readonly createdContents: string | null
  readonly changed: string | null
  readonly revised: string | null
  readonly noted: string | null
  readonly counters: string | null
  readonly addedEdges: string | null
  readonly removedEdges: string | null
  readonly counted: string | null
  /** An array of ids: every card that is claimable after the call and was not before, or the first of them. */
  readonly madeClaimable: string | null
  /** The first time at which a claim that the call writes expires. */
  readonly firstExpiry: string | null
  /** The first retry time that the call writes. */
  readonly firstRetry: string | null
  readonly receipts: string | null
  readonly awaitsStandby: boolean
  /** Whether the call has one event without erasable fields, and changes one existing card and no other row. */
  readonly isSingle: boolean
  commitsEarly: boolean
  override: Date | null
}

const emptyCall: Call = {
  events: null,
  data: null,
  erasable: null,
  commitments: null,
  continues: false,
  generation: null,
  createdStates: null,
  createdContents: null,
  changed: null,
  revised: null,
  noted: null,
  counters: null,
  addedEdges: null,
  removedEdges: null,
  counted: null,
  madeClaimable: null,
  firstExpiry: null,
  firstRetry: null,
  receipts: null,
  awaitsStandby: false,
  isSingle: false,
  commitsEarly: false,
  override: null
}

/** What changes in the tables: the net effect of the row changes. */
interface ChangedRows {
  readonly created: ReadonlyArray<CardRow>
  readonly changed: ReadonlyArray<CardRow>
  /** Those of the changed cards whose content changed. */
  readonly revised: ReadonlyArray<CardRow>
  /** The cards that have a new last note. */
  readonly noted: ReadonlyArray<CardRow>
  /** Records of the type `card_counter_v1`. */
  readonly counters: ReadonlyArray<string>
  /** Records of the type `dependency_v1`. */
  readonly addedEdges: ReadonlyArray<string>
  readonly removedEdges: ReadonlyArray<string>
  readonly claimsFrom: ClaimsFrom
}

/** What moves back the place in the claim order, and the times, before which nothing can be claimed. */
type ClaimsFrom = Pick<Call, "madeClaimable" | "firstExpiry" | "firstRetry">

const summarize = ({ changes, createdCards, locked, pending, events = pending }: BatchWrite): ChangedRows => {
  const { now, state } = locked
  const places = new Map<CardId, number>()
  events.forEach(({ cardId }, index) => places.set(cardId, events.length - 1 - index))
  const cards = new Map<CardId, { content: boolean; noted: boolean }>()
  const counted = new Set<CardId>()
  const edges = new Map<string, number>()
  for (const change of changes) {
    switch (change._tag) {
      case "CardChanged": {
        const known = cards.get(change.card.id)
        if (known === undefined) cards.set(change.card.id, { content: change.content, noted: change.noted })
        else {
          known.content ||= change.content
          known.noted ||= change.noted
        }
        break
      }
      case "UnmetDependenciesChanged":
        counted.add(change.cardId)
        break
      case "DependencyAdded":
      case "DependencyRemoved": {
        const edge = `(${textField(change.cardId)},${textField(change.dependsOnId)})`
        edges.set(edge, (edges.get(edge) ?? 0) + (change._tag === "DependencyAdded" ? 1 : -1))
      }
    }
  }
  const created: Array<CardRow> = []
  const changed: Array<CardRow> = []
  const revised: Array<CardRow> = []
  const noted: Array<CardRow> = []
  /** The loaded card that is first in claim order. */
  let firstClaimable: Card | undefined
  const madeClaimable: Array<CardId> = []
  let firstExpiry: DateTime.Utc | null = null
  let firstRetry: DateTime.Utc | null = null
  for (const [id, parts] of cards) {
    const card = state.card(id)
    const place = places.get(id)
    if (card === undefined || place === undefined) throw new Error(`card ${id} changed without an event`)
    const unmetDependencies = state.unmetDependencies(id)
    const row = { card, unmetDependencies, deferred: isDeferred(card, now), place }
    if (row.deferred) firstRetry = earlier(firstRetry, card.notBefore)
    else if (card.status === "claimed") firstExpiry = earlier(firstExpiry, card.claimExpiresAt)
    else if (isClaimable(card, unmetDependencies, now)) {
      if (firstClaimable === undefined || compareClaimOrder(card, firstClaimable) < 0) firstClaimable = card
    }
    if (createdCards.has(id)) created.push(row)
    else {
      changed.push(row)
      if (parts.content) revised.push(row)
    }
    if (parts.noted) noted.push(row)
  }
  const counters: Array<string> = []
  for (const id of counted) {
    if (cards.has(id)) continue
    const unmetDependencies = state.unmetDependencies(id)
    counters.push(`(${textField(id)},${unmetDependencies})`)
    const summary = state.summary(id)
    if (summary !== undefined && isClaimable(summary, unmetDependencies, now)) madeClaimable.push(id)
  }
  if (firstClaimable !== undefined) madeClaimable.push(firstClaimable.id)
  const addedEdges: Array<string> = []
  const removedEdges: Array<string> = []
  for (const [edge, net] of edges) if (net !== 0) (net > 0 ? addedEdges : removedEdges).push(edge)
  const claimsFrom: ClaimsFrom = {
    madeClaimable: madeClaimable.length === 0 ? null : arrayLiteral(madeClaimable),
    firstExpiry: firstExpiry === null ? null : formatTime(firstExpiry),
    firstRetry: firstRetry === null ? null : formatTime(firstRetry)
  }
  return { created, changed, revised, noted, counters, addedEdges, removedEdges, claimsFrom }
}

const earlier = (left: DateTime.Utc | null, right: DateTime.Utc | null): DateTime.Utc | null =>
  left === null || (right !== null && DateTime.isLessThan(right, left)) ? right : left

const countsRecord = ({ changedCounts: { blocked, claimed, done, ready, waiting } }: LockedState["state"]): string =>
  `(${ready},${waiting},${claimed},${blocked},${done})`

const noEvents = { events: null, data: null, erasable: null, commitments: null } as const

/**
 * One call for the whole batch. Every member is written out: V8 defines members that follow a spread one by one, each with a new hidden
 * class, which shows in the profile of small batches.
 */
const wholeCall = ({ changes, locked, pending, receipts }: BatchWrite, rows: ChangedRows): Call => {
  const { commitments, data, erasable, events } = pending.length === 0 ? noEvents : encodeEventLines(pending)
  const { firstExpiry, firstRetry, madeClaimable } = rows.claimsFrom
  return {
    events,
    data,
    erasable,
    commitments,
    continues: false,
    generation: pending.length + changes.length === 0 ? null : String(locked.generation),
    createdStates: joinLines(rows.created.map(toStateLine)),
    createdContents: joinLines(rows.created.map(toContentLine)),
    changed: joinLines(rows.changed.map(toStateLine)),
    revised: joinLines(rows.revised.map(toContentLine)),
    noted: joinLines(rows.noted.map(toNoteLine)),
    counters: joinLines(rows.counters),
    addedEdges: joinLines(rows.addedEdges),
    removedEdges: joinLines(rows.removedEdges),
    counted: pending.length === 0 ? null : countsRecord(locked.state),
    madeClaimable,
    firstExpiry,
    firstRetry,
    receipts: joinLines(receipts),
    awaitsStandby: false,
    isSingle: pending.length === 1 && commitments === null && changesOneCard(rows),
    commitsEarly: false,
    override: null
  }
}

/** Whether only the state of one existing card changes. */
const changesOneCard = ({
  addedEdges,
  changed,
  counters,
  created,
  noted,
  removedEdges,
  revised
}: ChangedRows): boolean =>
  changed.length === 1 &&
  created.length + revised.length + noted.length + counters.length + addedEdges.length + removedEdges.length === 0

/** Maximum number of events of a batch that is written with one call. Few batches have more. */
const eventsOfOneCall = 500

/** Maximum number of characters of their payloads. */
const charactersOfOneCall = 1024 * 1024

const hasFewRows = ({ pending, receipts }: BatchWrite, { addedEdges, counters, removedEdges }: ChangedRows): boolean =>
  Math.max(pending.length, receipts.length, counters.length, addedEdges.length, removedEdges.length) <= eventsOfOneCall

const sizeOf = ({ data, erasable }: Partial<Call>): number => (data?.length ?? 0) + (erasable?.length ?? 0)

/** A call for each part of a large batch. Each is encoded when the previous one has been sent. */
const splitCalls = ({ locked, pending, receipts }: BatchWrite, rows: ChangedRows): Array<() => Partial<Call>> => {
  const generation = String(locked.generation)
  const none = () => 0
  return [
    ...Array.from(chunkRows(pending, payloadSize), (chunk, index) => () => ({
      ...encodeEventLines(chunk),
      generation,
      continues: index > 0
    })),
    ...Array.from(
      chunkRows(rows.created, (row) => contentSize(row) + resultSize(row)),
      (chunk) => () => ({
        generation,
        createdStates: joinLines(chunk.map(toStateLine)),
        createdContents: joinLines(chunk.map(toContentLine))
      })
    ),
    ...Array.from(chunkRows(rows.changed, resultSize), (chunk) => () => ({
      generation,
      changed: joinLines(chunk.map(toStateLine))
    })),
    ...Array.from(chunkRows(rows.revised, contentSize), (chunk) => () => ({
      generation,
      revised: joinLines(chunk.map(toContentLine))
    })),
    ...Array.from(chunkRows(rows.noted, noteSize), (chunk) => () => ({
      generation,
      noted: joinLines(chunk.map(toNoteLine))
    })),
    ...Array.from(chunkRows(rows.counters, none), (chunk) => () => ({ generation, counters: joinLines(chunk) })),
    ...Array.from(chunkRows(rows.addedEdges, none), (chunk) => () => ({ generation, addedEdges: joinLines(chunk) })),
    ...Array.from(chunkRows(rows.removedEdges, none), (chunk) => () => ({
      generation,
      removedEdges: joinLines(chunk)
    })),
    ...(pending.length === 0 ? [] : [() => ({ generation, counted: countsRecord(locked.state) })]),
    ...(Object.values(rows.claimsFrom).every((value) => value === null)
      ? []
      : [() => ({ generation, ...rows.claimsFrom })]),
    ...Array.from(
      chunkRows(receipts, (line) => line.length),
      (chunk) => () => ({ receipts: joinLines(chunk) })
    )
  ]
}
