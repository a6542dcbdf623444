/**
 * The tables of cards and dependencies: their names, the columns of a card, and decoding a row.
 *
 * A new field of a card changes `columns` and `decodeCountedCard` in this file. The top of `src/domain/Card.ts` lists all places.
 */
import { DateTime } from "effect"
import { currentHead } from "../events/LogReader.ts"
import type { SqlClient, Statement } from "effect/sql"
import type { Card, Status } from "../domain/Card.ts"
import type { CardId } from "../domain/CardId.ts"

/** A row of `cards` with the card's dependencies. Times are as the driver returns them. */
interface CardRow {
  readonly [column: string]: unknown
}

/** A card and the number of its unmet dependencies. */
interface CountedCard {
  readonly card: Card
  readonly unmetDependencies: number
}

/**
 * Decodes a row of the columns in `CardTables`. Throws if the row is not a card: then the read model is damaged. It uses no
 * schema, because decoding with one takes a sixth of the time of a batch. The types of the columns leave little to check, and
 * a verification compares the rows with the log.
 */
export const decodeCountedCard = (row: object): CountedCard => {
  const from = row as CardRow
  return {
    card: {
      id: text(from, "id") as CardId,
      title: text(from, "title"),
      body: orNull(from, "body", text),
      phase: orNull(from, "phase", text),
      labels: from["labels"] as ReadonlyArray<string>,
      priority: integer(from, "priority"),
      status: status(from),
      dependsOn: from["dependsOn"] as ReadonlyArray<CardId>,
      claimOwner: orNull(from, "claimOwner", text),
      claimTtlSeconds: orNull(from, "claimTtlSeconds", integer),
      claimedAt: orNull(from, "claimedAt", time),
      claimExpiresAt: orNull(from, "claimExpiresAt", time),
      claimToken: orNull(from, "claimToken", integer),
      attempts: integer(from, "attempts"),
      notBefore: orNull(from, "notBefore", time),
      idempotencyKey: orNull(from, "idempotencyKey", text),
      acceptance: from["acceptance"] as Card["acceptance"],
      result: from["result"] as Card["result"],
      blockedReason: orNull(from, "blockedReason", text),
      noteCount: integer(from, "noteCount"),
      lastNote:
        from["lastNote"] === null
          ? null
          : { text: text(from, "lastNote"), actor: text(from, "lastNoteActor"), at: time(from, "lastNoteAt") },
      createdAt: time(from, "createdAt"),
      updatedAt: time(from, "updatedAt"),
      completedAt: orNull(from, "completedAt", time),
      version: integer(from, "version")
    },
    unmetDependencies: integer(from, "unmetDependencies")
  }
}

type Read<A> = (row: CardRow, column: string) => A

const orNull = <A>(row: CardRow, column: string, read: Read<A>): A | null =>
  row[column] === null ? null : read(row, column)

const text: Read<string> = (row, column) => {
  const value = row[column]
  return typeof value === "string" ? value : failDamaged(row, column)
}

const integer: Read<number> = (row, column) => {
  const value = row[column]
  return Number.isInteger(value) ? (value as number) : failDamaged(row, column)
}

const time: Read<DateTime.Utc> = (row, column) => {
  const value = row[column]
  return value instanceof Date && !Number.isNaN(value.getTime())
    ? DateTime.fromDateUnsafe(value)
    : failDamaged(row, column)
}

const status = (row: CardRow): Status => {
  switch (row["status"]) {
    case "ready":
    case "claimed":
    case "blocked":
    case "done":
      return row["status"]
    default:
      return failDamaged(row, "status")
  }
}

const failDamaged = (row: CardRow, column: string): never => {
  throw new Error(
    `the row of card ${JSON.stringify(row["id"])} in the read model is damaged: ${column} is ${String(row[column])}`
  )
}

/** The tables of the read model in one schema, and the fragments that the queries share. */
export interface CardTables {
  readonly cards: Statement.Identifier
  readonly dependencies: Statement.Identifier
  /** The labels and words of every card. */
  readonly search: Statement.Identifier
  /** The claimable cards of each label. */
  readonly claimableLabels: Statement.Identifier
  /** A composite type of the same schema: see `migrations/0011_commands.sql`. */
  readonly type: (name: string) => Statement.Identifier
  /** The columns of a card with its dependencies and counter, for `decodeCountedCard`. */
  readonly columns: Statement.Fragment
  /** The same columns, with null in place of body, acceptance criteria and result. */
  readonly summaryColumns: Statement.Fragment
  /** The row of `head`, as an item of FROM. */
  readonly head: Statement.Fragment
}

export const makeCardTables = (sql: SqlClient.SqlClient, schema: string): CardTables => {
  const cards = sql(`${schema}.cards`)
  const dependencies = sql(`${schema}.dependencies`)
  const columnsOf = (body: string, acceptance: string, result: string) =>
    sql`cards.id, title, ${sql.literal(body)}, phase, labels, priority, status, unmet_dependencies AS "unmetDependencies",
      ARRAY(SELECT depends_on_id FROM ${dependencies} AS edge WHERE edge.card_id = cards.id ORDER BY depends_on_id)
        AS "dependsOn",
      claim_owner AS "claimOwner", claim_ttl_seconds AS "claimTtlSeconds", claimed_at AS "claimedAt",
      claim_expires_at AS "claimExpiresAt", claim_token_high * 2147483648::float8 + claim_token AS "claimToken", attempts, not_before AS "notBefore",
      idempotency_key AS "idempotencyKey", ${sql.literal(acceptance)}, ${sql.literal(result)}, blocked_reason AS "blockedReason",
      note_count AS "noteCount", last_note AS "lastNote", last_note_actor AS "lastNoteActor", last_note_at AS "lastNoteAt",
      created_at AS "createdAt", updated_at AS "updatedAt", completed_at AS "completedAt", version`
  return {
    cards,
    dependencies,
    search: sql(`${schema}.card_search`),
    claimableLabels: sql(`${schema}.claimable_labels`),
    type: (name) => sql(`${schema}.${name}`),
    columns: columnsOf("body", "acceptance", "result"),
    summaryColumns: columnsOf("NULL AS body", "NULL AS acceptance", "NULL AS result"),
    head: currentHead(sql, schema)
  }
}
