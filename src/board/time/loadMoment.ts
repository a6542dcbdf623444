import { columnCounts, columnParameters } from "../board/columns.ts"
import { makeEventParser } from "../api/eventLines.ts"
import { ApiFailure, getJson, getLines, readText, send } from "../api/request.ts"
import type { BacklogAt, Card, CardSummary, RecordedEvent, Stats } from "../api/types.ts"
import { claimabilities, type Claimability } from "../components/Claimability.tsx"
import { parseSearch } from "../search/parseSearch.ts"

/** The backlog as of a position, in short. */
export interface ShownMoment {
  readonly position: number
  /** When its last event was recorded; `undefined` before the first. */
  readonly time: string | undefined
  /** The event at the position; `undefined` before the first. */
  readonly event: RecordedEvent | undefined
  readonly counts: Readonly<Record<Claimability, number>>
  /** The first cards of each column. */
  readonly cards: Readonly<Record<Claimability, ReadonlyArray<CardSummary>>>
}

/** Maximum number of cards of a column that are shown. */
export const maxCards = 8

const everyCard = parseSearch("")

/** Reads the backlog as of a position. `isNow` says that the position is the end of the log, which is cheaper to read. */
export const loadMoment = async (position: number, isNow: boolean, ended: AbortSignal): Promise<ShownMoment> => {
  const event = position === 0 ? Promise.resolve(undefined) : loadEventAt(position, ended)
  const stats = isNow
    ? getJson<Stats>("stats", {}, ended)
    : getJson<BacklogAt>("backlog-at", { position }, ended).then((past) => past.stats)
  const loadCards = async (): Promise<Pick<ShownMoment, "counts" | "cards">> => {
    const counts = columnCounts(await stats)
    const lists = await Promise.all(
      claimabilities.map((kind) =>
        counts[kind] === 0 ? Promise.resolve([]) : loadColumn(kind, position, isNow, ended)
      )
    )
    const cards = Object.fromEntries(claimabilities.map((kind, index) => [kind, lists[index] ?? []]))
    return { counts, cards: cards as ShownMoment["cards"] }
  }
  const [board, known] = await Promise.all([loadCards(), event])
  return { position, time: known?.recordedAt, event: known, ...board }
}

const loadColumn = async (
  kind: Claimability,
  position: number,
  isNow: boolean,
  ended: AbortSignal
): Promise<ReadonlyArray<CardSummary>> => {
  const query = { ...columnParameters(kind, everyCard), limit: maxCards }
  return isNow
    ? getJson<ReadonlyArray<CardSummary>>("list", { ...query, fields: "summary" }, ended)
    : getLines<Card>("backlog-at/cards", { ...query, position }, { signal: ended })
}

/** Reads the event at a position, and closes the stream after it. `undefined` after the end of the log. */
export const loadEventAt = async (position: number, ended: AbortSignal): Promise<RecordedEvent | undefined> => {
  const response = await send("events", { after: position - 1, follow: false }, { signal: ended }).catch(
    (cause: unknown) => {
      if (cause instanceof ApiFailure && cause.kind === "notFound") return undefined
      throw cause
    }
  )
  if (response === undefined) return undefined
  const parse = makeEventParser()
  for await (const { lines } of readText(response)) {
    for (const { data, name } of parse(lines)) {
      if (name === "problem") {
        const problem = JSON.parse(data) as NonNullable<ApiFailure["problem"]>
        throw new ApiFailure("failed", problem.detail, problem)
      }
      return JSON.parse(data) as RecordedEvent
    }
  }
  return undefined
}

/** Reads the last position at or before a time; 0 if the log begins later. A time in the future is refused. */
export const loadPositionAt = async (time: Date, ended?: AbortSignal): Promise<number> =>
  (await getJson<BacklogAt>("backlog-at", { time: time.toISOString() }, ended)).position
