import { DateTime, Option } from "effect"
import type { Anchor } from "../events/Anchor.ts"
import { chainHash, emptyChainHash } from "../events/ContentHash.ts"
import type { Head } from "../events/EventLog.ts"
import type { ChainLink } from "../events/LogReader.ts"
import { type Divergences, formatValue } from "./Divergence.ts"

/** Checks that positions have no gaps, times do not decrease, and each chain hash continues the one before; then the head and the anchor. */
export class ChainCheck {
  position = 0
  readonly #divergences: Divergences
  readonly #anchor: Anchor | undefined
  #chain: Uint8Array = Buffer.from(emptyChainHash, "hex")
  #recordedAt: number | null = null
  #isAnchorReached = false

  constructor(divergences: Divergences, anchor: Anchor | undefined) {
    this.#divergences = divergences
    this.#anchor = anchor
    this.#checkAnchor()
  }

  push(link: ChainLink): void {
    const { cardId, position } = link
    const found = Buffer.from(link.chainHash)
    if (position === this.position + 1) {
      const expected = chainHash(this.#chain, link.contentHash)
      if (!found.equals(expected)) {
        this.#divergences.add({
          check: "chain",
          cardId,
          position,
          field: null,
          expected: Buffer.from(expected).toString("hex"),
          found: found.toString("hex")
        })
      }
    } else {
      this.#divergences.add({
        check: "position",
        cardId: null,
        position: this.position + 1,
        field: null,
        expected: `an event at position ${this.position + 1}`,
        found: `the next event is at ${position}`
      })
    }
    const { recordedAt } = link
    if (this.#recordedAt !== null && recordedAt < this.#recordedAt) {
      this.#divergences.add({
        check: "time",
        cardId,
        position,
        field: "recordedAt",
        expected: "a time that is not before that of the previous event",
        found: formatMicroseconds(recordedAt)
      })
    }
    this.#recordedAt = recordedAt
    this.position = position
    this.#chain = found
    this.#checkAnchor()
  }

  /** Must be called after the last event, with the head row if it exists. */
  end(head: Head | undefined): void {
    const headDiffers = (field: string, expected: unknown, found: unknown): void => {
      if (expected === found) return
      this.#divergences.add({
        check: "head",
        cardId: null,
        position: this.position,
        field,
        expected: formatValue(expected),
        found: formatValue(found)
      })
    }
    headDiffers("position", this.position, head?.position)
    headDiffers("chainHash", this.chainHash, head?.chainHash)
    headDiffers("recordedAt", this.#recordedAt, head?.recordedAt)
    if (this.#anchor !== undefined && !this.#isAnchorReached) {
      this.#anchorDiffers(`an event at position ${this.#anchor.position}`, `the log ends at ${this.position}`)
    }
  }

  /** The chain hash of the last event, in hexadecimal. */
  get chainHash(): string {
    return Buffer.from(this.#chain).toString("hex")
  }

  #checkAnchor(): void {
    if (this.#anchor?.position !== this.position) return
    this.#isAnchorReached = true
    const found = Buffer.from(this.#chain).toString("hex")
    if (found !== this.#anchor.chainHash) this.#anchorDiffers(this.#anchor.chainHash, found)
    else if (this.#recordedAt !== null && this.#recordedAt / 1000 > DateTime.toEpochMillis(this.#anchor.at)) {
      this.#anchorDiffers(
        `an event recorded by ${DateTime.formatIso(this.#anchor.at)}`,
        formatMicroseconds(this.#recordedAt)
      )
    }
  }

  #anchorDiffers(expected: string, found: string): void {
    const position = this.#anchor?.position ?? null
    this.#divergences.add({ check: "anchor", cardId: null, position, field: null, expected, found })
  }
}

/** Microseconds since 1970 as text: a time if the calendar has it, else the number. */
const formatMicroseconds = (microseconds: number): string =>
  Option.match(DateTime.make(microseconds / 1000), { onNone: () => String(microseconds), onSome: DateTime.formatIso })
