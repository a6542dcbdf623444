import { DateTime, type Effect } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import { isDue } from "../domain/Claimability.ts"
import { jsonEquals } from "../domain/Json.ts"
import { hasInexactNumber } from "../domain/parseExactJson.ts"
import type { CardTables } from "./CardTables.ts"
import { formatValue } from "./Divergence.ts"
import type { FoldedCard } from "./foldCards.ts"
import { isoTimeSql } from "../sql/DatabaseClock.ts"
import { selectPage } from "../sql/pages.ts"

/** A row of `cards` with its edges, as text where a driver would lose something. */
export interface CardTextRow {
  readonly id: string
  readonly title: string
  readonly body: string | null
  readonly phase: string | null
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
  readonly createdAt: string
  readonly updatedAt: string
  readonly completedAt: string | null
  readonly version: number
  readonly position: number
  readonly dependsOn: ReadonlyArray<string>
}

const columns = `id, title, body, phase, priority, status, unmet_dependencies AS "unmetDependencies",
  ${isoTimeSql("not_before")} AS "notBefore", deferred, claim_owner AS "claimOwner", claim_ttl_seconds AS "claimTtlSeconds",
  ${isoTimeSql("claimed_at")} AS "claimedAt", ${isoTimeSql("claim_expires_at")} AS "claimExpiresAt", coalesce(claim_token_high * 2147483648::float8 + claim_token, nullif(claim_token_high, 0)) AS "claimToken",
  attempts, idempotency_key AS "idempotencyKey", acceptance::text AS acceptance, result::text AS result,
  blocked_reason AS "blockedReason", ${isoTimeSql("created_at")} AS "createdAt", ${isoTimeSql("updated_at")} AS "updatedAt",
  ${isoTimeSql("completed_at")} AS "completedAt", version, position::float8 AS position`

/** Rows per page: about as many as a page of events leads to. */
const rowsPerPage = 200

/** The next such rows after an id, in the order of ids. */
export const readCardRows = (
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
    heavy: ["body", "acceptance", "result"],
    limit: rowsPerPage
  })

const textOf = (value: DateTime.Utc | null): string | null => (value === null ? null : DateTime.formatIso(value))

/** The first column in which a row is not what the log leads to, but for its counter; edges are the column `dependsOn`. */
export const findDifference = (
  { card, position }: FoldedCard,
  row: CardTextRow,
  now: DateTime.Utc
): { readonly field: string; readonly expected: string; readonly found: string } | undefined => {
  const differs = (field: keyof CardTextRow, expected: unknown) => ({
    field,
    expected: formatValue(expected),
    found: formatValue(row[field])
  })
  for (const field of plain) if (card[field] !== row[field]) return differs(field, card[field])
  for (const field of times) {
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
  if (position !== row.position) return differs("position", position)
  const { dependsOn } = card
  if (dependsOn.length !== row.dependsOn.length || dependsOn.some((id, index) => id !== row.dependsOn[index])) {
    return differs("dependsOn", dependsOn)
  }
  const canWait = card.status === "ready" && card.notBefore !== null
  if (row.deferred ? !canWait : canWait && !isDue(card.notBefore, now)) return differs("deferred", !row.deferred)
  return undefined
}

const plain = [
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
  "version"
] as const

const times = ["notBefore", "claimedAt", "claimExpiresAt", "createdAt", "updatedAt", "completedAt"] as const
