import { Effect, Option, Schema, Stream } from "effect"
import { escapeHiddenInJson } from "../../domain/displayText.ts"
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
  frame,
  isoTime,
  join,
  latestNotes,
  lines,
  type LongPart,
  longParts,
  notesAnswer,
  timeText,
  obstacleTexts,
  outlookData,
  outlookText,
  partText,
  sliceText,
  term,
  agentText,
  type AgentText
} from "../AgentText.ts"
import { agentTool, requireRange, boolean, oneOf, string, strings, integer } from "../AgentTool.ts"

const defaultLimit = 20

/** Maximum number of cards of one answer. */
export const maxLimit = 100

/**
 * Result: `cards`, a list of summaries; `after`, the id to continue after, if there are more.
 */
export const listTool = agentTool(
  "backlog_list",
  {
    description: "List or search cards, in the order in which they are claimed.",
    parameters: {
      text: Schema.optional(string("Words, or beginnings of words")),
      status: Schema.optional(oneOf(Status.literals)),
      phase: Schema.optional(string()),
      labels: Schema.optional(strings()),
      owner: Schema.optional(string("Claim holder")),
      claimable: Schema.optional(boolean()),
      limit: Schema.optional(integer(`Default ${defaultLimit}, at most ${maxLimit}`)),
      after: Schema.optional(string("Continue after this id"))
    },
    isReadOnly: true,
    showsCardText: true
  },
  Effect.fnUntraced(function* ({ claimable, limit = defaultLimit, ...filter }, agent) {
    yield* requireRange("limit", limit, 1, maxLimit)
    const found = yield* (yield* BacklogService).list({
      ...filter,
      claimability: claimable === true ? "claimable" : undefined,
      limit: limit + 1
    })
    const cards = found.slice(0, limit)
    const last = found.length > limit ? cards.at(-1)?.id : undefined
    return {
      text: lines(
        ...cards.map(cardLine),
        cards.length === 0 ? agentText`No card matches.` : undefined,
        last === undefined ? undefined : agentText`[There are more: continue with after=${last}]`
      ),
      data: { cards: cards.map((card) => cardSummary(card, agent)), ...(last === undefined ? {} : { after: last }) }
    }
  })
)

/** Maximum number of characters of a part that one call returns. */
const maxReadLength = 16_000

/** What `backlog_show` returns of a card instead of the whole card. */
const shownParts = [...longParts, "notes", "history"] as const

/**
 * Result: the card with its texts, `cut` (the texts that were truncated, and where to read on) and latest notes; if you do
 * not hold it, `claimable` and `why`. With `part`: `text` and `characters` of a long part, `notes`, or `events`, and `next`,
 * the value of `from` to continue, if there is more. Without `id`: the counts of the backlog.
 */
export const showTool = agentTool(
  "backlog_show",
  {
    description: "Show a card, and why it can or cannot be claimed. Without id: counts of the backlog.",
    parameters: {
      id: Schema.optional(string()),
      part: Schema.optional(oneOf(shownParts, "Only this: a long part, the notes, or the events")),
      from: Schema.optional(integer("Continue from here, as the last answer says"))
    },
    isReadOnly: true,
    showsCardText: true
  },
  Effect.fnUntraced(function* ({ from, id, part }, agent) {
    if (part === undefined && from !== undefined) {
      return yield* new InvalidInput({ problem: 'from requires part\n  at ["part"]' })
    }
    if (from !== undefined && from < 0) return yield* new InvalidInput({ problem: 'Expected 0 or more\n  at ["from"]' })
    if (id === undefined) {
      if (part !== undefined) return yield* new InvalidInput({ problem: 'Missing key\n  at ["id"]' })
      return yield* showStats
    }
    if (part === "history") return yield* showHistory(id, from ?? 0)
    if (part === "notes") return yield* showNotes(id, from)
    const backlog = yield* BacklogService
    const found = yield* backlog.get(id)
    if (Option.isNone(found)) return yield* new CardNotFound({ id: id as Card["id"] })
    return yield* part === undefined
      ? showCard(found.value, agent)
      : Effect.succeed(showPart(found.value, part, from ?? 0))
  })
)

const showCard = Effect.fnUntraced(function* (card: Card, agent: Agent) {
  const notes = yield* latestNotes(card)
  const isOwn = card.claimOwner === agent.owner && card.claimToken !== null
  if (isOwn) {
    return {
      text: lines(cardText(card), ...notes.texts, agentText`You hold it with token ${card.claimToken}.`),
      data: { ...cardData(card, agent), ...notes.data }
    }
  }
  const explanation = yield* (yield* BacklogService).explain(card.id)
  const why = obstacleTexts(explanation, agent.owner)
  return {
    text: lines(
      cardText(card),
      ...notes.texts,
      explanation.claimable ? agentText`It can be claimed.` : join(" ", [agentText`It cannot be claimed.`, ...why])
    ),
    data: {
      ...cardData(card, agent),
      ...notes.data,
      claimable: explanation.claimable,
      ...(why.length === 0 ? {} : { why: why.map(({ text: reason }) => reason) })
    }
  }
})

const showPart = (card: Card, part: LongPart, from: number) => {
  const all = partText(card, part) ?? ""
  const { from: begin, next, text: read } = sliceText(all, from, maxReadLength)
  return {
    text: lines(
      agentText`${term(part)} of ${card.id}, from character ${begin}:`,
      frame(read),
      next === undefined
        ? undefined
        : agentText`[${all.length - next} more characters; read the rest with backlog_show id=${card.id} part=${term(part)} from=${next}]`
    ),
    data: { id: card.id, part, text: read, characters: all.length, ...(next === undefined ? {} : { next }) }
  }
}

const showStats = Effect.gen(function* () {
  const backlog = yield* BacklogService
  const stats = yield* backlog.stats
  const { blocked, claimed, done, ready } = stats.counts
  const outlook = stats.claimable === 0 ? yield* backlog.whyNothingClaimable() : undefined
  return {
    text: lines(
      agentText`${stats.total} ${stats.total === 1 ? agentText`card` : agentText`cards`}: ${ready} ready (${stats.claimable} claimable, ${stats.waiting} waiting for dependencies), ${claimed} claimed, ${blocked} blocked, ${done} done.`,
      stats.expiredClaimCount === 0 ? undefined : agentText`Expired claims: ${stats.expiredClaimCount}.`,
      outlook === undefined ? undefined : outlookText(outlook, {})
    ),
    data: { ...stats, ...(outlook === undefined ? {} : { why: outlookData(outlook) }) }
  }
})

/** Maximum number of characters of each event's data. */
const maxDataLength = 400

/** The events of a card after a version, in order. */
const showHistory = Effect.fnUntraced(function* (id: string, from: number) {
  let last = 0
  const events = yield* (yield* AuditService).history(id).pipe(
    Stream.tap(({ version }) => Effect.sync(() => (last = version))),
    Stream.dropWhile(({ version }) => version <= from),
    Stream.take(defaultLimit + 1),
    Stream.runCollect
  )
  if (from > last) {
    return yield* new InvalidInput({
      problem: `Expected at most ${last}, the card's last version, got ${from}\n  at ["from"]`
    })
  }
  const shown = events.slice(0, defaultLimit)
  const shownLast = events.length > defaultLimit ? shown.at(-1)?.version : undefined
  return {
    text: lines(
      ...shown.flatMap(describeEvent),
      shown.length === 0 ? agentText`There are no more events.` : undefined,
      shownLast === undefined ? undefined : agentText`[There are more: continue with part=history from=${shownLast}]`
    ),
    data: {
      events: shown.map((event) => ({
        version: event.version,
        position: event.position,
        at: isoTime(event.occurredAt),
        type: event.type,
        actor: event.actor,
        ...dataOf(event)
      })),
      ...(shownLast === undefined ? {} : { next: shownLast })
    }
  }
})

/** The notes on a card before a version, the last one first. */
const showNotes = Effect.fnUntraced(function* (id: string, before: number | undefined) {
  const found = yield* (yield* BacklogService).notes({
    id,
    limit: defaultLimit + 1,
    ...(before === undefined || before < 1 ? {} : { before })
  })
  const shown = found.slice(0, defaultLimit)
  const { data, texts } = notesAnswer(shown)
  const next = found.length > defaultLimit ? shown.at(-1)?.version : undefined
  return {
    text: lines(
      ...texts,
      shown.length === 0 ? agentText`There are no more notes.` : undefined,
      next === undefined ? undefined : agentText`[There are more: continue with part=notes from=${next}]`
    ),
    data: { notes: data, ...(next === undefined ? {} : { next }) }
  }
})

const isKnownType = Schema.is(EventType)

/** An event in one line, and its data in a frame. */
const describeEvent = (event: RecordedEvent): ReadonlyArray<AgentText> => {
  const { characters, data } = dataOf(event)
  const type = isKnownType(event.type) ? term(event.type) : agentText`${event.type}`
  return [
    agentText`${event.version} ${timeText(event.occurredAt)} ${type} by ${event.actor}`,
    frame(data),
    ...(characters === undefined
      ? []
      : [agentText`[data has ${characters} characters; the first ${data.length} are shown]`])
  ]
}

/** An event's data as JSON, truncated. `characters` is the full length of truncated data. */
const dataOf = ({ data }: RecordedEvent): { readonly data: string; readonly characters?: number } => {
  const json = escapeHiddenInJson(JSON.stringify(data))
  const { next, text } = sliceText(json, 0, maxDataLength)
  return next === undefined ? { data: text } : { data: text, characters: json.length }
}
