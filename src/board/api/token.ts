import { signal } from "@preact/signals"

const storageKey = "mosaic-backlog:token"

/** The access token of the session; `undefined` if the server requires none, or the caller has not entered one. */
export const token = signal<string | undefined>(sessionStorage.getItem(storageKey) ?? undefined)

/**
 * Sets the token of the session. It is in memory only, so it is lost when the page is reloaded, unless `keepInTab` puts it into
 * the session storage of this browser tab.
 */
export const setToken = (value: string, keepInTab: boolean): void => {
  if (keepInTab) sessionStorage.setItem(storageKey, value)
  else sessionStorage.removeItem(storageKey)
  token.value = value
}

/** Forgets the token of the session, also in the session storage. */
export const forgetToken = (): void => {
  sessionStorage.removeItem(storageKey)
  token.value = undefined
}
