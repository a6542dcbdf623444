import { Effect, Option, Schema, Stream } from "effect"
import { visibleJson } from "../../domain/displayText.ts"
import {
  AuditService,
  BacklogService,
  type Card,
  CardNotFound,
  EventType,
  InvalidInput,
  type RecordedEvent,
  Status
} from "../../index.ts"
import type { Agent } from "../Agent.ts"
import {
  cardData,
  cardLine,
  cardSummary,
  cardText,
  framed,
  instant,
  joined,
  lines,
  type LongPart,
  longParts,
  moment,
  obstacles,
  outlookData,
  outlookText,
  partText,
  pieceOf,
  term,
  words,
  type Words
} from "../AgentText.ts"
import { agentTool, card, flag, oneOf, text, whole } from "../AgentTool.ts"

const defaultLimit = 20
const maxLimit = 100

/** Characters of a part that one call reads. */
const readAtOnce = 16_000

export const showTool = agentTool(
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

/** Characters of each event's data that are shown. */
const dataShown = 400

export const historyTool = agentTool(
  "backlog_history",
  {
    about: "What happened to a card: its events, in order.",
    takes: {
      ...card,
      limit: Schema.optional(whole(`Default ${defaultLimit}, at most ${maxLimit}`)),
      afterVersion: Schema.optional(whole("Go on after this event"))
    },
    reads: true,
    showsText: true
  },
  Effect.fnUntraced(function* ({ afterVersion = 0, id, limit = defaultLimit }) {
    if (limit < 1 || limit > maxLimit) {
      return yield* new InvalidInput({ problem: `Expected 1 to ${maxLimit}\n  at ["limit"]` })
    }
    let last = 0
    const events = yield* (yield* AuditService).history(id).pipe(
      Stream.tap(({ version }) => Effect.sync(() => (last = version))),
      Stream.dropWhile(({ version }) => version <= afterVersion),
      Stream.take(limit + 1),
      Stream.runCollect
    )
    if (afterVersion > last) {
      return yield* new InvalidInput({
        problem: `Expected a version up to ${last}, the card's last, got ${afterVersion}\n  at ["afterVersion"]`
      })
    }
    const shown = events.slice(0, limit)
    const shownLast = events.length > limit ? shown.at(-1)?.version : undefined
    return {
      text: lines(
        ...shown.flatMap(described),
        shown.length === 0 ? words`There is nothing more.` : undefined,
        shownLast === undefined ? undefined : words`[There are more: continue with afterVersion=${shownLast}]`
      ),
      data: {
        events: shown.map((event) => ({
          version: event.version,
          position: event.position,
          at: instant(event.occurredAt),
          type: event.type,
          actor: event.actor,
          ...dataOf(event)
        })),
        ...(shownLast === undefined ? {} : { afterVersion: shownLast })
      }
    }
  })
)

const isKnownType = Schema.is(EventType)

/** An event in a line, and its data in a frame. */
const described = (event: RecordedEvent): ReadonlyArray<Words> => {
  const { characters, data } = dataOf(event)
  const type = isKnownType(event.type) ? term(event.type) : words`${event.type}`
  return [
    words`${event.version} ${moment(event.occurredAt)} ${type} by ${event.actor}`,
    framed(data),
    ...(characters === undefined ? [] : [words`[data has ${characters} characters, of which ${data.length} are shown]`])
  ]
}

/** An event's data as JSON, and how many characters it has where that is not all of them. */
const dataOf = ({ data }: RecordedEvent): { readonly data: string; readonly characters?: number } => {
  const json = visibleJson(JSON.stringify(data))
  const { next, text } = pieceOf(json, 0, dataShown)
  return next === undefined ? { data: text } : { data: text, characters: json.length }
}

export const listTool = agentTool(
  "backlog_list",
  {
    about: "Cards in the order in which they are claimed, in short.",
    takes: {
      status: Schema.optional(oneOf(Status.literals)),
      phase: Schema.optional(text()),
      claimable: Schema.optional(flag("Only claimable cards")),
      limit: Schema.optional(whole(`Default ${defaultLimit}, at most ${maxLimit}`)),
      after: Schema.optional(text("Go on after this id"))
    },
    reads: true,
    showsText: true
  },
  Effect.fnUntraced(function* ({ after, claimable, limit = defaultLimit, phase, status }, agent) {
    if (limit < 1 || limit > maxLimit) {
      return yield* new InvalidInput({ problem: `Expected 1 to ${maxLimit}\n  at ["limit"]` })
    }
    const found = yield* (yield* BacklogService).list({ status, phase, after, readyOnly: claimable, limit: limit + 1 })
    const cards = found.slice(0, limit)
    const last = found.length > limit ? cards.at(-1)?.id : undefined
    return {
      text: lines(
        ...cards.map(cardLine),
        cards.length === 0 ? words`There is no such card.` : undefined,
        last === undefined ? undefined : words`[There are more: go on with after=${last}]`
      ),
      data: { cards: cards.map((card) => cardSummary(card, agent)), ...(last === undefined ? {} : { after: last }) }
    }
  })
)
