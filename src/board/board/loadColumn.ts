import type { LoadPage } from "../api/pages.ts"
import { getJson, getLines } from "../api/request.ts"
import { serverNow } from "../api/serverClock.ts"
import type { Card, CardSummary } from "../api/types.ts"
import type { Claimability } from "../components/Claimability.tsx"
import type { Search } from "../search/parseSearch.ts"
import { columnParameters } from "./columns.ts"

/** Returns the function that reads the pages of a column, now or at a past position. */
export const loadColumn = (kind: Claimability, search: Search, at: number | undefined): LoadPage<CardSummary> => {
  const { text, ...parameters } = columnParameters(kind, search)
  return (last, limit, ended) => {
    const page = { ...parameters, after: last?.id, limit }
    return at === undefined
      ? getJson<ReadonlyArray<CardSummary>>("list", { ...page, text, fields: "summary" }, ended)
      : getLines<Card>("backlog-at/cards", { ...page, position: at }, { signal: ended })
  }
}

/**
 * Whether a column shows a card that its query returned: the query of claimed cards also returns expired claims. `atMillis` is
 * the time of the past moment, in milliseconds since 1970; `undefined` for now.
 */
export const isInColumn =
  (kind: Claimability, atMillis: number | undefined) =>
  ({ claimExpiresAt }: CardSummary): boolean =>
    kind !== "claimed" || claimExpiresAt === null || Date.parse(claimExpiresAt) > (atMillis ?? serverNow())
