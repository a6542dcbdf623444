import { batch, type ReadonlySignal, signal } from "@preact/signals"
import { type ApiFailure, toFailure } from "./request.ts"
import { endSession } from "./session.ts"

/** Reads a page of a list: at most `limit` items after another one, which is `undefined` for the first page. */
export type LoadPage<A> = (last: A | undefined, limit: number, ended: AbortSignal) => Promise<ReadonlyArray<A>>

/** A list of any length, of which the part is loaded that the reader has seen. */
export interface Pages<A> {
  readonly items: ReadonlySignal<ReadonlyArray<A>>
  /** Whether the first page has arrived. */
  readonly isLoaded: ReadonlySignal<boolean>
  /** Whether `items` is the whole list. */
  readonly isComplete: ReadonlySignal<boolean>
  /** Why the last read failed; `undefined` if it succeeded. */
  readonly failure: ReadonlySignal<ApiFailure | undefined>
  /** Which items are visible, by their places. Loads the next page when the last one is near. */
  readonly show: (first: number, last: number) => void
  /** Reads the visible items again. Items after them are forgotten, and read when they become visible. */
  readonly refresh: () => Promise<void>
  readonly close: () => void
}

const pageSize = 40

/** Maximum number of items that a list keeps. The reader finds the others by a search. */
export const maxLoaded = 10_000

/** Items around the visible ones that are read with them. */
const margin = 10

/**
 * Creates a list that loads pages by key. `isShown` leaves out items that the query returns and the list does not have. Defaults
 * to all items.
 */
export const makePages = <A>(load: LoadPage<A>, isShown: (item: A) => boolean = () => true): Pages<A> => {
  const items = signal<ReadonlyArray<A>>([])
  const isLoaded = signal(false)
  const isComplete = signal(false)
  const failure = signal<ApiFailure | undefined>(undefined)
  let visible = { first: 0, last: pageSize - 1 }
  /** The last item that was read, also if it is not shown. The next page begins after it. */
  let end: A | undefined
  let reading: AbortController | undefined

  /** Reads from a place of the list until `wanted` items are shown, or the list ends. Replaces what was loaded from there on. */
  const readFrom = async (start: number, wanted: number): Promise<void> => {
    reading?.abort()
    const controller = new AbortController()
    reading = controller
    const kept = items.peek().slice(0, start)
    const read: Array<A> = []
    let last = start === items.peek().length ? end : kept.at(-1)
    let isEnd = false
    try {
      while (!isEnd && read.length < wanted) {
        const limit = Math.max(pageSize, wanted - read.length)
        const page = await load(last, limit, controller.signal)
        if (controller.signal.aborted) return
        isEnd = page.length < limit
        last = page.at(-1) ?? last
        read.push(...page.filter(isShown))
      }
      batch(() => {
        end = last
        items.value = [...kept, ...read]
        isComplete.value = isEnd
        isLoaded.value = true
        failure.value = undefined
      })
    } catch (cause) {
      if (controller.signal.aborted) return
      const problem = toFailure(cause)
      if (problem.kind === "unauthorized") endSession(problem)
      // The item after which the page begins may have left the list, such as a reopened card that was done.
      if (start > 0 && problem.kind === "refused") {
        items.value = []
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
    items,
    isLoaded,
    isComplete,
    failure,
    show: (first, last) => {
      visible = { first, last }
      const loaded = items.peek().length
      const isNearEnd = last >= loaded - margin
      if (isNearEnd && !isComplete.peek() && isLoaded.peek() && reading === undefined && loaded < maxLoaded) {
        void readFrom(loaded, pageSize)
      }
    },
    refresh: () => {
      const start = Math.max(0, Math.min(visible.first - margin, items.peek().length))
      return readFrom(start, Math.max(pageSize, visible.last - start + margin))
    },
    close: () => reading?.abort()
  }
}
