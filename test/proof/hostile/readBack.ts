import { DateTime, Effect, Option, Stream } from "effect"
import { isDeepStrictEqual } from "node:util"
import type { Card } from "../../../src/domain/Card.ts"
import { AuditService } from "../../../src/services/AuditService.ts"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { plain } from "../../support/backlogs.ts"
import { isData } from "./data.ts"

/** The fields of a card that command fields of the same name set. */
const kept = ["title", "body", "phase", "priority", "acceptance", "result", "idempotencyKey", "blockedReason"] as const

const cardsIn = (answer: unknown): ReadonlyArray<Card> => {
  if (Option.isOption(answer)) return cardsIn(Option.getOrElse(answer, () => []))
  if (Array.isArray(answer)) return answer.flatMap(cardsIn)
  if (typeof answer !== "object" || answer === null) return []
  if ("card" in answer) return cardsIn(answer.card)
  return "dependsOn" in answer ? [answer as Card] : []
}

/** A value as JSON returns it: 0 without a sign, and a new object. */
const asJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

/** The elements of an array whose iterator and methods may be the caller's. */
const elementsOf = (array: ReadonlyArray<unknown>): ReadonlyArray<unknown> =>
  Array.from({ length: array.length }, (_, index) => array[index])

const isSameSet = (given: ReadonlyArray<unknown>, read: ReadonlyArray<unknown>): boolean =>
  isDeepStrictEqual(new Set(elementsOf(given)), new Set(read))

const differing = (given: Readonly<Record<string, unknown>>, card: Card): string | undefined => {
  for (const field of kept) {
    if (given[field] === undefined || isDeepStrictEqual(asJson(given[field]), card[field])) continue
    return `${field} was given and is not what is read`
  }
  const { addLabels, dependsOn, labels, occurredAt } = given
  if (Array.isArray(labels) && !isSameSet(labels, card.labels)) {
    return "labels differ from the input"
  }
  if (Array.isArray(addLabels) && elementsOf(addLabels).some((label) => !card.labels.includes(label as string))) {
    return "addLabels differ from the input"
  }
  if (Array.isArray(dependsOn) && !isSameSet(dependsOn, card.dependsOn)) {
    return "dependsOn differs from the input"
  }
  if (
    DateTime.isDateTime(occurredAt) &&
    Math.floor(occurredAt.epochMilliseconds) !== card.createdAt.epochMilliseconds
  ) {
    return "occurredAt differs from the input"
  }
  return undefined
}

/** The note that a command writes. */
const noteOf = (tag: string, given: Readonly<Record<string, unknown>>): unknown =>
  tag === "Note" ? given["text"] : tag === "Renew" ? (given["note"] ?? undefined) : undefined

/** Describes which parts of an accepted command the backlog does not return afterwards. Empty when it returns all. */
export const lost = Effect.fnUntraced(function* (
  tag: string,
  input: unknown,
  became: { readonly answer: unknown; readonly after: number }
) {
  const backlog = yield* BacklogService
  const audit = yield* AuditService
  for (const answered of cardsIn(became.answer)) {
    const {
      madeClaimable: _,
      next: _next,
      ...card
    } = answered as Card & {
      readonly madeClaimable?: unknown
      readonly next?: unknown
    }
    const read = Option.getOrUndefined(yield* backlog.get(card.id))
    if (read === undefined || !isDeepStrictEqual(plain(read), plain(card))) {
      return `answered ${JSON.stringify(plain(card)).slice(0, 2000)}, read ${JSON.stringify(read).slice(0, 2000)}`
    }
    if (!isData(input)) continue
    // A card that was done before keeps its first result, even when the command then claims another card.
    const changes = yield* Stream.runHead(audit.events({ after: became.after, cardId: card.id }))
    if (Option.isNone(changes)) continue
    const given = input as Readonly<Record<string, unknown>>
    const cards = tag === "CreateMany" ? (given["cards"] as ReadonlyArray<Readonly<Record<string, unknown>>>) : [given]
    const note = noteOf(tag, given)
    if (note !== undefined && read.lastNote?.text !== note) return "the note is not the last one"
    // A key that was used before returns its card, whatever else the input states.
    const own = cards.find(
      ({ id, idempotencyKey }) => tag !== "CreateMany" || (id === card.id && idempotencyKey == null)
    )
    const difference =
      own === undefined || !["Create", "CreateMany", "Revise", "Complete"].includes(tag)
        ? undefined
        : differing(own, read)
    if (difference !== undefined) return difference
  }
  return undefined
})
