import type { Schema } from "effect"
import type { Claimability } from "../../../src/board/components/Claimability.tsx"
import {
  chainHash,
  commitmentHash,
  type Commitments,
  contentHash,
  emptyChainHash,
  erasableFields
} from "../../../src/events/ContentHash.ts"
import { formatEvent, formatHeader } from "../../../src/events/LogFile.ts"
import { CardId } from "../../../src/domain/CardId.ts"

/** The events of a card, one after the other: the next card follows when a card has all of them. */
const eventsOfCard = 10

/** What becomes of a card: the kinds of cards alternate. */
const kinds = ["done", "blocked", "deferred", "claimable", "waiting"] as const

const start = Date.UTC(2026, 0, 1)
const millisBetweenEvents = 1_000
const owner = "worker-1"

const formatTime = (millis: number): string => new Date(millis).toISOString()

/** The id of a card, by its number. */
const cardIdOf = (card: number): string => `card-${String(card).padStart(6, "0")}`

/** The type and the data of an event of a card. The first has version 1. */
const eventOf = (card: number, version: number, at: number): readonly [string, Schema.JsonObject] => {
  const kind = kinds[card % kinds.length]
  const claim = { owner, token: 2 }
  const expiresAt = formatTime(at + 900_000)
  if (version === 1) {
    const data = {
      title: `Task ${card}`,
      body: null,
      phase: null,
      priority: 0,
      status: "ready",
      // The card before is claimable, and never done.
      dependsOn: kind === "waiting" ? [cardIdOf(card - 1)] : [],
      acceptance: null,
      idempotencyKey: null,
      blockedReason: null
    }
    return ["CardCreated", data]
  }
  if (kind === "waiting") return ["CardNoted", { text: "Not yet", claim: null }]
  if (version === 2) return ["CardClaimed", { owner, ttlSeconds: 900, expiresAt, generation: 0 }]
  if (version < eventsOfCard) return ["ClaimRenewed", { ...claim, ttlSeconds: 900, expiresAt }]
  switch (kind) {
    case "done":
      return ["CardCompleted", { result: null, overrode: [], forced: false, claim }]
    case "blocked":
      return ["CardBlocked", { reason: null, endedClaim: claim }]
    case "deferred":
      return ["CardReleased", { ...claim, reason: null, notBefore: "2100-01-01T00:00:00.000Z" }]
    default:
      return ["CardReleased", { ...claim, reason: null, notBefore: null }]
  }
}

/** A salt is random in a log. Here it is the same every time, because the log is generated twice. */
const saltOf = (index: number): string => index.toString(16).padStart(32, "0")

const commitmentsOf = (data: Schema.JsonObject, index: number): Commitments =>
  Object.fromEntries(
    Object.entries(data).flatMap(([field, value]) => {
      if (value === null || !erasableFields.has(field)) return []
      const salt = saltOf(index)
      return [[field, { salt, sha256: commitmentHash(salt, value) }]]
    })
  )

/** An event of the log without its hashes. The first has index 0. */
const unhashedEvent = (index: number) => {
  const card = Math.floor(index / eventsOfCard)
  const version = (index % eventsOfCard) + 1
  const at = start + index * millisBetweenEvents
  const time = formatTime(at)
  const [type, data] = eventOf(card, version, at)
  const content = {
    cardId: CardId.make(cardIdOf(card)),
    version,
    type,
    schemaVersion: type === "CardClaimed" ? 2 : 1,
    data,
    actor: owner,
    correlationId: null,
    causationId: null,
    commandId: null,
    occurredAt: time,
    recordedAt: time
  }
  return { content, commitments: commitmentsOf(data, index) }
}

const hashBytes = 32

/**
 * The lines of an exported log with this many events, without line ends. The events are generated twice, because the first line
 * contains the hash of the last event.
 */
export function* longLog(events: number): Generator<string> {
  const hashes = Buffer.alloc(events * hashBytes)
  const hashOf = (index: number): Buffer => hashes.subarray(index * hashBytes, (index + 1) * hashBytes)
  const emptyChain: Uint8Array = Buffer.from(emptyChainHash, "hex")
  let chain = emptyChain
  for (let index = 0; index < events; index++) {
    const { commitments, content } = unhashedEvent(index)
    hashes.write(contentHash(content, commitments), index * hashBytes, "hex")
    chain = chainHash(chain, hashOf(index))
  }
  yield formatHeader({ position: events, chainHash: Buffer.from(chain).toString("hex") })
  chain = emptyChain
  for (let index = 0; index < events; index++) {
    const { commitments, content } = unhashedEvent(index)
    chain = chainHash(chain, hashOf(index))
    yield formatEvent({
      position: index + 1,
      ...content,
      commitments,
      contentHash: hashOf(index).toString("hex"),
      chainHash: Buffer.from(chain).toString("hex")
    })
  }
}

/** How many cards each column has at a position of the log. */
export const countsAt = (position: number): Readonly<Record<Claimability, number>> => {
  const counts = { claimable: 0, claimed: 0, expired: 0, deferred: 0, waiting: 0, blocked: 0, done: 0 }
  const complete = Math.floor(position / eventsOfCard)
  for (const [place, kind] of kinds.entries())
    counts[kind] = Math.floor((complete + kinds.length - 1 - place) / kinds.length)
  const version = position % eventsOfCard
  if (version > 0) {
    const isWaiting = kinds[complete % kinds.length] === "waiting"
    counts[isWaiting ? "waiting" : version === 1 ? "claimable" : "claimed"]++
  }
  return counts
}
