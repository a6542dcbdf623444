import { type ReadonlySignal, type Signal, signal } from "@preact/signals"
import { useEffect, useMemo } from "preact/hooks"
import type { LiveEvent } from "./follow.ts"
import { keepLive, type Refreshable } from "./live.ts"
import { type ApiFailure, toFailure } from "./request.ts"
import { endSession } from "./session.ts"

/** What a query knows: the last answer, and why the last request failed. */
export interface Answer<A> {
  /** The last answer; `undefined` before the first. It remains while the query is sent again, and when that fails. */
  readonly value: A | undefined
  /** Why the last request failed; `undefined` if it succeeded. */
  readonly failure: ApiFailure | undefined
}

/** How a query is sent, and when again. */
export interface QueryOptions {
  /** Which events can change the answer. Defaults to every event. `false` keeps the answer: the past does not change. */
  readonly isAffectedBy?: ((event: LiveEvent) => boolean) | false
}

/** A query on the page: its answer, and a function that sends it again. */
export interface Query<A> {
  readonly answer: ReadonlySignal<Answer<A>>
  readonly refresh: () => Promise<void>
}

/**
 * Sends a query while the component is mounted, and again when the key changes and when events can change the answer. `load`
 * may use only values that are part of `key`. Its answer is not `undefined`, which is no answer yet.
 */
export const useQuery = <A extends object | null>(
  key: string,
  load: (signal: AbortSignal) => Promise<A>,
  { isAffectedBy }: QueryOptions = {}
): Query<A> => {
  const query = useMemo(() => makeQuery(load, isAffectedBy), [key])
  useEffect(() => query.start(), [query])
  return query
}

const makeQuery = <A extends object | null>(
  load: (signal: AbortSignal) => Promise<A>,
  isAffectedBy: QueryOptions["isAffectedBy"]
): Query<A> & { readonly start: () => () => void } => {
  const answer: Signal<Answer<A>> = signal({ value: undefined, failure: undefined })
  let current: AbortController | undefined
  const refresh = async (): Promise<void> => {
    current?.abort()
    const controller = new AbortController()
    current = controller
    try {
      const value = await load(controller.signal)
      if (!controller.signal.aborted) answer.value = { value, failure: undefined }
    } catch (cause) {
      if (controller.signal.aborted) return
      const failure = toFailure(cause)
      if (failure.kind === "unauthorized") endSession(failure)
      answer.value = { value: answer.peek().value, failure }
    }
  }
  const part: Refreshable = { refresh, ...(typeof isAffectedBy === "function" ? { isAffectedBy } : {}) }
  const start = (): (() => void) => {
    void refresh()
    const endLive = isAffectedBy === false ? undefined : keepLive(part)
    return () => {
      endLive?.()
      current?.abort()
    }
  }
  return { answer, refresh, start }
}
