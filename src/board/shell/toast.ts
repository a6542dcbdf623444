import { signal } from "@preact/signals"

/** A message at the edge of the page about what the reader just did. */
export interface Toast {
  readonly text: string
  /** The id of a card that the message links. */
  readonly card?: string
}

const current = signal<Toast | undefined>(undefined)
let timer: ReturnType<typeof setTimeout> | undefined

/** The message that is shown; `undefined` if none is. */
export const toast = current

/** How long a message is shown, in milliseconds. */
const shownMillis = 8_000

/** Shows a message for 8 seconds, in place of the one before. */
export const showToast = (message: Toast): void => {
  clearTimeout(timer)
  current.value = message
  timer = setTimeout(() => {
    current.value = undefined
  }, shownMillis)
}
