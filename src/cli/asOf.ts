import { Effect, Option, Stream } from "effect"
import { AuditService, type BacklogAt, type Card, type CardAt } from "../index.ts"
import { momentWords } from "./at.ts"
import { moment } from "./times.ts"

/** As of when an answer about a card is: what was asked for, and the last of the card's events by then. */
export const asOfCard = Effect.fnUntraced(function* (card: Pick<Card, "id" | "version">, at: typeof CardAt.Type) {
  const audit = yield* AuditService
  const last = yield* Stream.runHead(Stream.drop(audit.history(card.id), card.version - 1))
  const asked = "version" in at ? "" : `${momentWords(at)}: `
  return Option.match(last, {
    onNone: () => `As of ${momentWords(at)}.`,
    onSome: ({ position, recordedAt, version }) =>
      `As of ${asked}version ${version} of the card, position ${position}, recorded ${moment(recordedAt)}.`
  })
})

/** As of when an answer about the backlog is. */
export const asOfBacklog = ({ position, time }: BacklogAt): string =>
  position === 0 ? "As of position 0, before everything." : `As of position ${position}, ${moment(time)}.`
