import { Effect, Option, Schema } from "effect"
import { type Agent } from "../Agent.ts"
import { BacklogService, type Card, CardNotFound, InvalidInput } from "../../index.ts"
import { agentTool } from "../AgentTool.ts"
import { cardData, cardText } from "../cardAnswer.ts"
import { type LongPart, longParts, partText } from "../longParts.ts"
import { obstacles } from "../obstacles.ts"
import { outlookData, outlookText } from "../outlook.ts"
import { oneOf, text, whole } from "../parameters.ts"
import { pieceOf } from "../pieces.ts"
import { framed, joined, lines, term, words } from "../words.ts"

/** Characters of a part that one call reads. */
const readAtOnce = 16_000

export const show = agentTool(
  "backlog_show",
  {
    about: "A card, and why it can or cannot be claimed. Without id: the backlog in numbers.",
    takes: {
      id: Schema.optional(text()),
      part: Schema.optional(oneOf(longParts, "Read only this part, from character from")),
      from: Schema.optional(whole())
    },
    reads: true,
    showsText: true
  },
  Effect.fnUntraced(function* ({ from, id, part }, agent) {
    if (part === undefined && from !== undefined) {
      return yield* new InvalidInput({ problem: 'from is a place in a part, which is missing\n  at ["part"]' })
    }
    if (from !== undefined && from < 0) return yield* new InvalidInput({ problem: 'Expected 0 or more\n  at ["from"]' })
    if (id === undefined) {
      if (part !== undefined) return yield* new InvalidInput({ problem: 'Missing key\n  at ["id"]' })
      return yield* backlogInNumbers
    }
    const backlog = yield* BacklogService
    const found = yield* backlog.get(id)
    if (Option.isNone(found)) return yield* new CardNotFound({ id: id as Card["id"] })
    return yield* part === undefined
      ? wholeCard(found.value, agent)
      : Effect.succeed(partOf(found.value, part, from ?? 0))
  })
)

const wholeCard = Effect.fnUntraced(function* (card: Card, agent: Agent) {
  const isOwn = card.claimOwner === agent.owner && card.claimToken !== null
  if (isOwn) {
    return {
      text: lines(cardText(card), words`You hold it with token ${card.claimToken}.`),
      data: cardData(card, agent)
    }
  }
  const explanation = yield* (yield* BacklogService).explain(card.id)
  const why = obstacles(explanation, agent.owner)
  return {
    text: lines(
      cardText(card),
      explanation.claimable ? words`It can be claimed.` : joined(" ", [words`It cannot be claimed.`, ...why])
    ),
    data: {
      ...cardData(card, agent),
      claimable: explanation.claimable,
      ...(why.length === 0 ? {} : { why: why.map(({ text: reason }) => reason) })
    }
  }
})

const partOf = (card: Card, part: LongPart, from: number) => {
  const all = partText(card, part) ?? ""
  const { from: begin, next, text: read } = pieceOf(all, from, readAtOnce)
  return {
    text: lines(
      words`${term(part)} of ${card.id}, from character ${begin}:`,
      framed(read),
      next === undefined
        ? undefined
        : words`[${all.length - next} more characters: backlog_show id=${card.id} part=${term(part)} from=${next}]`
    ),
    data: { id: card.id, part, text: read, characters: all.length, ...(next === undefined ? {} : { next }) }
  }
}

const backlogInNumbers = Effect.gen(function* () {
  const backlog = yield* BacklogService
  const stats = yield* backlog.stats
  const { blocked, claimed, done, ready } = stats.counts
  const outlook = stats.claimable === 0 ? yield* backlog.whyNothingClaimable() : undefined
  return {
    text: lines(
      words`${stats.total} ${stats.total === 1 ? words`card` : words`cards`}: ${ready} ready (${stats.claimable} claimable, ${stats.waiting} waiting for others), ${claimed} claimed, ${blocked} blocked, ${done} done.`,
      stats.expiredClaimCount === 0 ? undefined : words`Claims that have run out: ${stats.expiredClaimCount}.`,
      outlook === undefined ? undefined : outlookText(outlook, {})
    ),
    data: { ...stats, ...(outlook === undefined ? {} : { why: outlookData(outlook) }) }
  }
})
