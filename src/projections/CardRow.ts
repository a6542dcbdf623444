import { DateTime } from "effect"
import type { Card, Status } from "../domain/Card.ts"
import type { CardId } from "../domain/CardId.ts"

/** A row of `cards` with the card's dependencies: times as the driver gives them. */
interface CardRow {
  readonly [column: string]: unknown
}

/** A card and its counter. */
export interface CountedCard {
  readonly card: Card
  readonly unmetDependencies: number
}

/**
 * Decodes a row of the columns in `CardTables`. Throws when the row is not a card: the read model is damaged. By hand,
 * where a schema takes a sixth of the time of a batch: the columns' types leave little to be wrong, and whether a row is
 * what the log says is for a verification to tell.
 */
export const decodeCountedCard = (row: object): CountedCard => {
  const from = row as CardRow
  return {
    card: {
      id: text(from, "id") as CardId,
      title: text(from, "title"),
      body: orNull(from, "body", text),
      phase: orNull(from, "phase", text),
      priority: whole(from, "priority"),
      status: status(from),
      dependsOn: from["dependsOn"] as ReadonlyArray<CardId>,
      claimOwner: orNull(from, "claimOwner", text),
      claimTtlSeconds: orNull(from, "claimTtlSeconds", whole),
      claimedAt: orNull(from, "claimedAt", time),
      claimExpiresAt: orNull(from, "claimExpiresAt", time),
      claimToken: orNull(from, "claimToken", whole),
      attempts: whole(from, "attempts"),
      notBefore: orNull(from, "notBefore", time),
      idempotencyKey: orNull(from, "idempotencyKey", text),
      acceptance: from["acceptance"] as Card["acceptance"],
      result: from["result"] as Card["result"],
      blockedReason: orNull(from, "blockedReason", text),
      createdAt: time(from, "createdAt"),
      updatedAt: time(from, "updatedAt"),
      completedAt: orNull(from, "completedAt", time),
      version: whole(from, "version")
    },
    unmetDependencies: whole(from, "unmetDependencies")
  }
}

type Read<A> = (row: CardRow, column: string) => A

const orNull = <A>(row: CardRow, column: string, read: Read<A>): A | null =>
  row[column] === null ? null : read(row, column)

const text: Read<string> = (row, column) => {
  const value = row[column]
  return typeof value === "string" ? value : damaged(row, column)
}

const whole: Read<number> = (row, column) => {
  const value = row[column]
  return Number.isInteger(value) ? (value as number) : damaged(row, column)
}

const time: Read<DateTime.Utc> = (row, column) => {
  const value = row[column]
  return value instanceof Date && !Number.isNaN(value.getTime()) ? DateTime.fromDateUnsafe(value) : damaged(row, column)
}

const status = (row: CardRow): Status => {
  switch (row["status"]) {
    case "ready":
    case "claimed":
    case "blocked":
    case "done":
      return row["status"]
    default:
      return damaged(row, "status")
  }
}

const damaged = (row: CardRow, column: string): never => {
  throw new Error(
    `the row of card ${JSON.stringify(row["id"])} in the read model is damaged: ${column} is ${String(row[column])}`
  )
}
