import { head } from "../api/follow.ts"
import { toFailure } from "../api/request.ts"
import { serverNow } from "../api/serverClock.ts"
import { moment } from "../shell/location.ts"
import { showToast } from "../shell/toast.ts"
import { loadEventAt, loadPositionAt } from "./loadMoment.ts"
import { dayEnds } from "./timeline.ts"
import { goTo } from "./timeRoute.ts"

const current = (): number => moment.peek() ?? head.peek()

let searching: AbortController | undefined

/** Carries out an action with a position that the server finds. A later search ends an earlier one. */
export const withFoundPosition = async (
  find: (ended: AbortSignal) => Promise<number>,
  act: (position: number) => void
): Promise<void> => {
  searching?.abort()
  const controller = new AbortController()
  searching = controller
  try {
    const position = await find(controller.signal)
    if (!controller.signal.aborted) act(position)
  } catch (cause) {
    if (!controller.signal.aborted) showToast({ text: toFailure(cause).message })
  }
}

/** Returns the last position at or before a time. The end of the log for a time in the future. */
export const findPositionAt = (time: Date, ended: AbortSignal): Promise<number> =>
  time.getTime() >= serverNow() ? Promise.resolve(head.peek()) : loadPositionAt(time, ended)

/** Goes to the last event at or before a time. */
export const goToTime = (time: Date): Promise<void> => withFoundPosition((ended) => findPositionAt(time, ended), goTo)

/** Goes one event back or forward. */
export const stepEvent = (direction: -1 | 1): void => goTo(current() + direction)

/** Goes to the end of the day before the event here. */
export const goToPreviousDay = (): Promise<void> =>
  withFoundPosition(async (ended) => {
    const position = current()
    const event = position === 0 ? undefined : await loadEventAt(position, ended)
    if (event === undefined) return 0
    return Math.min(position - 1, await findPositionAt(dayEnds(event.recordedAt).before, ended))
  }, goTo)

/** Goes to the end of the day of the next event. */
export const goToNextDay = (): Promise<void> =>
  withFoundPosition(async (ended) => {
    const position = current()
    const event = position >= head.peek() ? undefined : await loadEventAt(position + 1, ended)
    if (event === undefined) return head.peek()
    return Math.max(position + 1, await findPositionAt(dayEnds(event.recordedAt).own, ended))
  }, goTo)
