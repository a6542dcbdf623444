import { type ReadonlySignal, signal } from "@preact/signals"

/** What a reader knows: the last answer, and why the last read failed. */
export interface MomentState<A> {
  readonly value: A | undefined
  readonly failure: unknown
  /** Whether a read runs. */
  readonly isReading: boolean
}

/** Reads what belongs to a place that changes often. */
export interface MomentReader<K, A> {
  readonly state: ReadonlySignal<MomentState<A>>
  /** Reads for this place in the next frame, unless another place follows until then. */
  readonly read: (key: K) => void
  readonly close: () => void
}

/** A read for a place that the reader has left may take this long, in milliseconds. Longer, it is aborted. */
const maxSupersededMillis = 250

/**
 * Creates a reader for a slider: it starts at most one read per frame and runs at most one at a time. A read for a place that is
 * left ends if it is fast, so that the page changes while the slider moves, and is aborted if it is slow.
 */
export const makeMomentReader = <K, A>(
  load: (key: K, ended: AbortSignal) => Promise<A>,
  nextFrame: (run: () => void) => void = requestAnimationFrame
): MomentReader<K, A> => {
  const state = signal<MomentState<A>>({ value: undefined, failure: undefined, isReading: false })
  let wanted: { readonly key: K } | undefined
  let running: AbortController | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  let isWaiting = false
  let isClosed = false

  const start = (): void => {
    isWaiting = false
    if (wanted === undefined || isClosed) return
    if (running !== undefined) {
      const superseded = running
      timer ??= setTimeout(() => superseded.abort(), maxSupersededMillis)
      return
    }
    const { key } = wanted
    wanted = undefined
    const controller = new AbortController()
    running = controller
    state.value = { ...state.peek(), isReading: true }
    load(key, controller.signal)
      .then(
        (value) => {
          if (!controller.signal.aborted) state.value = { value, failure: undefined, isReading: false }
        },
        (failure: unknown) => {
          if (!controller.signal.aborted) state.value = { ...state.peek(), failure, isReading: false }
        }
      )
      .finally(() => {
        clearTimeout(timer)
        timer = undefined
        running = undefined
        schedule()
      })
  }
  const schedule = (): void => {
    if (isWaiting || wanted === undefined || isClosed) return
    isWaiting = true
    nextFrame(start)
  }
  return {
    state,
    read: (key) => {
      wanted = { key }
      schedule()
    },
    close: () => {
      isClosed = true
      clearTimeout(timer)
      running?.abort()
    }
  }
}
