import type { DateTime } from "effect"
import type { Card } from "../domain/Card.ts"
import { isDue } from "../domain/Claimability.ts"
import { formatTime } from "../domain/Time.ts"
import { arrayLiteral } from "../sql/arrayLiteral.ts"
import { jsonField, textField } from "../sql/recordLines.ts"

/** The state of a card's row. */
export interface CardRow {
  readonly card: Card
  readonly unmetDependencies: number
  readonly deferred: boolean
  /** The place of the card's last event, counted back from the last event of the log, which has place 0. */
  readonly place: number
}

/** Whether a card is not in the claim index because its retry time has not passed. */
export const isDeferred = (card: Pick<Card, "status" | "notBefore">, now: DateTime.Utc): boolean =>
  card.status === "ready" && !isDue(card.notBefore, now)

/** Formats a record of the type `card_state_v1`: every column except those of `toContentLine` and `toNoteLine`. */
export const toStateLine = ({ card, deferred, place, unmetDependencies }: CardRow): string => {
  const { claimToken } = card
  return `(${textField(card.id)},${card.status},${unmetDependencies},${timeField(card.notBefore)},${deferred},${card.attempts},${timeField(card.updatedAt)},${timeField(card.completedAt)},${card.version},${place},${
    claimToken === null
      ? ",,,,0,"
      : `${textField(card.claimOwner)},${card.claimTtlSeconds},${timeField(card.claimedAt)},${timeField(card.claimExpiresAt)},${Math.floor(claimToken / 2 ** 31)},${claimToken % 2 ** 31}`
  },${jsonField(card.blockedReason)},${jsonField(card.result)})`
}

/** Formats a record of the type `card_content_v2`: the columns that a claim or a completion does not change. */
export const toContentLine = ({ card }: CardRow): string =>
  `(${textField(card.id)},${textField(card.phase)},${card.priority},${textField(card.idempotencyKey)},${timeField(card.createdAt)},${jsonField(card.title)},${jsonField(card.body)},${jsonField(card.acceptance)},${card.labels.length === 0 ? "{}" : textField(arrayLiteral(card.labels))})`

/** Formats a record of the type `card_note_v1`: the columns that a note changes. */
export const toNoteLine = ({ card: { id, lastNote, noteCount } }: CardRow): string =>
  `(${textField(id)},${noteCount},${
    lastNote === null ? ",," : `${jsonField(lastNote.text)},${textField(lastNote.actor)},${timeField(lastNote.at)}`
  })`

/** The approximate number of characters of a card's last note. */
export const noteSize = ({ card }: CardRow): number => card.lastNote?.text.length ?? 0

/** The approximate number of characters of a card's texts. */
export const contentSize = ({ card }: Pick<CardRow, "card">): number =>
  card.title.length +
  card.labels.length * 20 +
  (card.body?.length ?? 0) +
  (card.acceptance === null ? 0 : JSON.stringify(card.acceptance).length)

/** The approximate number of characters of a card's result. */
export const resultSize = ({ card }: CardRow): number => (card.result === null ? 0 : JSON.stringify(card.result).length)

const timeField = (time: DateTime.Utc | null): string => (time === null ? "" : formatTime(time))
