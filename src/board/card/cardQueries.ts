import { getJson, getLines } from "../api/request.ts"
import type { LiveEvent } from "../api/follow.ts"
import type { Card, CardNote, Explanation, Impact, Neighbourhood, RecordedEvent } from "../api/types.ts"
import { type Query, useQuery } from "../api/useQuery.ts"

/** What the page shows of a card in addition to its fields, now or as of a past position. */
export interface CardQueries {
  readonly explanation: Query<Explanation>
  readonly neighbourhood: Query<Neighbourhood>
  readonly impact: Query<Impact>
  readonly history: Query<ReadonlyArray<RecordedEvent>>
}

/** Maximum number of dependencies and dependents that the page lists. */
const maxNeighbors = 200

/** The past changes only by redactions. */
const isRedaction = ({ type }: LiveEvent): boolean => type === "CardRedacted"

const ofCard =
  (id: string, at: number | undefined) =>
  (event: LiveEvent): boolean =>
    event.cardId === id && (at === undefined || isRedaction(event))

/** Sends the query for a card. `at` is the position of the past moment; `undefined` for now. */
export const useCard = (id: string, at: number | undefined): Query<Card> =>
  useQuery(
    `${at ?? "now"} ${id}`,
    (signal) => getJson<Card>(at === undefined ? "get" : "card-at", { id, position: at }, signal),
    { isAffectedBy: ofCard(id, at) }
  )

/** Sends the other queries about a card that exists. `at` is the position of the past moment; `undefined` for now. */
export const useCardQueries = (id: string, at: number | undefined): CardQueries => {
  const key = `${at ?? "now"} ${id}`
  const isPast = at !== undefined
  const moment = { position: at }
  const neighbourhood: Query<Neighbourhood> = useQuery(
    key,
    (signal) =>
      getJson<Neighbourhood>(
        isPast ? "backlog-at/neighbourhood" : "neighbourhood",
        { id, hops: 1, limit: maxNeighbors, ...moment },
        signal
      ),
    { isAffectedBy: (event) => around(event) }
  )
  const isAround = ({ cardId, type }: LiveEvent): boolean => {
    const known = neighbourhood.answer.peek().value
    return (
      cardId === id ||
      // A new card can depend on this one, and a dependency can be created later.
      type === "CardCreated" ||
      type === "CardLinked" ||
      known?.cards.some((each) => each.id === cardId) === true
    )
  }
  const around = isPast ? isRedaction : isAround
  const explanation = useQuery(
    key,
    (signal) => getJson<Explanation>(isPast ? "explain-at" : "explain", { id, ...moment }, signal),
    { isAffectedBy: around }
  )
  const impact = useQuery(
    key,
    (signal) => getJson<Impact>(isPast ? "backlog-at/impact" : "impact", { id, ...moment }, signal),
    { isAffectedBy: around }
  )
  const history = useQuery(key, (signal) => getHistory(id, at, signal), { isAffectedBy: ofCard(id, at) })
  return { explanation, neighbourhood, impact, history }
}

const getHistory = async (
  id: string,
  at: number | undefined,
  signal: AbortSignal
): Promise<ReadonlyArray<RecordedEvent>> => {
  const events = await getLines<RecordedEvent>("history", { id }, { signal })
  return at === undefined ? events : events.filter(({ position }) => position <= at)
}

/** Sends the query for the last notes on a card. */
export const useNotes = (id: string): Query<ReadonlyArray<CardNote>> =>
  useQuery(id, (signal) => getJson<ReadonlyArray<CardNote>>("notes", { id, limit: 100 }, signal), {
    isAffectedBy: ({ cardId, type }) => cardId === id && (type === "CardNoted" || type === "CardRedacted")
  })
