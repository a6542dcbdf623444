import { Result } from "effect"
import type { CardId } from "../domain/CardId.ts"
import type { Anchor } from "../events/Anchor.ts"
import { type LogFileHeader, parseEvent, parseHeader } from "../events/LogFile.ts"
import type { StoredEvent } from "../events/StoredEvent.ts"
import { ChainCheck } from "./ChainCheck.ts"
import { checkCycle, type Divergence, Divergences, type VerifyReport } from "./Divergence.ts"
import { StreamCheck } from "./StreamCheck.ts"

/** A line of a file, or why it cannot be read. `number` begins with 1. */
export type FileLine =
  | { readonly number: number; readonly text: string }
  | { readonly number: number; readonly problem: string }

/** A line that an exported log does not have in this place, and why. */
export interface WrongLine {
  readonly line: number
  readonly problem: string
}

/**
 * Verifies an exported log line by line, without a database: completeness, positions, versions, times, hashes, the chain, the
 * anchor, that every event can be read and can follow the events before it, and that the dependencies have no cycle. Holds
 * each card without its texts in memory.
 */
export class LogFileCheck {
  header: LogFileHeader | undefined
  readonly #divergences = new Divergences()
  readonly #cards = new Map<string, StreamCheck>()
  readonly #chain: ChainCheck
  readonly #anchor: Anchor | undefined
  #events = 0
  #lastRecordedAt: number | null = null

  constructor(anchor?: Anchor) {
    this.#anchor = anchor
    this.#chain = new ChainCheck(this.#divergences, anchor)
  }

  /** Checks the next line. Returns its event, or `undefined` for the header. */
  push(line: FileLine): Result.Result<StoredEvent | undefined, WrongLine> {
    const wrong = (problem: string) => Result.fail({ line: line.number, problem })
    if ("problem" in line) return wrong(line.problem)
    if (this.header === undefined) {
      const header = parseHeader(line.text)
      if (Result.isFailure(header)) return wrong(`it is not the first line of an exported log: ${header.failure}`)
      this.header = header.success
      return Result.succeed(undefined)
    }
    const parsed = parseEvent(line.text)
    if (Result.isFailure(parsed)) return wrong(`it is not an event: ${parsed.failure}`)
    this.#check(parsed.success)
    return Result.succeed(parsed.success)
  }

  #check(event: StoredEvent): void {
    this.#events++
    this.#lastRecordedAt = Date.parse(event.recordedAt) * 1000
    this.#chain.push({
      position: event.position,
      cardId: event.cardId,
      contentHash: Buffer.from(event.contentHash, "hex"),
      chainHash: Buffer.from(event.chainHash, "hex"),
      recordedAt: this.#lastRecordedAt
    })
    let card = this.#cards.get(event.cardId)
    if (card === undefined) {
      card = new StreamCheck(event.cardId, { keepsTexts: false })
      this.#cards.set(event.cardId, card)
    }
    card.push(event)
    if (card.divergence !== undefined) this.#divergences.add(card.divergence)
  }

  /** The first divergence so far, so that an import can stop early. */
  get firstDivergence(): Divergence | undefined {
    return this.#divergences.list[0]
  }

  /** Must be called after the last line. Returns the report. A file without a first line is not an exported log. */
  end(): Result.Result<VerifyReport, WrongLine> {
    const { header } = this
    if (header === undefined) return Result.fail({ line: 1, problem: "it is empty" })
    this.#chain.end({ ...header, recordedAt: this.#lastRecordedAt })
    const dependsOn = new Map<CardId, ReadonlyArray<CardId>>()
    let dependencies = 0
    let erasedParts = 0
    for (const check of this.#cards.values()) {
      check.end()
      if (check.divergence !== undefined) this.#divergences.add(check.divergence)
      erasedParts += check.erasedParts
      if (check.card !== undefined && check.card.dependsOn.length > 0) {
        dependencies += check.card.dependsOn.length
        dependsOn.set(check.card.id, check.card.dependsOn)
      }
    }
    checkCycle(dependsOn, this.#divergences)
    return Result.succeed({
      position: header.position,
      chainHash: header.chainHash,
      events: this.#events,
      cards: this.#cards.size,
      dependencies,
      erasedParts,
      anchoredPosition: this.#anchor?.position ?? null,
      divergenceCount: this.#divergences.count,
      divergences: this.#divergences.list
    })
  }
}
