import type { Card } from "../index.ts"
import type { Agent } from "./Agent.ts"
import { type LongPart, longParts, partText } from "./longParts.ts"
import { pieceOf } from "./pieces.ts"
import { framed, instant, joined, lines, listed, moment, term, type Words, words } from "./words.ts"

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
