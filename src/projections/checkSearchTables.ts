import { Effect } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import type { CardTables } from "./CardTables.ts"
import type { Divergences } from "./Divergence.ts"

/**
 * Checks that the tables by which cards are found have what follows from the rows of cards, which must be verified before:
 * `card_search` the labels, the time of creation and the words of every card, `claimable_labels` the claimable cards of each
 * label. Triggers of the migrations maintain both.
 */
export const checkSearchTables = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  schema: string,
  { cards, claimableLabels, search }: CardTables,
  divergences: Divergences
): Effect.fn.Return<void, SqlError.SqlError> {
  const searchRows = yield* sql<{ readonly id: string; readonly field: string }>`
    SELECT coalesce(card.id, found.id) AS id, CASE WHEN card.id IS NULL OR found.id IS NULL THEN 'id'
      WHEN card.created_at <> found.created_at THEN 'createdAt' WHEN card.labels <> found.labels THEN 'labels'
      ELSE 'words' END AS field
    FROM ${cards} AS card FULL JOIN ${search} AS found ON found.id = card.id
    WHERE card.id IS NULL OR found.id IS NULL OR card.created_at <> found.created_at OR card.labels <> found.labels
      OR found.document <> ${sql(`${schema}.search_document_v1`)}(card.id, card.title, card.body)
    ORDER BY 1 LIMIT 1000`
  for (const { field, id } of searchRows) {
    divergences.add({
      check: "search",
      cardId: id,
      position: null,
      field,
      expected: "in the search table, what follows from the card",
      found: "something else"
    })
  }
  const labelRows = yield* sql<{ readonly id: string; readonly label: string; readonly isMissing: boolean }>`
    WITH expected AS (
      SELECT label, priority, created_at, id FROM ${cards} CROSS JOIN LATERAL pg_catalog.unnest(labels) AS label
      WHERE labels <> '{}' AND status = 'ready' AND unmet_dependencies = 0 AND NOT deferred)
    SELECT id, label, true AS "isMissing" FROM (SELECT * FROM expected EXCEPT SELECT label, priority, created_at, id FROM ${claimableLabels}) AS missing
    UNION ALL
    SELECT id, label, false FROM (SELECT label, priority, created_at, id FROM ${claimableLabels} EXCEPT SELECT * FROM expected) AS surplus
    ORDER BY 1, 2 LIMIT 1000`
  for (const { id, isMissing, label } of labelRows) {
    divergences.add({
      check: "search",
      cardId: id,
      position: null,
      field: "claimableLabels",
      expected: isMissing ? `the claimable card under the label ${label}` : `no such card under the label ${label}`,
      found: isMissing ? "none" : "one"
    })
  }
})
