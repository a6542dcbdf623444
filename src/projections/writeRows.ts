import type { DateTime, Effect } from "effect"
import type { SqlClient, SqlError, Statement } from "effect/sql"
import type { CardId } from "../domain/CardId.ts"
import type { CardTables } from "./CardTables.ts"
import type { CountsTable } from "./CardCounts.ts"
import type { ReadModelState } from "./ReadModelState.ts"
import { type CardRowValues, type Edge, isDeferred, makeRowStatements } from "./rowStatements.ts"
import type { RowChange } from "./rowChanges.ts"

/** Row changes, in order, with the state that they led to and the events that led to them. */
export interface RowWrite {
  readonly changes: ReadonlyArray<RowChange>
  readonly state: ReadModelState
  readonly createdCards: ReadonlySet<CardId>
  /** In order, and the last of the log when the rows are written. */
  readonly events: ReadonlyArray<{ readonly cardId: CardId }>
  readonly now: DateTime.Utc
}

/** The statements that write row changes to the tables, in order, set-based, one or more for each kind of change. */
export const makeWriteRows = (
  sql: SqlClient.SqlClient,
  tables: CardTables,
  counts: CountsTable,
  head: Statement.Identifier
): ((write: RowWrite) => ReadonlyArray<Effect.Effect<unknown, SqlError.SqlError>>) => {
  // Where the log ends is known to the database alone, which is told how far before that a card's last event is.
  const statements = makeRowStatements(sql, tables, sql`(SELECT position FROM ${head})`)

  return (write) => {
    const created: Array<CardRowValues> = []
    const changed: Array<CardRowValues> = []
    const revised: Array<CardRowValues> = []
    const counters: Array<readonly [CardId, number]> = []
    const { cards: changedCards, counted, edges } = summarize(write.changes)
    const lastEvents = new Map<CardId, number>()
    write.events.forEach(({ cardId }, index) => lastEvents.set(cardId, index + 1))
    for (const [id, content] of changedCards) {
      const row = rowValues(write, id, (lastEvents.get(id) ?? Number.NaN) - write.events.length)
      if (write.createdCards.has(id)) created.push(row)
      else {
        changed.push(row)
        if (content) revised.push(row)
      }
    }
    for (const id of counted) if (!changedCards.has(id)) counters.push([id, write.state.unmetDependencies(id)])
    const net = [...edges.values()]
    return [
      ...statements.insertCards(created),
      ...statements.updateState(changed),
      ...statements.updateContent(revised),
      ...statements.updateCounters(counters),
      ...statements.insertEdges(net.filter((edge) => edge.net > 0)),
      ...statements.deleteEdges(net.filter((edge) => edge.net < 0)),
      counts.add(write.state.changedCounts, write.events.length)
    ]
  }
}

const rowValues = (write: RowWrite, id: CardId, position: number): CardRowValues => {
  const card = write.state.card(id)
  if (card === undefined || Number.isNaN(position)) throw new Error(`card ${id} changed without an event`)
  return {
    card,
    unmetDependencies: write.state.unmetDependencies(id),
    deferred: isDeferred(card, write.now),
    position: BigInt(position)
  }
}

/** What the changes come to: each changed card and whether its content did, each counter, the net of every edge. */
const summarize = (changes: ReadonlyArray<RowChange>) => {
  const cards = new Map<CardId, boolean>()
  const counted = new Set<CardId>()
  const edges = new Map<string, Edge & { net: number }>()
  for (const change of changes) {
    switch (change._tag) {
      case "CardChanged":
        cards.set(change.card.id, cards.get(change.card.id) === true || change.content)
        break
      case "UnmetDependenciesChanged":
        counted.add(change.cardId)
        break
      case "DependencyAdded":
      case "DependencyRemoved": {
        const { cardId, dependsOnId } = change
        // No id has a line feed in it.
        const key = `${cardId}\n${dependsOnId}`
        const edge = edges.get(key) ?? { cardId, dependsOnId, net: 0 }
        edge.net += change._tag === "DependencyAdded" ? 1 : -1
        edges.set(key, edge)
      }
    }
  }
  return { cards, counted, edges }
}
