import { effect, type ReadonlySignal, signal } from "@preact/signals"
import { getJson } from "../api/request.ts"
import { session } from "../api/session.ts"
import type { Density } from "../api/types.ts"
import { moment } from "./location.ts"

const time = signal<string | undefined>(undefined)

/** When the event at the position of the URL was recorded; `undefined` for now, at position 0, and until it is known. */
export const momentTime: ReadonlySignal<string | undefined> = time

/** Reads the time of the moment of the URL, and again whenever the moment changes. */
export const keepMomentTime = (): void => {
  effect(() => {
    const position = moment.value
    time.value = undefined
    if (position === undefined || position === 0 || session.value._tag !== "Open") return undefined
    const controller = new AbortController()
    getJson<Density>("density", { from: position, to: position, buckets: 1 }, controller.signal).then(
      ({ buckets }) => {
        time.value = buckets[0]?.startedAt
      },
      // The view says what is wrong with the moment.
      () => undefined
    )
    return () => controller.abort()
  })
}
