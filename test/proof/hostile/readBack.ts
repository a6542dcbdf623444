import { DateTime, Effect, Option, Stream } from "effect"
import { isDeepStrictEqual } from "node:util"
import type { Card } from "../../../src/domain/Card.ts"
import { AuditService } from "../../../src/services/AuditService.ts"
import { BacklogService } from "../../../src/services/BacklogService.ts"
import { plain } from "../../support/backlogs.ts"
import { isData } from "./data.ts"

/** The fields of a card that a command's fields of the same name set. */
const kept = ["title", "body", "phase", "priority", "acceptance", "result", "idempotencyKey", "blockedReason"] as const

const cardsIn = (answer: unknown): ReadonlyArray<Card> => {
  if (Option.isOption(answer)) return cardsIn(Option.getOrElse(answer, () => []))
  if (Array.isArray(answer)) return answer.flatMap(cardsIn)
  if (typeof answer !== "object" || answer === null) return []
  if ("card" in answer) return cardsIn(answer.card)
  return "dependsOn" in answer ? [answer as Card] : []
}

/** As JSON comes back: without a sign on 0, and nobody else's. */
const asJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

const differing = (given: Readonly<Record<string, unknown>>, card: Card): string | undefined => {
  for (const field of kept) {
    if (given[field] === undefined || isDeepStrictEqual(asJson(given[field]), card[field])) continue
    return `${field} was given and is not what is read`
  }
  const { dependsOn, occurredAt } = given
  if (Array.isArray(dependsOn) && !isDeepStrictEqual(new Set(dependsOn), new Set<unknown>(card.dependsOn))) {
    return "dependsOn was given and is not what is read"
  }
  if (
    DateTime.isDateTime(occurredAt) &&
    Math.floor(occurredAt.epochMilliseconds) !== card.createdAt.epochMilliseconds
  ) {
    return "occurredAt was given and is not what is read"
  }
  return undefined
}

/** What an accepted command says that the backlog does not say afterwards, in words; nothing when all of it is there. */
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
    // A card that was done before keeps its first result, also when the command then claims another.
    const changes = yield* Stream.runHead(audit.events({ after: became.after, cardId: card.id }))
    if (Option.isNone(changes)) continue
    const given = input as Readonly<Record<string, unknown>>
    const cards = tag === "CreateMany" ? (given["cards"] as ReadonlyArray<Readonly<Record<string, unknown>>>) : [given]
    // A key that was used before answers the card that has it, whatever else was given.
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
