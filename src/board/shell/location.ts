import { computed, type ReadonlySignal, signal } from "@preact/signals"
import { changeRoute, formatRoute, momentOf, parseRoute, type Route, type RouteChange } from "./route.ts"

const current = signal<Route>(parseRoute(location.hash))

/** The route of the URL. */
export const route: ReadonlySignal<Route> = current

/** The position of the past moment that all views show; `undefined` for the present. */
export const moment: ReadonlySignal<number | undefined> = computed(() => momentOf(current.value))

/** The id of the card that is shown next to the view. */
export const openCard: ReadonlySignal<string | undefined> = computed(() => current.value.parameters["card"])

const readUrl = (): void => {
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
  if (address === location.hash) return
  if (replace) history.replaceState(null, "", address)
  else history.pushState(null, "", address)
  current.value = next
}
