import { type ReadonlySignal, signal } from "@preact/signals"
import { type ClockBounds, narrowBounds, offsetOf, unknownClock } from "./clockBounds.ts"

let bounds: ClockBounds = unknownClock

/** Learns the server's time from the header `Date` of a response. Times are in milliseconds by the local clock. */
export const observeServerTime = (date: string | null, sentAt: number, receivedAt: number): void => {
  const serverMillis = date === null ? Number.NaN : Date.parse(date)
  if (!Number.isNaN(serverMillis)) bounds = narrowBounds(bounds, serverMillis, sentAt, receivedAt)
}

/** The server's time, in milliseconds since 1970. */
export const serverNow = (): number => Date.now() + offsetOf(bounds)

const ticking = signal(Date.now())

/** The server's time in milliseconds since 1970, updated each second while the page is visible. */
export const now: ReadonlySignal<number> = ticking

const tick = (): void => {
  if (!document.hidden) ticking.value = serverNow()
  setTimeout(tick, 1000 - (serverNow() % 1000))
}
tick()
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) ticking.value = serverNow()
})
