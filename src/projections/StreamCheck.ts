import { DateTime, Result } from "effect"
import type { Card } from "../domain/Card.ts"
import { redactedText } from "../domain/Event.ts"
import { evolve, transitionError } from "../domain/evolve.ts"
import { commitmentHash, erasableFields } from "../events/ContentHash.ts"
import { expectedContentHash, erasedParts, decodeStoredEvent, type StoredEvent } from "../events/StoredEvent.ts"
import { type Divergence, formatValue } from "./Divergence.ts"
import { withoutTexts } from "./foldCards.ts"

type Problem = Pick<Divergence, "check" | "field" | "expected" | "found">

const problem = (
  check: Divergence["check"],
  expected: unknown,
  found: unknown,
  field: string | null = null
): Problem => ({
  check,
  field,
  expected: formatValue(expected),
  found: formatValue(found)
})

/**
 * Checks the events of one card, in the order of their versions: positions, versions, times, hashes, decoding, and whether
 * each event can follow the events before it. Holds the first divergence and the folded card.
 */
export class StreamCheck {
  readonly cardId: string
  card: Card | undefined
  position = 0
  divergence: Divergence | undefined
  erasedParts = 0
  readonly #keepsTexts: boolean
  #version = 0
  // Created on first use: the check of a file holds a `StreamCheck` for every card.
  #erased: Set<string> | undefined
  #declared: Set<string> | undefined

  /** Without texts the card takes little memory. Only the comparison with the read model needs them. */
  constructor(cardId: string, options: { readonly keepsTexts: boolean }) {
    this.cardId = cardId
    this.#keepsTexts = options.keepsTexts
  }

  /** Notes a row of this card that is not the row of an event. */
  pushDamaged(position: number, why: string): void {
    this.#note(position, problem("decode", "the row of an event", why))
    this.#version++
  }

  push(event: StoredEvent): void {
    const inOrder =
      event.position > this.position
        ? undefined
        : problem("position", `a position after that of the previous version, ${this.position}`, event.position)
    this.position = event.position
    const next = event.version === this.#version + 1 ? undefined : problem("version", this.#version + 1, event.version)
    this.#version = event.version
    const wrong = next ?? inOrder ?? wrongTime(event) ?? wrongContent(event)
    if (wrong !== undefined) this.#note(event.position, wrong)
    for (const part of erasedParts(event)) {
      this.erasedParts++
      ;(this.#erased ??= new Set()).add(`${event.version} ${part}`)
    }
    this.#fold(event)
  }

  /** Must be called after the card's last event. */
  end(): void {
    const erased = this.#erased ?? none
    const declared = this.#declared ?? none
    const difference = [...erased, ...declared].find((part) => erased.has(part) !== declared.has(part))
    if (difference === undefined) return
    const [version = "", part = ""] = difference.split(" ")
    const isGone = erased.has(difference)
    this.#note(
      this.position,
      isGone
        ? problem("redaction", `the ${part} of version ${version}, which no redaction names`, "nothing", part)
        : problem("redaction", `no ${part} in version ${version}, which a redaction names`, `the ${part}`, part)
    )
  }

  #fold(event: StoredEvent): void {
    const decoded = decodeStoredEvent(event)
    if (Result.isFailure(decoded)) {
      return this.#note(event.position, problem("decode", "an event that can be read", decoded.failure.message))
    }
    const occurrence = {
      cardId: event.cardId,
      version: event.version,
      occurredAt: DateTime.makeUnsafe(event.occurredAt),
      actor: event.actor,
      event: decoded.success
    }
    const why = transitionError(this.card, occurrence)
    if (why !== undefined) {
      this.#note(event.position, problem("fold", "an event that can follow those before it", `${event.type}: ${why}`))
    }
    if (decoded.success._tag === "CardRedacted") {
      for (const { parts, version } of decoded.success.erased) {
        for (const part of parts) (this.#declared ??= new Set()).add(`${version} ${part}`)
      }
    }
    const card = evolve(this.card, occurrence)
    this.card = card === undefined || this.#keepsTexts ? card : withoutTexts(card)
  }

  #note(position: number, wrong: Problem): void {
    this.divergence ??= { ...wrong, cardId: this.cardId, position }
  }
}

const none: ReadonlySet<string> = new Set()

const times = ["occurredAt", "recordedAt"] as const

const millisecondsLength = "2026-01-01T00:00:00.000Z".length

const wrongTime = (event: StoredEvent): Problem | undefined => {
  for (const field of times) {
    if (event[field].length !== millisecondsLength) return problem("time", "whole milliseconds", event[field], field)
  }
  return undefined
}

const wrongContent = (event: StoredEvent): Problem | undefined => {
  const { commitments, data } = event
  try {
    for (const field in data) {
      if (erasableFields.has(field) && data[field] !== null && !Object.hasOwn(commitments, field)) {
        return problem("content", "a commitment", "none", field)
      }
    }
    for (const field in commitments) {
      const { salt, sha256 } = commitments[field] as (typeof commitments)[string]
      if (!erasableFields.has(field)) return problem("content", "no commitment", sha256, field)
      const isHere = Object.hasOwn(data, field)
      if (salt === undefined && isHere) return problem("content", redactedText, data[field], field)
      if (salt !== undefined) {
        if (!isHere) return problem("content", `the part of commitment ${sha256}`, "nothing", field)
        const found = commitmentHash(salt, data[field] as never)
        if (found !== sha256) return problem("content", sha256, found, field)
      }
    }
    const found = expectedContentHash(event)
    return found === event.contentHash ? undefined : problem("content", event.contentHash, found)
  } catch (cause) {
    return problem("content", "JSON that can be hashed", String(cause))
  }
}
