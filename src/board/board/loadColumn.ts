import { getJson, getLines } from "../api/request.ts"
import { serverNow } from "../api/serverClock.ts"
import type { Card, CardSummary } from "../api/types.ts"
import type { Claimability } from "../components/Claimability.tsx"
import type { Search } from "../search/parseSearch.ts"
import type { LoadPage } from "./cardPages.ts"
import { columnParameters } from "./columns.ts"

/** Returns the function that reads the pages of a column, now or at a past position. */
export const loadColumn = (kind: Claimability, search: Search, at: number | undefined): LoadPage => {
  const { text, ...parameters } = columnParameters(kind, search)
  return (after, limit, signal) =>
    at === undefined
      ? getJson<ReadonlyArray<CardSummary>>("list", { ...parameters, text, after, limit, fields: "summary" }, signal)
      : getLines<Card>("backlog-at/cards", { ...parameters, after, limit, position: at }, { signal })
}

/**
 * Whether a column shows a card that its query returned: the query of claimed cards also returns expired claims. `atMillis` is
 * the time of the past moment, in milliseconds since 1970; `undefined` for now.
 */
export const isInColumn =
  (kind: Claimability, atMillis: number | undefined) =>
  ({ claimExpiresAt }: CardSummary): boolean =>
    kind !== "claimed" || claimExpiresAt === null || Date.parse(claimExpiresAt) > (atMillis ?? serverNow())
