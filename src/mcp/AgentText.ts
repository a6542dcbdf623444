import { DateTime, Effect, Schema } from "effect"
import { outlookReasonText } from "../domain/ClaimOutlook.ts"
import { quote, escapeHiddenInJson, escapeHidden } from "../domain/displayText.ts"
import {
  BacklogService,
  type Card,
  type ClaimFilter,
  ClaimOutlook,
  type EventType,
  type Explanation,
  type Obstacle,
  type Status
} from "../index.ts"
import type { Agent } from "./Agent.ts"

/** A tool's answer: `text` with text of cards quote or framed, `data` with the exact text. */
export interface ToolAnswer {
  readonly text: AgentText
  readonly data: Readonly<Record<string, unknown>>
}

/** Cards that an agent holds now, and what it has to know to work on them. */
export const claimedAnswer = (cards: ReadonlyArray<Card>, agent: Agent): ToolAnswer => ({
  text: lines(
    ...cards.flatMap((card) => [
      agentText`You hold ${card.id} with token ${card.claimToken ?? 0}, for ${card.claimTtlSeconds ?? 0} seconds.`,
      cardText(card)
    ]),
    agentText`Renew before a lease ends; complete or release with the token.`
  ),
  data: { claimed: cards.map((card) => cardData(card, agent)) }
})

/** That there was nothing to claim, why, and when to come back. */
export const nothingClaimableAnswer = Effect.fnUntraced(function* (choice: ClaimFilter, commandId: string | undefined) {
  // The command may have been carried out long ago: what is now would say nothing of it.
  if (commandId !== undefined) {
    return {
      text: agentText`There was nothing to claim when this command was carried out. To try again, give another commandId.`,
      data: { claimed: [] }
    }
  }
  const outlook = yield* (yield* BacklogService).whyNothingClaimable(choice)
  return { text: outlookText(outlook, choice), data: { claimed: [], why: outlookData(outlook) } }
})

const encodeOutlook = Schema.encodeSync(ClaimOutlook)

/** Why there is nothing to claim, for programs: what there is none of is left out. */
export const outlookData = (outlook: ClaimOutlook): Readonly<Record<string, unknown>> => {
  const comeBackAt = nextChangeTime(outlook)
  return {
    ...Object.fromEntries(Object.entries(encodeOutlook(outlook)).filter(([, value]) => value !== null)),
    ...(comeBackAt === undefined ? {} : { comeBackAt: isoTime(comeBackAt) })
  }
}

/** Why there is nothing to claim, and when to come back. */
export const outlookText = (outlook: ClaimOutlook, choice: ClaimFilter): AgentText => {
  const { counts, nearest, soonestExpiry, soonestRetry } = outlook
  return lines(
    fixedText(`Nothing to claim${outlookReasonText(outlook, choice)}.`),
    soonestExpiry === null
      ? undefined
      : agentText`${soonestExpiry.id} comes free at ${timeText(soonestExpiry.expiresAt)}, if ${soonestExpiry.holder} does not renew.`,
    soonestRetry === null
      ? undefined
      : agentText`${soonestRetry.id} may be tried again at ${timeText(soonestRetry.notBefore)}.`,
    nearest === null
      ? undefined
      : nearest.unmetDependencies > nearest.waitsFor.length
        ? agentText`${nearest.id} waits for least: ${dependencyList(nearest.waitsFor)} and more.`
        : agentText`${nearest.id} waits for least: ${dependencyList(nearest.waitsFor)}.`,
    mayChange(outlook)
      ? agentText`Call backlog_claim with waitSeconds to wait for a card.`
      : counts.blocked > 0 || counts.waiting > 0
        ? agentText`There is no work until cards are unblocked or created.`
        : agentText`There is no more work here.`
  )
}

/** Whether time alone, or those who work now, can bring a card up. */
const mayChange = ({ counts }: ClaimOutlook): boolean => counts.claimable + counts.claimed + counts.deferred > 0

const nextChangeTime = ({ soonestExpiry, soonestRetry }: ClaimOutlook): DateTime.Utc | undefined => {
  const times = [soonestExpiry?.expiresAt, soonestRetry?.notBefore].filter((time) => time !== undefined)
  return times.toSorted((a, b) => DateTime.toEpochMillis(a) - DateTime.toEpochMillis(b))[0]
}

/** Dependencies that are named in an answer. */
const maxNamedDependencies = 10

/** Cards that another waits for, with their status. */
export const dependencyList = (
  dependencies: ReadonlyArray<{ readonly id: string; readonly status: Status | null }>
): AgentText =>
  join(
    ", ",
    dependencies.map(({ id, status }) =>
      status === null ? agentText`${id} (does not exist)` : agentText`${id} (${term(status)})`
    )
  )

/** What stands between a card and a claim, a obstacleText each. */
export const obstacleTexts = (explanation: Explanation, owner: string): ReadonlyArray<AgentText> =>
  explanation.obstacles.map((obstacle) => obstacleText(obstacle, owner))

const obstacleText = (obstacle: Obstacle, owner: string): AgentText => {
  switch (obstacle._tag) {
    case "UnmetDependencies": {
      const { dependencies } = obstacle
      const more = dependencies.length - maxNamedDependencies
      const named = dependencyList(dependencies.slice(0, maxNamedDependencies))
      return more > 0 ? agentText`It waits for ${named} and ${more} more.` : agentText`It waits for ${named}.`
    }
    case "Claimed":
      if (obstacle.expired) return agentText`The claim of ${obstacle.holder} has run out: the next claim takes it over.`
      return obstacle.holder === owner
        ? agentText`You hold it already, until ${timeText(obstacle.expiresAt)}: backlog_show has the token.`
        : agentText`It is held by ${obstacle.holder} until ${timeText(obstacle.expiresAt)}; claim another.`
    case "Blocked":
      return obstacle.reason === null ? agentText`It is blocked.` : agentText`It is blocked: ${obstacle.reason}`
    case "Done":
      return agentText`It is done.`
    case "NotYet":
      return agentText`It is not to be tried again before ${timeText(obstacle.notBefore)}.`
  }
}

/** Characters of each long part that are shown with its card. */
const maxPartLength = 4000

/** Dependencies that are shown with a card. */
const maxShownDependencies = 20

/** A part of a card that did not fit, and where the rest of it begins. */
interface TruncatedPart {
  readonly part: LongPart
  readonly characters: number
  readonly from: number
}

interface VisibleParts {
  readonly data: Readonly<Record<string, unknown>>
  readonly texts: ReadonlyArray<{ readonly part: LongPart; readonly text: string }>
  readonly cuts: ReadonlyArray<TruncatedPart>
}

/** What of a card's long parts is shown with it. */
const visibleParts = (card: Card): VisibleParts => {
  const data: Record<string, unknown> = {}
  const texts: Array<VisibleParts["texts"][number]> = []
  const cuts: Array<TruncatedPart> = []
  for (const part of longParts) {
    const text = partText(card, part)
    if (text === undefined || (part === "dependsOn" && card.dependsOn.length === 0)) continue
    const characters = text.length
    if (part === "dependsOn" && card.dependsOn.length > maxShownDependencies) {
      data[part] = card.dependsOn.slice(0, maxShownDependencies)
      cuts.push({ part, characters, from: 0 })
    } else if (part === "dependsOn") {
      data[part] = card[part]
    } else if (characters <= maxPartLength) {
      data[part] = card[part]
      texts.push({ part, text })
    } else if (part === "body" || part === "blockedReason") {
      const piece = sliceText(text, 0, maxPartLength)
      data[part] = piece.text
      texts.push({ part, text: piece.text })
      cuts.push({ part, characters, from: piece.text.length })
    } else {
      // Half of a JSON text is none.
      cuts.push({ part, characters, from: 0 })
    }
  }
  return { data, texts, cuts }
}

/** What is known of a card in few words, without what is long. */
export const cardSummary = (card: Card, { owner }: Agent): Readonly<Record<string, unknown>> => ({
  id: card.id,
  title: card.title,
  status: card.status,
  priority: card.priority,
  ...(card.phase === null ? {} : { phase: card.phase }),
  ...(card.claimOwner === null || card.claimExpiresAt === null
    ? {}
    : {
        owner: card.claimOwner,
        expiresAt: isoTime(card.claimExpiresAt),
        // Others' tokens are of no use to anybody, and a temptation.
        ...(card.claimOwner === owner ? { token: card.claimToken } : {})
      }),
  ...(card.attempts > 1 ? { attempts: card.attempts } : {}),
  ...(card.notBefore === null ? {} : { notBefore: isoTime(card.notBefore) }),
  ...(card.completedAt === null ? {} : { completedAt: isoTime(card.completedAt) })
})

/** A card for programs; `cut` says which of its parts did not fit, and from where to read on. */
export const cardData = (card: Card, agent: Agent): Readonly<Record<string, unknown>> => {
  const { cuts, data } = visibleParts(card)
  return { ...cardSummary(card, agent), ...data, ...(cuts.length === 0 ? {} : { cut: cuts }) }
}

/** A card in a line. */
export const cardLine = (card: Card): AgentText =>
  join(" · ", [
    agentText`${card.id}: ${card.title}`,
    card.status === "claimed" && card.claimOwner !== null && card.claimExpiresAt !== null
      ? agentText`claimed by ${card.claimOwner} until ${timeText(card.claimExpiresAt)}`
      : term(card.status),
    agentText`priority ${card.priority}`,
    card.phase === null ? undefined : agentText`phase ${card.phase}`,
    card.notBefore === null ? undefined : agentText`not before ${timeText(card.notBefore)}`
  ])

/** A card for agents, with what they need to work on it. */
export const cardText = (card: Card): AgentText => {
  const { cuts, texts } = visibleParts(card)
  return lines(
    cardLine(card),
    card.attempts > 1 ? agentText`This is attempt ${card.attempts}.` : undefined,
    card.dependsOn.length === 0 ? undefined : agentText`depends on: ${listIds(card.dependsOn, maxShownDependencies)}`,
    ...texts.flatMap(({ part, text }) => [agentText`${term(part)}:`, frame(text)]),
    ...cuts.map(
      ({ characters, from, part }) =>
        agentText`[${term(part)} has ${characters} characters; read on with backlog_show id=${card.id} part=${term(part)} from=${from}]`
    )
  )
}

/** A part of a text, and where the next one begins. */
interface TextSlice {
  readonly text: string
  readonly from: number
  /** `undefined` at the end. */
  readonly next: number | undefined
}

/** So many characters of a text at most, from one on; a pair of surrogates stays together. */
export const sliceText = (whole: string, from: number, length: number): TextSlice => {
  const begin = sliceIndex(whole, Math.min(from, whole.length))
  const end = sliceIndex(whole, Math.min(begin + length, whole.length))
  return { text: whole.slice(begin, end), from: begin, next: end < whole.length ? end : undefined }
}

/** A place in a text at which it may be cut, this or the one before. */
const sliceIndex = (text: string, index: number): number => {
  const unit = text.charCodeAt(index)
  return unit >= 0xdc00 && unit <= 0xdfff && index > 0 ? index - 1 : index
}

/** Parts of a card that may be long. */
export const longParts = ["body", "acceptance", "result", "dependsOn", "blockedReason"] as const

/** A part of a card that may be long. */
export type LongPart = (typeof longParts)[number]

/** Such a part as text: JSON, unless it is text anyway. */
export const partText = (card: Card, part: LongPart): string | undefined => {
  const value = card[part]
  if (value === null) return undefined
  return typeof value === "string" && part !== "acceptance" && part !== "result"
    ? value
    : escapeHiddenInJson(JSON.stringify(value))
}

/**
 * What the server says. Text of cards is in it only as a quote string or in a frame, so that none of it reads like the
 * server's own words. `words` and `framed` make it; a plain string is not accepted in an answer.
 */
class AgentText {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

export type { AgentText }

/** A sentence of the server: every string in it that is not `Words` is quote. */
export const agentText = (
  fixed: TemplateStringsArray,
  ...values: ReadonlyArray<string | number | AgentText>
): AgentText => new AgentText(String.raw({ raw: fixed }, ...values.map(renderValue)))

const renderValue = (value: string | number | AgentText): string =>
  value instanceof AgentText ? value.text : typeof value === "string" ? quote(value) : String(value)

/** One of the words that the program itself defines, without quotes. */
export const term = (word: Status | EventType | LongPart): AgentText => new AgentText(word)

/** A sentence that another module made of fixed words, numbers and JSON strings, on one line. */
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

/** A moment: `2026-01-22T12:04:05Z`. */
export const timeText = (time: DateTime.Utc): AgentText => new AgentText(isoTime(time))

/** A moment as text for programs: `2026-01-22T12:04:05Z`. */
export const isoTime = (time: DateTime.Utc): string => DateTime.formatIso(time).replace(/\.\d+Z$/, "Z")

/** Several words with the same between them; what is missing is left out. */
export const join = (between: string, each: ReadonlyArray<AgentText | undefined>): AgentText =>
  new AgentText(each.flatMap((one) => (one === undefined ? [] : one.text)).join(between))

/** Ids in a sentence, the first of many. */
export const listIds = (ids: ReadonlyArray<string>, most = 10): AgentText => {
  const first = join(
    ", ",
    ids.slice(0, most).map((id) => agentText`${id}`)
  )
  return ids.length <= most ? first : agentText`${first} and ${ids.length - most} more`
}

/** Lines; what is missing is left out. */
export const lines = (...each: ReadonlyArray<AgentText | undefined>): AgentText => join("\n", each)
