import { type DateTime, Effect, Option, Result, Stream } from "effect"
import type { SqlClient } from "effect/sql"
import type { CardId } from "../domain/CardId.ts"
import { hasInexactNumber } from "../domain/parseExactJson.ts"
import type { Anchor } from "../events/Anchor.ts"
import type { EventLog } from "../events/EventLog.ts"
import type { ReadGate } from "../events/ReadGate.ts"
import { decodeRow, type EventRow } from "../events/StoredEvent.ts"
import { cardKinds, type CountsTable } from "./CardCounts.ts"
import type { CardTables } from "./CardTables.ts"
import { ChainCheck } from "./ChainCheck.ts"
import { checkClaimsFrom } from "./claimsFrom.ts"
import { makeKeyframeCheck } from "./checkKeyframes.ts"
import { checkSearchTables } from "./checkSearchTables.ts"
import { checkCycle, Divergences, type VerifyReport } from "./Divergence.ts"
import { StreamCheck } from "./StreamCheck.ts"
import { makeRowComparison } from "./compareRows.ts"
import { streamPagesAhead } from "../sql/pages.ts"

/** Options of a verification. */
export interface VerifyOptions {
  /** An anchor that the log must continue. Defaults to none. */
  readonly anchor?: Anchor | undefined
  /** The actor that verifies, for the list of `verifications`. Defaults to unknown. */
  readonly actor?: string | undefined
  /** Runs with the progress of the verification, in events. Defaults to nothing. */
  readonly onProgress?: ((done: number, total: number) => Effect.Effect<void>) | undefined
}

/** Facts of all cards, by which the graph and the counters are checked at the end. */
interface Graph {
  readonly dependsOn: Map<CardId, ReadonlyArray<CardId>>
  readonly done: Set<string>
  /** The counters in the read model, without those that are 0 on cards without dependencies. */
  readonly counters: Map<string, number>
}

const last = Number.MAX_SAFE_INTEGER

/**
 * Verifies the log and the read model, in the caller's transaction, which must see one snapshot. It reads the log twice: in the
 * order of positions for the chain, then card by card, which leads to the row that each card must have. Holds a few pages of
 * rows and the ids and edges of cards in memory (decision 9). Returns the report, and whether the log continues the anchor; `null` if
 * there is none.
 */
export const verify = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  schema: string,
  log: EventLog["Service"],
  gate: ReadGate["Service"],
  tables: CardTables,
  counts: CountsTable,
  now: DateTime.Utc,
  options: Pick<VerifyOptions, "anchor" | "onProgress">
) {
  const divergences = new Divergences()
  const head = Option.getOrUndefined(yield* log.findHead)
  const end = head?.position ?? 0
  const total = end * 2
  // The first progress shows where the log ends.
  yield* gate.awaitShowable(end)
  const progress = options.onProgress ?? (() => Effect.void)
  yield* progress(0, total)

  const chain = new ChainCheck(divergences, options.anchor)
  yield* Stream.runForEachArray(
    streamPagesAhead(0, log.read.links, (link) => link.position),
    (links) => {
      for (const link of links) chain.push(link)
      return progress(Math.min(chain.position, total), total)
    }
  )
  chain.end(head)

  const graph: Graph = { dependsOn: new Map(), done: new Set(), counters: new Map() }
  const keyframes = yield* makeKeyframeCheck(sql, schema)
  const comparison = yield* makeRowComparison(sql, tables, now, divergences, graph.counters)
  let events = 0
  let cards = 0
  let edges = 0
  let erasedParts = 0
  let current: StreamCheck | undefined
  let createdPosition = 0
  let checked: Array<StreamCheck> = []
  /** Passes the state before the next event, which is at a position, to the check of keyframes. */
  const checkKeyframe = (next: number): void => {
    if (current?.card !== undefined) {
      keyframes.add({ card: current.card, createdPosition, position: current.position }, next)
    }
  }
  const finish = (): void => {
    if (current === undefined) return
    checkKeyframe(Number.POSITIVE_INFINITY)
    current.end()
    if (current.divergence !== undefined) divergences.add(current.divergence)
    erasedParts += current.erasedParts
    const { card } = current
    if (card !== undefined) {
      cards++
      edges += card.dependsOn.length
      if (card.status === "done") graph.done.add(card.id)
      if (card.dependsOn.length > 0) graph.dependsOn.set(card.id, card.dependsOn)
    }
    checked.push(current)
  }
  yield* Stream.runForEachArray(
    streamPagesAhead(
      undefined as EventRow | undefined,
      (place) => log.read.byCard(place, last),
      (row): EventRow | undefined => row
    ),
    Effect.fnUntraced(function* (rows) {
      for (const row of rows) {
        if (current?.cardId !== row.cardId) {
          finish()
          current = new StreamCheck(row.cardId, { keepsTexts: true })
          createdPosition = row.position
        } else checkKeyframe(row.position)
        // Before decoding, which replaces the texts of the row.
        const isInexact = hasInexactNumber(row.data)
        const stored = decodeRow(row)
        if (Result.isFailure(stored)) current.pushDamaged(row.position, stored.failure)
        else if (isInexact) current.pushDamaged(row.position, "a number that no event can have")
        else current.push(stored.success)
      }
      events += rows.length
      yield* comparison.cards(checked)
      checked = []
      yield* progress(Math.min(end + events, total), total)
    })
  )
  finish()
  yield* comparison.cards(checked)
  yield* comparison.remainingRows
  yield* checkDanglingEdges(sql, tables, divergences)
  checkGraph(graph, divergences)
  if (divergences.count === 0) {
    yield* checkCounts(counts, divergences)
    yield* checkClaimsFrom(sql, tables, divergences)
    yield* checkSearchTables(sql, schema, tables, divergences)
    yield* keyframes.compare(sql, schema, divergences)
  }
  yield* progress(total, total)
  const report: VerifyReport = {
    position: head?.position ?? chain.position,
    chainHash: head?.chainHash ?? chain.chainHash,
    events,
    cards,
    dependencies: edges,
    erasedParts,
    anchoredPosition: options.anchor?.position ?? null,
    divergenceCount: divergences.count,
    divergences: divergences.list
  }
  return { report, anchorMatched: options.anchor === undefined ? null : !divergences.hasFound("anchor") }
}, Effect.scoped)

/** Checks for edges of cards that do not exist. */
const checkDanglingEdges = (sql: SqlClient.SqlClient, { cards, dependencies }: CardTables, divergences: Divergences) =>
  Effect.map(
    sql<{ readonly cardId: string; readonly dependsOnId: string }>`
      SELECT card_id AS "cardId", depends_on_id AS "dependsOnId" FROM ${dependencies} AS edge
      WHERE NOT EXISTS (SELECT FROM ${cards} AS cards WHERE cards.id = edge.card_id)
      ORDER BY card_id, depends_on_id LIMIT 1000`,
    (rows) => {
      for (const { cardId, dependsOnId } of rows) {
        divergences.add({
          check: "dependencies",
          cardId,
          position: null,
          field: "dependsOn",
          expected: "no dependency of a card that does not exist",
          found: dependsOnId
        })
      }
    }
  )

const checkGraph = ({ counters, dependsOn, done }: Graph, divergences: Divergences): void => {
  for (const id of new Set([...dependsOn.keys(), ...counters.keys()])) {
    const expected = (dependsOn.get(id as CardId) ?? []).filter((other) => !done.has(other)).length
    const found = counters.get(id) ?? 0
    if (expected === found) continue
    divergences.add({
      check: "unmetDependencies",
      cardId: id,
      position: null,
      field: "unmetDependencies",
      expected: String(expected),
      found: String(found)
    })
  }
  checkCycle(dependsOn, divergences)
}

/** Compares the stored counts with the rows, which must be verified before. Counts that are behind the log are ignored. */
const checkCounts = ({ stored, counted }: CountsTable, divergences: Divergences) =>
  Effect.map(Effect.all([stored, counted]), ([[found], [expected]]) => {
    if (found === undefined || expected === undefined) return
    for (const kind of cardKinds) {
      if (found[kind] === expected[kind]) continue
      divergences.add({
        check: "counts",
        cardId: null,
        position: null,
        field: kind,
        expected: String(expected[kind]),
        found: String(found[kind])
      })
    }
  })
