import { batch, type ReadonlySignal, signal } from "@preact/signals"
import { type ApiFailure, toFailure } from "../api/request.ts"
import { endSession } from "../api/session.ts"
import type { CardSummary } from "../api/types.ts"

/** Reads a page of a list: the cards after a card, at most `limit`. */
export type LoadPage = (
  after: string | undefined,
  limit: number,
  signal: AbortSignal
) => Promise<ReadonlyArray<CardSummary>>

/** A list of cards of any length, of which the part is loaded that the reader has seen. */
export interface CardPages {
  readonly cards: ReadonlySignal<ReadonlyArray<CardSummary>>
  /** Whether the first page has arrived. */
  readonly isLoaded: ReadonlySignal<boolean>
  /** Whether `cards` is the whole list. */
  readonly isComplete: ReadonlySignal<boolean>
  /** Why the last read failed; `undefined` if it succeeded. */
  readonly failure: ReadonlySignal<ApiFailure | undefined>
  /** Which cards are visible, by their places. Loads the next page when the last one is near. */
  readonly show: (first: number, last: number) => void
  /** Reads the visible cards again. Cards after them are forgotten, and read when they become visible. */
  readonly refresh: () => Promise<void>
  readonly close: () => void
}

const pageSize = 40

/** Maximum number of cards that a list keeps. A longer list is narrowed by a search. */
export const maxLoadedCards = 10_000

/** Cards around the visible ones that are read with them. */
const margin = 10

/**
 * Creates a list of cards that loads pages by key. `isShown` leaves out cards that the query returns and the list does not have.
 * Defaults to all cards.
 */
export const makeCardPages = (load: LoadPage, isShown: (card: CardSummary) => boolean = () => true): CardPages => {
  const cards = signal<ReadonlyArray<CardSummary>>([])
  const isLoaded = signal(false)
  const isComplete = signal(false)
  const failure = signal<ApiFailure | undefined>(undefined)
  let visible = { first: 0, last: pageSize - 1 }
  /** The last card that was read, also if it is not shown. The next page begins after it. */
  let end: string | undefined
  let reading: AbortController | undefined

  /** Reads from a place of the list until `wanted` cards are shown, or the list ends. Replaces what was loaded from there on. */
  const readFrom = async (start: number, wanted: number): Promise<void> => {
    reading?.abort()
    const controller = new AbortController()
    reading = controller
    const kept = cards.peek().slice(0, start)
    const read: Array<CardSummary> = []
    let after = start === cards.peek().length ? end : kept.at(-1)?.id
    let isEnd = false
    try {
      while (!isEnd && read.length < wanted) {
        const limit = Math.max(pageSize, wanted - read.length)
        const page = await load(after, limit, controller.signal)
        if (controller.signal.aborted) return
        isEnd = page.length < limit
        after = page.at(-1)?.id ?? after
        read.push(...page.filter(isShown))
      }
      batch(() => {
        end = after
        cards.value = [...kept, ...read]
        isComplete.value = isEnd
        isLoaded.value = true
        failure.value = undefined
      })
    } catch (cause) {
      if (controller.signal.aborted) return
      const problem = toFailure(cause)
      if (problem.kind === "unauthorized") endSession(problem)
      // The card at which the page continues may have left the list, such as a reopened card that was done.
      if (start > 0 && problem.kind === "refused") {
        cards.value = []
        end = undefined
        await readFrom(0, pageSize)
      } else {
        failure.value = problem
      }
    } finally {
      if (reading === controller) reading = undefined
    }
  }

  return {
    cards,
    isLoaded,
    isComplete,
    failure,
    show: (first, last) => {
      visible = { first, last }
      const loaded = cards.peek().length
      const isNearEnd = last >= loaded - margin
      if (isNearEnd && !isComplete.peek() && isLoaded.peek() && reading === undefined && loaded < maxLoadedCards) {
        void readFrom(loaded, pageSize)
      }
    },
    refresh: () => {
      const start = Math.max(0, Math.min(visible.first - margin, cards.peek().length))
      return readFrom(start, Math.max(pageSize, visible.last - start + margin))
    },
    close: () => reading?.abort()
  }
}
