/**
 * What the URL says: the view, and its parameters. It is in the fragment, so that the server needs only one page, and ids and
 * search words stay out of its access logs.
 *
 * These parameters belong to every view:
 *
 * - `q`: the search;
 * - `card`: the id of the card that is shown next to the view;
 * - `at`: the position of the past moment that is shown. Absent for the present.
 */
export interface Route {
  /** The name of the view, such as `board`. */
  readonly view: string
  readonly parameters: Readonly<Record<string, string>>
}

/** Changes of a route. `undefined` removes a parameter. Parameters that are not named stay as they are. */
export interface RouteChange {
  readonly view?: string
  readonly parameters?: Readonly<Record<string, string | undefined>>
}

/** The view that a URL without a fragment shows. */
export const defaultView = "board"

/** The parameters that remain when the view changes. */
const shared: ReadonlySet<string> = new Set(["q", "card", "at"])

/** Parses the fragment of a URL, such as `#/board?q=login&at=12`. Anything else is the default view. */
export const parseRoute = (fragment: string): Route => {
  const match = /^#?\/([a-z-]+)(?:\?(.*))?$/s.exec(fragment)
  const view = match?.[1]
  if (view === undefined) return { view: defaultView, parameters: {} }
  return { view, parameters: Object.fromEntries(new URLSearchParams(match?.[2] ?? "")) }
}

/** Formats a route as the fragment of a URL. The parameters are in the order of their names, so equal routes have equal URLs. */
export const formatRoute = ({ parameters, view }: Route): string => {
  const query = new URLSearchParams(Object.entries(parameters).sort(([left], [right]) => (left < right ? -1 : 1)))
  return `#/${view}${query.size === 0 ? "" : `?${query}`}`
}

/** Returns a route with changes. Another view keeps only the parameters that every view has. */
export const changeRoute = (route: Route, { parameters = {}, view = route.view }: RouteChange): Route => {
  const kept = Object.entries(route.parameters).filter(([name]) => view === route.view || shared.has(name))
  const changed: Record<string, string> = Object.fromEntries(kept)
  for (const [name, value] of Object.entries(parameters)) {
    if (value === undefined) delete changed[name]
    else changed[name] = value
  }
  return { view, parameters: changed }
}

/** Returns the position of the past moment of a route; `undefined` for the present. */
export const momentOf = ({ parameters }: Route): number | undefined =>
  /^\d{1,15}$/.test(parameters["at"] ?? "") ? Number(parameters["at"]) : undefined
