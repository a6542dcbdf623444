import { DateTime, Effect, Pull, Stream } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { compareIds } from "../domain/CardId.ts"
import { isDue } from "../domain/Claimability.ts"
import { jsonEquals } from "../domain/Json.ts"
import { hasInexactNumber } from "../domain/parseExactJson.ts"
import type { CardTables } from "./CardTables.ts"
import { type Divergences, formatValue } from "./Divergence.ts"
import type { StreamCheck } from "./StreamCheck.ts"
import type { FoldedCard } from "./foldCards.ts"
import { isoTimeSql } from "../sql/DatabaseClock.ts"
import { selectPage, streamPagesAhead } from "../sql/pages.ts"

/** Compares cards with their rows, in the order of ids. */
export interface RowComparison {
  /** Compares the next cards, and the rows up to the last of them. */
  readonly cards: (checked: ReadonlyArray<StreamCheck>) => Effect.Effect<void, SqlError.SqlError>
  /** Compares the remaining rows, which have no card. Called once, at the end. */
  readonly remainingRows: Effect.Effect<void, SqlError.SqlError>
}

/** `counters` receives the unmet dependencies of every row that has any or has dependencies. */
export const makeRowComparison = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  tables: CardTables,
  now: DateTime.Utc,
  divergences: Divergences,
  counters: Map<string, number>
) {
  const pull = yield* Stream.toPull(
    streamPagesAhead(
      "",
      (after) => readCardRows(sql, tables, after),
      (row) => row.id
    )
  )
  let rows: ReadonlyArray<CardTextRow> = []
  let next = 0
  /** Reads the next page of rows. Returns whether there is one. */
  const nextPage = pull.pipe(
    Effect.map((page) => {
      rows = page
      next = 0
      return true
    }),
    Pull.catchDone(() => Effect.succeed(false))
  )

  /** Compares the rows of the current page up to an id. Returns whether the row of that id is among them. */
  const compareRowsUpTo = (id: string | undefined, check: StreamCheck | undefined): boolean => {
    for (; next < rows.length; next++) {
      const row = rows[next] as CardTextRow
      const order = id === undefined ? -1 : compareIds(row.id, id)
      if (order > 0) return false
      compareRow(row, order === 0 ? check : undefined, now, divergences)
      if (row.unmetDependencies !== 0 || row.dependsOn.length > 0) counters.set(row.id, row.unmetDependencies)
      if (order === 0) {
        next++
        return true
      }
    }
    return false
  }

  return {
    cards: Effect.fnUntraced(function* (checked) {
      for (const check of checked) {
        let isThere = compareRowsUpTo(check.cardId, check)
        while (!isThere && next === rows.length && (yield* nextPage)) isThere = compareRowsUpTo(check.cardId, check)
        const { card, cardId, position } = check
        if (!isThere && card !== undefined) {
          divergences.add({ check: "card", cardId, position, field: null, expected: "a row", found: "none" })
        }
      }
    }),
    remainingRows: Effect.gen(function* () {
      do compareRowsUpTo(undefined, undefined)
      while (yield* nextPage)
    })
  } satisfies RowComparison
})

const compareRow = (
  row: CardTextRow,
  check: StreamCheck | undefined,
  now: DateTime.Utc,
  divergences: Divergences
): void => {
  if (check?.card === undefined) {
    divergences.add({
      check: "card",
      cardId: row.id,
      position: row.position,
      field: null,
      expected: "no row, because it has no event",
      found: "a row"
    })
    return
  }
  let difference: ReturnType<typeof findDifference>
  try {
    difference = findDifference({ card: check.card, position: check.position }, row, now)
  } catch (cause) {
    difference = { field: "row", expected: "a row that can be read", found: String(cause) }
  }
  if (difference === undefined) return
  const kind = difference.field === "dependsOn" ? "dependencies" : "card"
  divergences.add({ check: kind, cardId: row.id, position: check.position, ...difference })
}

/** A row of `cards` with its edges. Values that a driver would change are text. */
interface CardTextRow {
  readonly id: string
  readonly title: string
  readonly body: string | null
  readonly phase: string | null
  readonly labels: ReadonlyArray<string>
  readonly priority: number
  readonly status: string
  readonly unmetDependencies: number
  readonly notBefore: string | null
  readonly deferred: boolean
  readonly claimOwner: string | null
  readonly claimTtlSeconds: number | null
  readonly claimedAt: string | null
  readonly claimExpiresAt: string | null
  readonly claimToken: number | null
  readonly attempts: number
  readonly idempotencyKey: string | null
  readonly acceptance: string | null
  readonly result: string | null
  readonly blockedReason: string | null
  readonly noteCount: number
  readonly lastNote: string | null
  readonly lastNoteActor: string | null
  readonly lastNoteAt: string | null
  readonly createdAt: string
  readonly updatedAt: string
  readonly completedAt: string | null
  readonly version: number
  readonly position: number
  readonly dependsOn: ReadonlyArray<string>
}

const columns = `id, title, body, phase, labels, priority, status, unmet_dependencies AS "unmetDependencies",
  ${isoTimeSql("not_before")} AS "notBefore", deferred, claim_owner AS "claimOwner", claim_ttl_seconds AS "claimTtlSeconds",
  ${isoTimeSql("claimed_at")} AS "claimedAt", ${isoTimeSql("claim_expires_at")} AS "claimExpiresAt", coalesce(claim_token_high * 2147483648::float8 + claim_token, nullif(claim_token_high, 0)) AS "claimToken",
  attempts, idempotency_key AS "idempotencyKey", acceptance::text AS acceptance, result::text AS result,
  blocked_reason AS "blockedReason", note_count AS "noteCount", last_note AS "lastNote",
  last_note_actor AS "lastNoteActor", ${isoTimeSql("last_note_at")} AS "lastNoteAt", ${isoTimeSql("created_at")} AS "createdAt", ${isoTimeSql("updated_at")} AS "updatedAt",
  ${isoTimeSql("completed_at")} AS "completedAt", version, position::float8 AS position`

/** Rows per page: about as many as the cards of a page of events. */
const rowsPerPage = 200

/** Reads the next rows after an id, in the order of ids. */
const readCardRows = (
  sql: SqlClient.SqlClient,
  { cards, dependencies }: CardTables,
  after: string
): Effect.Effect<ReadonlyArray<CardTextRow>, SqlError.SqlError> =>
  selectPage(sql, {
    from: cards,
    columns: sql`${sql.literal(columns)}, ARRAY(SELECT depends_on_id FROM ${dependencies} AS edge
      WHERE edge.card_id = page.id ORDER BY depends_on_id) AS "dependsOn"`,
    where: sql`id > ${after}`,
    order: "id",
    heavy: ["body", "acceptance", "result", "last_note"],
    limit: rowsPerPage
  })

const textOf = (value: DateTime.Utc | null): string | null => (value === null ? null : DateTime.formatIso(value))

/** Finds the first column in which a row differs from its card. Edges are the column `dependsOn`; the counter is not compared. */
const findDifference = (
  { card, position }: Pick<FoldedCard, "card" | "position">,
  row: CardTextRow,
  now: DateTime.Utc
): { readonly field: string; readonly expected: string; readonly found: string } | undefined => {
  const differs = (field: keyof CardTextRow, expected: unknown) => ({
    field,
    expected: formatValue(expected),
    found: formatValue(row[field])
  })
  for (const field of plainFields) if (card[field] !== row[field]) return differs(field, card[field])
  for (const field of timeFields) {
    const expected = textOf(card[field])
    if (expected !== row[field]) return differs(field, expected)
  }
  for (const field of ["acceptance", "result"] as const) {
    const text = row[field]
    if (
      !jsonEquals(card[field], text === null ? null : JSON.parse(text)) ||
      (text !== null && hasInexactNumber(text))
    ) {
      return differs(field, card[field])
    }
  }
  const { labels, lastNote } = card
  if (labels.length !== row.labels.length || labels.some((label, index) => label !== row.labels[index])) {
    return differs("labels", labels)
  }
  if ((lastNote?.text ?? null) !== row.lastNote) return differs("lastNote", lastNote?.text ?? null)
  if ((lastNote?.actor ?? null) !== row.lastNoteActor) return differs("lastNoteActor", lastNote?.actor ?? null)
  const notedAt = textOf(lastNote?.at ?? null)
  if (notedAt !== row.lastNoteAt) return differs("lastNoteAt", notedAt)
  if (position !== row.position) return differs("position", position)
  const { dependsOn } = card
  if (dependsOn.length !== row.dependsOn.length || dependsOn.some((id, index) => id !== row.dependsOn[index])) {
    return differs("dependsOn", dependsOn)
  }
  const canWait = card.status === "ready" && card.notBefore !== null
  if (row.deferred ? !canWait : canWait && !isDue(card.notBefore, now)) return differs("deferred", !row.deferred)
  return undefined
}

const plainFields = [
  "title",
  "body",
  "phase",
  "priority",
  "status",
  "claimOwner",
  "claimTtlSeconds",
  "claimToken",
  "attempts",
  "idempotencyKey",
  "blockedReason",
  "noteCount",
  "version"
] as const

const timeFields = ["notBefore", "claimedAt", "claimExpiresAt", "createdAt", "updatedAt", "completedAt"] as const
