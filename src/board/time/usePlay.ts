import { useEffect, useRef, useState } from "preact/hooks"
import { head } from "../api/follow.ts"
import { moment } from "../shell/location.ts"
import { goTo } from "./timeRoute.ts"

const reducesMotion = matchMedia("(prefers-reduced-motion: reduce)")

/** With reduced motion, the slider moves once in this time, in milliseconds. */
const calmMillis = 1_000

/** Playing: whether it runs, and how to start and stop it. */
export interface Playing {
  readonly isPlaying: boolean
  readonly toggle: () => void
}

/**
 * Moves the moment forward by events per second, in at most one step per frame, until the end of the log. From the present, it
 * begins at `start`.
 */
export const usePlay = (speed: number, start: number): Playing => {
  const [isPlaying, setPlaying] = useState(false)
  const latest = useRef(speed)
  latest.current = speed
  useEffect(() => {
    if (!isPlaying) return undefined
    let frame = 0
    let movedAt = performance.now()
    let place = moment.peek() ?? start
    if (moment.peek() === undefined) goTo(place, { replace: true })
    const step = (time: number): void => {
      frame = requestAnimationFrame(step)
      const shown = moment.peek()
      // The reader has moved the slider, or returned to now.
      if (shown === undefined) return setPlaying(false)
      if (shown !== Math.round(place)) place = shown
      const events = (Math.max(0, time - movedAt) * latest.current) / 1000
      const isDue = reducesMotion.matches ? time - movedAt >= calmMillis : Math.round(place + events) > shown
      if (!isDue) return undefined
      movedAt = time
      place = Math.min(head.peek(), place + events)
      goTo(place, { replace: true })
      if (place >= head.peek()) setPlaying(false)
    }
    frame = requestAnimationFrame(step)
    return () => cancelAnimationFrame(frame)
  }, [isPlaying])
  return { isPlaying, toggle: () => setPlaying((known) => !known) }
}
