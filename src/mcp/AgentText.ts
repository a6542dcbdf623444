/*
 * Every text that a tool returns to an agent. A card's text appears in an answer only as a quoted string or in a frame, so
 * that it cannot pass for the server's own statement (decision 36).
 */
import { DateTime, Effect, Schema } from "effect"
import { outlookReasonText } from "../domain/ClaimOutlook.ts"
import { escapeHidden, escapeHiddenInJson, quote } from "../domain/displayText.ts"
import { describeDependencies, describeObstacle } from "../domain/Explanation.ts"
import {
  BacklogService,
  type Card,
  type CardNote,
  type ClaimFilter,
  ClaimOutlook,
  type EventType,
  type Explanation,
  type Status
} from "../index.ts"
import type { Agent } from "./Agent.ts"

/** Text that the server states. `agentText` and `frame` make it; an answer does not accept a plain string. */
class AgentText {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

export type { AgentText }

/** A sentence of the server. Every string in it that is not `AgentText` is quoted. */
export const agentText = (
  fixed: TemplateStringsArray,
  ...values: ReadonlyArray<string | number | AgentText>
): AgentText => new AgentText(String.raw({ raw: fixed }, ...values.map(renderValue)))

const renderValue = (value: string | number | AgentText): string =>
  value instanceof AgentText ? value.text : typeof value === "string" ? quote(value) : String(value)

/** A word that the program itself defines, without quotes. */
export const term = (word: Status | EventType | LongPart): AgentText => new AgentText(word)

/** A sentence that another module made of fixed words, numbers and JSON strings. Stays on one line. */
export const fixedText = (text: string): AgentText => new AgentText(escapeHiddenInJson(text))

/** A text of one or more lines, each behind a bar. Only lines of frames begin with a bar. */
export const frame = (text: string): AgentText =>
  new AgentText(
    escapeHidden(text)
      .split("\n")
      .map((line) => (line === "" ? bar : `${bar} ${line}`))
      .join("\n")
  )

const bar = "|"

/** A time: `2026-01-22T12:04:05Z`. */
export const timeText = (time: DateTime.Utc): AgentText => new AgentText(isoTime(time))

/** A time as text for programs: `2026-01-22T12:04:05Z`. */
export const isoTime = (time: DateTime.Utc): string => DateTime.formatIso(time).replace(/\.\d+Z$/, "Z")

/** Joins texts. Leaves out those that are `undefined`. */
export const join = (separator: string, texts: ReadonlyArray<AgentText | undefined>): AgentText =>
  new AgentText(texts.flatMap((each) => (each === undefined ? [] : each.text)).join(separator))

/** Joins lines. Leaves out those that are `undefined`. */
export const lines = (...texts: ReadonlyArray<AgentText | undefined>): AgentText => join("\n", texts)

/** Lists ids in a sentence: the first `max`, and how many more there are. */
export const listIds = (ids: ReadonlyArray<string>, max = 10): AgentText => {
  const first = join(
    ", ",
    ids.slice(0, max).map((id) => agentText`${id}`)
  )
  return ids.length <= max ? first : agentText`${first} and ${ids.length - max} more`
}

/** A tool's answer: `text` with cards' text quoted or framed, `data` with the exact text. */
export interface ToolAnswer {
  readonly text: AgentText
  readonly data: Readonly<Record<string, unknown>>
}

/** Parts of a card that may be long. */
export const longParts = ["body", "acceptance", "result", "dependsOn", "blockedReason"] as const

/** A part of a card that may be long. */
export type LongPart = (typeof longParts)[number]

/** A long part as text. Anything that is not already text is JSON. */
export const partText = (card: Card, part: LongPart): string | undefined => {
  const value = card[part]
  if (value === null) return undefined
  return typeof value === "string" && part !== "acceptance" && part !== "result"
    ? value
    : escapeHiddenInJson(JSON.stringify(value))
}

/** A slice of a text, and where the next one begins. */
interface TextSlice {
  readonly text: string
  readonly from: number
  /** `undefined` at the end of the text. */
  readonly next: number | undefined
}

/** The slice of at most `length` characters that begins at `from`. Does not split a surrogate pair. */
export const sliceText = (whole: string, from: number, length: number): TextSlice => {
  const begin = sliceIndex(whole, Math.min(from, whole.length))
  const end = sliceIndex(whole, Math.min(begin + length, whole.length))
  return { text: whole.slice(begin, end), from: begin, next: end < whole.length ? end : undefined }
}

/** The index itself, or the one before it where it is inside a surrogate pair. */
const sliceIndex = (text: string, index: number): number => {
  const unit = text.charCodeAt(index)
  return unit >= 0xdc00 && unit <= 0xdfff && index > 0 ? index - 1 : index
}

/** Maximum number of characters of each long part that are shown with its card. */
const maxPartLength = 4000

/** Maximum number of dependencies that are shown with a card. */
const maxShownDependencies = 20

/** A part that was truncated or omitted, and where the rest of it begins. */
interface TruncatedPart {
  readonly part: LongPart
  readonly characters: number
  readonly from: number
}

interface VisibleParts {
  readonly data: Readonly<Record<string, unknown>>
  readonly texts: ReadonlyArray<{ readonly part: LongPart; readonly text: string }>
  readonly truncated: ReadonlyArray<TruncatedPart>
}

/** The long parts of a card as far as they are shown with it. */
const visibleParts = (card: Card): VisibleParts => {
  const data: Record<string, unknown> = {}
  const texts: Array<VisibleParts["texts"][number]> = []
  const truncated: Array<TruncatedPart> = []
  for (const part of longParts) {
    const text = partText(card, part)
    if (text === undefined || (part === "dependsOn" && card.dependsOn.length === 0)) continue
    const characters = text.length
    if (part === "dependsOn" && card.dependsOn.length > maxShownDependencies) {
      data[part] = card.dependsOn.slice(0, maxShownDependencies)
      truncated.push({ part, characters, from: 0 })
    } else if (part === "dependsOn") {
      data[part] = card[part]
    } else if (characters <= maxPartLength) {
      data[part] = card[part]
      texts.push({ part, text })
    } else if (part === "body" || part === "blockedReason") {
      const slice = sliceText(text, 0, maxPartLength)
      data[part] = slice.text
      texts.push({ part, text: slice.text })
      truncated.push({ part, characters, from: slice.text.length })
    } else {
      // A truncated JSON text cannot be parsed.
      truncated.push({ part, characters, from: 0 })
    }
  }
  return { data, texts, truncated }
}

/** A card without its long parts, for programs. */
export const cardSummary = (card: Card, { owner }: Agent): Readonly<Record<string, unknown>> => ({
  id: card.id,
  title: card.title,
  status: card.status,
  priority: card.priority,
  ...(card.phase === null ? {} : { phase: card.phase }),
  ...(card.labels.length === 0 ? {} : { labels: card.labels }),
  ...(card.noteCount === 0 ? {} : { noteCount: card.noteCount }),
  ...(card.claimOwner === null || card.claimExpiresAt === null
    ? {}
    : {
        owner: card.claimOwner,
        expiresAt: isoTime(card.claimExpiresAt),
        // An agent has no use for another agent's token, and could try to act with it.
        ...(card.claimOwner === owner ? { token: card.claimToken } : {})
      }),
  ...(card.attempts > 1 ? { attempts: card.attempts } : {}),
  ...(card.notBefore === null ? {} : { notBefore: isoTime(card.notBefore) }),
  ...(card.completedAt === null ? {} : { completedAt: isoTime(card.completedAt) })
})

/** A card for programs. `cut` lists the parts that were truncated, and where to read on. */
export const cardData = (card: Card, agent: Agent): Readonly<Record<string, unknown>> => {
  const { data, truncated } = visibleParts(card)
  return { ...cardSummary(card, agent), ...data, ...(truncated.length === 0 ? {} : { cut: truncated }) }
}

/** A card in one line. */
export const cardLine = (card: Card): AgentText =>
  join(" · ", [
    agentText`${card.id}: ${card.title}`,
    card.status === "claimed" && card.claimOwner !== null && card.claimExpiresAt !== null
      ? agentText`claimed by ${card.claimOwner} until ${timeText(card.claimExpiresAt)}`
      : term(card.status),
    agentText`priority ${card.priority}`,
    card.phase === null ? undefined : agentText`phase ${card.phase}`,
    card.labels.length === 0
      ? undefined
      : agentText`${card.labels.length === 1 ? agentText`label` : agentText`labels`} ${listIds(card.labels)}`,
    card.notBefore === null ? undefined : agentText`not before ${timeText(card.notBefore)}`
  ])

/** A card for agents, with everything that they need to work on it. */
export const cardText = (card: Card): AgentText => {
  const { texts, truncated } = visibleParts(card)
  return lines(
    cardLine(card),
    card.attempts > 1 ? agentText`This is attempt ${card.attempts}.` : undefined,
    card.dependsOn.length === 0 ? undefined : agentText`depends on: ${listIds(card.dependsOn, maxShownDependencies)}`,
    ...texts.flatMap(({ part, text }) => [agentText`${term(part)}:`, frame(text)]),
    ...truncated.map(
      ({ characters, from, part }) =>
        agentText`[${term(part)} has ${characters} characters; read the rest with backlog_show id=${card.id} part=${term(part)} from=${from}]`
    )
  )
}

/** Maximum number of dependencies that an obstacle names. */
const maxNamedDependencies = 10

/** Describes what keeps a card from being claimed, in one sentence each. */
export const obstacleTexts = (explanation: Explanation, owner: string): ReadonlyArray<AgentText> =>
  explanation.obstacles.map((obstacle) => {
    if (obstacle._tag === "Claimed" && !obstacle.expired && obstacle.holder === owner) {
      return agentText`You already hold it, until ${timeText(obstacle.expiresAt)}; backlog_show returns the token.`
    }
    return fixedText(describeObstacle(obstacle, { text: quote, time: isoTime, maxDependencies: maxNamedDependencies }))
  })

const encodeOutlook = Schema.encodeSync(ClaimOutlook)

/** Why there is nothing to claim, for programs. Fields that are `null` are omitted. */
export const outlookData = (outlook: ClaimOutlook): Readonly<Record<string, unknown>> => {
  const comeBackAt = nextChangeTime(outlook)
  return {
    ...Object.fromEntries(Object.entries(encodeOutlook(outlook)).filter(([, value]) => value !== null)),
    ...(comeBackAt === undefined ? {} : { comeBackAt: isoTime(comeBackAt) })
  }
}

/** Why there is nothing to claim, and when to come back. */
export const outlookText = (outlook: ClaimOutlook, filter: ClaimFilter): AgentText => {
  const { counts, nearest, soonestExpiry, soonestRetry } = outlook
  return lines(
    fixedText(`Nothing to claim${outlookReasonText(outlook, filter)}.`),
    soonestExpiry === null
      ? undefined
      : agentText`${soonestExpiry.id} becomes claimable at ${timeText(soonestExpiry.expiresAt)} unless ${soonestExpiry.holder} renews the claim.`,
    soonestRetry === null
      ? undefined
      : agentText`${soonestRetry.id} can be retried at ${timeText(soonestRetry.notBefore)}.`,
    nearest === null
      ? undefined
      : fixedText(
          `${quote(nearest.id)} has the fewest unmet dependencies: ${describeDependencies(nearest.waitsFor, quote)}${nearest.unmetDependencies > nearest.waitsFor.length ? " and more" : ""}.`
        ),
    mayChange(outlook, filter)
      ? agentText`Call backlog_claim with waitSeconds to wait for a card.`
      : counts.blocked > 0 || counts.waiting > 0
        ? agentText`There is no work until cards are unblocked or created.`
        : agentText`There is no work left.`
  )
}

/**
 * Whether a card can become claimable by the passing of time or by the current holders' work. The counts are those of the cards
 * that match the filter, and a card can wait for one that does not match.
 */
const mayChange = ({ counts }: ClaimOutlook, filter: ClaimFilter): boolean =>
  counts.claimable + counts.claimed + counts.deferred > 0 || (counts.waiting > 0 && isSelective(filter))

const isSelective = ({ labels = [], minPriority, phase, withoutLabels = [] }: ClaimFilter): boolean =>
  phase !== undefined || minPriority !== undefined || labels.length + withoutLabels.length > 0

const nextChangeTime = ({ soonestExpiry, soonestRetry }: ClaimOutlook): DateTime.Utc | undefined => {
  const times = [soonestExpiry?.expiresAt, soonestRetry?.notBefore].filter((time) => time !== undefined)
  return times.toSorted((a, b) => DateTime.toEpochMillis(a) - DateTime.toEpochMillis(b))[0]
}

/** Maximum number of notes that are shown with a card, and of characters of each. */
const maxShownNotes = 3
const maxNoteLength = 2000

/** Notes for agents and for programs. */
export const notesAnswer = (
  notes: ReadonlyArray<CardNote>
): { readonly texts: ReadonlyArray<AgentText>; readonly data: object } => {
  const shown = notes.map((note) => ({ ...note, slice: sliceText(note.text, 0, maxNoteLength) }))
  return {
    texts: shown.flatMap(({ actor, at, slice, text }) => [
      agentText`Note by ${actor} at ${timeText(at)}:`,
      frame(slice.text),
      ...(slice.next === undefined
        ? []
        : [agentText`[the note has ${text.length} characters; the first ${slice.next} are shown]`])
    ]),
    data: shown.map(({ actor, at, slice, version }) => ({ version, at: isoTime(at), actor, text: slice.text }))
  }
}

/** The latest notes on a card, the last one first. */
export const latestNotes = Effect.fnUntraced(function* (card: Card) {
  if (card.noteCount === 0) return { texts: [], data: {} }
  const notes = yield* (yield* BacklogService).notes({ id: card.id, limit: maxShownNotes })
  const { data, texts } = notesAnswer(notes)
  const more = card.noteCount - notes.length
  return {
    texts: [
      ...texts,
      ...(more > 0 ? [agentText`[${more} earlier notes: read them with backlog_show id=${card.id} part=notes]`] : [])
    ],
    data: { notes: data }
  }
})

/** The cards that an agent now holds, with everything that it needs to work on them: also what was noted before. */
export const claimedAnswer = Effect.fnUntraced(function* (cards: ReadonlyArray<Card>, agent: Agent) {
  const notes = yield* Effect.forEach(cards, latestNotes)
  return {
    text: lines(
      ...cards.flatMap((card, index) => [
        agentText`You hold ${card.id} with token ${card.claimToken ?? 0}, for ${card.claimTtlSeconds ?? 0} seconds.`,
        cardText(card),
        ...(notes[index]?.texts ?? [])
      ]),
      agentText`Renew a claim before it expires; complete or release the card with its token.`
    ),
    data: { claimed: cards.map((card, index) => ({ ...cardData(card, agent), ...notes[index]?.data })) }
  } satisfies ToolAnswer
})

/** The answer of a claim that found nothing: why, and when to come back. */
export const nothingClaimableAnswer = Effect.fnUntraced(function* (filter: ClaimFilter, commandId: string | undefined) {
  // This may be the stored answer of an earlier call, which the current state would not explain.
  if (commandId !== undefined) {
    return {
      text: agentText`There was nothing to claim when this command was carried out. To try again, use another commandId.`,
      data: { claimed: [] }
    }
  }
  const outlook = yield* (yield* BacklogService).whyNothingClaimable(filter)
  return { text: outlookText(outlook, filter), data: { claimed: [], why: outlookData(outlook) } }
})
