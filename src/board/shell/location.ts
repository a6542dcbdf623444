import { computed, type ReadonlySignal, signal } from "@preact/signals"
import { changeRoute, formatRoute, momentOf, parseRoute, type Route, type RouteChange } from "./route.ts"

const current = signal<Route>(parseRoute(location.hash))

/** The route of the URL. */
export const route: ReadonlySignal<Route> = current

/** The position of the past moment that all views show; `undefined` for the present. */
export const moment: ReadonlySignal<number | undefined> = computed(() => momentOf(current.value))

/** The id of the card that is shown next to the view. */
export const openCard: ReadonlySignal<string | undefined> = computed(
  () => current.value.parameters["card"] || undefined
)

/** Browsers refuse more than 100 changes of the URL in 10 seconds. A slider changes it in each frame. */
const minReplaceMillis = 150

let replacement: { readonly timer: ReturnType<typeof setTimeout>; readonly write: () => void } | undefined
let replacedAt = 0

/** Replaces the address soon; the last one if several follow. */
const replaceSoon = (address: string): void => {
  const write = (): void => {
    replacement = undefined
    replacedAt = Date.now()
    history.replaceState(null, "", address)
  }
  clearTimeout(replacement?.timer)
  const wait = replacedAt + minReplaceMillis - Date.now()
  if (wait <= 0) write()
  else replacement = { write, timer: setTimeout(write, wait) }
}

/** Writes the address that `replaceSoon` was to write. */
const finishReplacing = (): void => {
  clearTimeout(replacement?.timer)
  replacement?.write()
}

const readUrl = (): void => {
  clearTimeout(replacement?.timer)
  replacement = undefined
  current.value = parseRoute(location.hash)
}
addEventListener("popstate", readUrl)
addEventListener("hashchange", readUrl)

/** Returns the address of the current route with changes, for links. */
export const hrefTo = (change: RouteChange): string => formatRoute(changeRoute(current.value, change))

/** Goes to the current route with changes. `replace` replaces the entry of the history. Defaults to a new entry. */
export const navigate = (change: RouteChange, { replace = false }: { readonly replace?: boolean } = {}): void => {
  const next = changeRoute(current.peek(), change)
  const address = formatRoute(next)
  if (address === formatRoute(current.peek())) return
  if (replace) replaceSoon(address)
  else {
    finishReplacing()
    history.pushState(null, "", address)
  }
  current.value = next
}
