import { DateTime, Effect, Schema } from "effect"
import { outlookWords } from "../domain/ClaimOutlook.ts"
import { quoted, visibleJson, visibleLines } from "../domain/displayText.ts"
import {
  BacklogService,
  type Card,
  type ClaimChoice,
  ClaimOutlook,
  type EventType,
  type Explanation,
  type Obstacle,
  type Status
} from "../index.ts"
import type { Agent } from "./Agent.ts"

/** A tool's answer: `text` with text of cards quoted or framed, `data` with the exact text. */
export interface Told {
  readonly text: Words
  readonly data: Readonly<Record<string, unknown>>
}

/** Cards that an agent holds now, and what it has to know to work on them. */
export const claimedAnswer = (cards: ReadonlyArray<Card>, agent: Agent): Told => ({
  text: lines(
    ...cards.flatMap((card) => [
      words`You hold ${card.id} with token ${card.claimToken ?? 0}, for ${card.claimTtlSeconds ?? 0} seconds.`,
      cardText(card)
    ]),
    words`Renew before a lease ends; complete or release with the token.`
  ),
  data: { claimed: cards.map((card) => cardData(card, agent)) }
})

/** That there was nothing to claim, why, and when to come back. */
export const nothingAnswer = Effect.fnUntraced(function* (choice: ClaimChoice, commandId: string | undefined) {
  // The command may have been carried out long ago: what is now would say nothing of it.
  if (commandId !== undefined) {
    return {
      text: words`There was nothing to claim when this command was carried out. To try again, give another commandId.`,
      data: { claimed: [] }
    }
  }
  const outlook = yield* (yield* BacklogService).whyNothingClaimable(choice)
  return { text: outlookText(outlook, choice), data: { claimed: [], why: outlookData(outlook) } }
})

const encodeOutlook = Schema.encodeSync(ClaimOutlook)

/** Why there is nothing to claim, for programs: what there is none of is left out. */
export const outlookData = (outlook: ClaimOutlook): Readonly<Record<string, unknown>> => {
  const comeBackAt = nextChange(outlook)
  return {
    ...Object.fromEntries(Object.entries(encodeOutlook(outlook)).filter(([, value]) => value !== null)),
    ...(comeBackAt === undefined ? {} : { comeBackAt: instant(comeBackAt) })
  }
}

/** Why there is nothing to claim, and when to come back. */
export const outlookText = (outlook: ClaimOutlook, choice: ClaimChoice): Words => {
  const { counts, nearest, soonestExpiry, soonestRetry } = outlook
  return lines(
    sentence(`Nothing to claim${outlookWords(outlook, choice)}.`),
    soonestExpiry === null
      ? undefined
      : words`${soonestExpiry.id} comes free at ${moment(soonestExpiry.expiresAt)}, if ${soonestExpiry.holder} does not renew.`,
    soonestRetry === null
      ? undefined
      : words`${soonestRetry.id} may be tried again at ${moment(soonestRetry.notBefore)}.`,
    nearest === null
      ? undefined
      : nearest.unmetDependencies > nearest.waitsFor.length
        ? words`${nearest.id} waits for least: ${awaited(nearest.waitsFor)} and more.`
        : words`${nearest.id} waits for least: ${awaited(nearest.waitsFor)}.`,
    mayChange(outlook)
      ? words`Call backlog_claim with waitSeconds to wait for a card.`
      : counts.blocked > 0 || counts.waiting > 0
        ? words`There is no work until cards are unblocked or created.`
        : words`There is no more work here.`
  )
}

/** Whether time alone, or those who work now, can bring a card up. */
const mayChange = ({ counts }: ClaimOutlook): boolean => counts.claimable + counts.claimed + counts.deferred > 0

const nextChange = ({ soonestExpiry, soonestRetry }: ClaimOutlook): DateTime.Utc | undefined => {
  const times = [soonestExpiry?.expiresAt, soonestRetry?.notBefore].filter((time) => time !== undefined)
  return times.toSorted((a, b) => DateTime.toEpochMillis(a) - DateTime.toEpochMillis(b))[0]
}

/** Dependencies that are named in an answer. */
const dependenciesNamed = 10

/** Cards that another waits for, with their status. */
export const awaited = (dependencies: ReadonlyArray<{ readonly id: string; readonly status: Status | null }>): Words =>
  joined(
    ", ",
    dependencies.map(({ id, status }) =>
      status === null ? words`${id} (does not exist)` : words`${id} (${term(status)})`
    )
  )

/** What stands between a card and a claim, a obstacleText each. */
export const obstacles = (explanation: Explanation, owner: string): ReadonlyArray<Words> =>
  explanation.obstacles.map((obstacle) => obstacleText(obstacle, owner))

const obstacleText = (obstacle: Obstacle, owner: string): Words => {
  switch (obstacle._tag) {
    case "UnmetDependencies": {
      const { dependencies } = obstacle
      const more = dependencies.length - dependenciesNamed
      const named = awaited(dependencies.slice(0, dependenciesNamed))
      return more > 0 ? words`It waits for ${named} and ${more} more.` : words`It waits for ${named}.`
    }
    case "Claimed":
      if (obstacle.expired) return words`The claim of ${obstacle.holder} has run out: the next claim takes it over.`
      return obstacle.holder === owner
        ? words`You hold it already, until ${moment(obstacle.expiresAt)}: backlog_show has the token.`
        : words`It is held by ${obstacle.holder} until ${moment(obstacle.expiresAt)}; claim another.`
    case "Blocked":
      return obstacle.reason === null ? words`It is blocked.` : words`It is blocked: ${obstacle.reason}`
    case "Done":
      return words`It is done.`
    case "NotYet":
      return words`It is not to be tried again before ${moment(obstacle.notBefore)}.`
  }
}

/** Characters of each long part that are shown with its card. */
const shownWithCard = 4000

/** Dependencies that are shown with a card. */
const dependenciesShown = 20

/** A part of a card that did not fit, and where the rest of it begins. */
interface Cut {
  readonly part: LongPart
  readonly characters: number
  readonly from: number
}

interface Shown {
  readonly data: Readonly<Record<string, unknown>>
  readonly texts: ReadonlyArray<{ readonly part: LongPart; readonly text: string }>
  readonly cuts: ReadonlyArray<Cut>
}

/** What of a card's long parts is shown with it. */
const shownParts = (card: Card): Shown => {
  const data: Record<string, unknown> = {}
  const texts: Array<Shown["texts"][number]> = []
  const cuts: Array<Cut> = []
  for (const part of longParts) {
    const text = partText(card, part)
    if (text === undefined || (part === "dependsOn" && card.dependsOn.length === 0)) continue
    const characters = text.length
    if (part === "dependsOn" && card.dependsOn.length > dependenciesShown) {
      data[part] = card.dependsOn.slice(0, dependenciesShown)
      cuts.push({ part, characters, from: 0 })
    } else if (part === "dependsOn") {
      data[part] = card[part]
    } else if (characters <= shownWithCard) {
      data[part] = card[part]
      texts.push({ part, text })
    } else if (part === "body" || part === "blockedReason") {
      const piece = pieceOf(text, 0, shownWithCard)
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
        expiresAt: instant(card.claimExpiresAt),
        // Others' tokens are of no use to anybody, and a temptation.
        ...(card.claimOwner === owner ? { token: card.claimToken } : {})
      }),
  ...(card.attempts > 1 ? { attempts: card.attempts } : {}),
  ...(card.notBefore === null ? {} : { notBefore: instant(card.notBefore) }),
  ...(card.completedAt === null ? {} : { completedAt: instant(card.completedAt) })
})

/** A card for programs; `cut` says which of its parts did not fit, and from where to read on. */
export const cardData = (card: Card, agent: Agent): Readonly<Record<string, unknown>> => {
  const { cuts, data } = shownParts(card)
  return { ...cardSummary(card, agent), ...data, ...(cuts.length === 0 ? {} : { cut: cuts }) }
}

/** A card in a line. */
export const cardLine = (card: Card): Words =>
  joined(" · ", [
    words`${card.id}: ${card.title}`,
    card.status === "claimed" && card.claimOwner !== null && card.claimExpiresAt !== null
      ? words`claimed by ${card.claimOwner} until ${moment(card.claimExpiresAt)}`
      : term(card.status),
    words`priority ${card.priority}`,
    card.phase === null ? undefined : words`phase ${card.phase}`,
    card.notBefore === null ? undefined : words`not before ${moment(card.notBefore)}`
  ])

/** A card for agents, with what they need to work on it. */
export const cardText = (card: Card): Words => {
  const { cuts, texts } = shownParts(card)
  return lines(
    cardLine(card),
    card.attempts > 1 ? words`This is attempt ${card.attempts}.` : undefined,
    card.dependsOn.length === 0 ? undefined : words`depends on: ${listed(card.dependsOn, dependenciesShown)}`,
    ...texts.flatMap(({ part, text }) => [words`${term(part)}:`, framed(text)]),
    ...cuts.map(
      ({ characters, from, part }) =>
        words`[${term(part)} has ${characters} characters; read on with backlog_show id=${card.id} part=${term(part)} from=${from}]`
    )
  )
}

/** A part of a text, and where the next one begins. */
interface Piece {
  readonly text: string
  readonly from: number
  /** `undefined` at the end. */
  readonly next: number | undefined
}

/** So many characters of a text at most, from one on; a pair of surrogates stays together. */
export const pieceOf = (whole: string, from: number, length: number): Piece => {
  const begin = cutAt(whole, Math.min(from, whole.length))
  const end = cutAt(whole, Math.min(begin + length, whole.length))
  return { text: whole.slice(begin, end), from: begin, next: end < whole.length ? end : undefined }
}

/** A place in a text at which it may be cut, this or the one before. */
const cutAt = (text: string, index: number): number => {
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
    : visibleJson(JSON.stringify(value))
}

/**
 * What the server says. Text of cards is in it only as a quoted string or in a frame, so that none of it reads like the
 * server's own words. `words` and `framed` make it; a plain string is not accepted in an answer.
 */
class Words {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

export type { Words }

/** A sentence of the server: every string in it that is not `Words` is quoted. */
export const words = (fixed: TemplateStringsArray, ...values: ReadonlyArray<string | number | Words>): Words =>
  new Words(String.raw({ raw: fixed }, ...values.map(said)))

const said = (value: string | number | Words): string =>
  value instanceof Words ? value.text : typeof value === "string" ? quoted(value) : String(value)

/** One of the words that the program itself defines, without quotes. */
export const term = (word: Status | EventType | LongPart): Words => new Words(word)

/** A sentence that another module made of fixed words, numbers and JSON strings, on one line. */
export const sentence = (text: string): Words => new Words(visibleJson(text))

/** A text of one or more lines, each behind a bar. Only lines of frames begin with a bar. */
export const framed = (text: string): Words =>
  new Words(
    visibleLines(text)
      .split("\n")
      .map((line) => (line === "" ? bar : `${bar} ${line}`))
      .join("\n")
  )

const bar = "|"

/** A moment: `2026-01-22T12:04:05Z`. */
export const moment = (time: DateTime.Utc): Words => new Words(instant(time))

/** A moment as text for programs: `2026-01-22T12:04:05Z`. */
export const instant = (time: DateTime.Utc): string => DateTime.formatIso(time).replace(/\.\d+Z$/, "Z")

/** Several words with the same between them; what is missing is left out. */
export const joined = (between: string, each: ReadonlyArray<Words | undefined>): Words =>
  new Words(each.flatMap((one) => (one === undefined ? [] : one.text)).join(between))

/** Ids in a sentence, the first of many. */
export const listed = (ids: ReadonlyArray<string>, most = 10): Words => {
  const first = joined(
    ", ",
    ids.slice(0, most).map((id) => words`${id}`)
  )
  return ids.length <= most ? first : words`${first} and ${ids.length - most} more`
}

/** Lines; what is missing is left out. */
export const lines = (...each: ReadonlyArray<Words | undefined>): Words => joined("\n", each)
