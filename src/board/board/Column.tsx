import { effect, signal, type Signal } from "@preact/signals"
import { useEffect, useMemo, useRef } from "preact/hooks"
import { makePages, maxLoaded, type Pages } from "../api/pages.ts"
import { keepLive, refreshEverything } from "../api/live.ts"
import { serverNow } from "../api/serverClock.ts"
import type { CardSummary } from "../api/types.ts"
import { isSelecting, selectAll } from "../commands/selection.ts"
import { Icon } from "../components/Icon.tsx"
import { FailureNotice, Loading, StaleLine } from "../components/Condition.tsx"
import { type Claimability, meanings } from "../components/Claimability.tsx"
import { formatNumber } from "../components/Times.tsx"
import { useVirtualList } from "../components/useVirtualList.ts"
import type { Search } from "../search/parseSearch.ts"
import { CardTile } from "./CardTile.tsx"
import { canChangeColumn } from "./columns.ts"
import { isInColumn, loadColumn } from "./loadColumn.ts"

/** The moment of a column: its position and its time in milliseconds since 1970; `undefined` for now. */
export type ColumnMoment = { readonly position: number; readonly millis: number } | undefined

/** Creates the list of a column, and keeps it up to date while the component is mounted. */
export const useColumnPages = (kind: Claimability, search: Search, at: ColumnMoment): Pages<CardSummary> => {
  const pages = useMemo(
    () => makePages<CardSummary>(loadColumn(kind, search, at?.position), isInColumn(kind, at?.millis)),
    [kind, search, at?.position, at?.millis]
  )
  useEffect(() => {
    void pages.refresh()
    if (at !== undefined) return pages.close
    const end = keepLive({ refresh: pages.refresh, isAffectedBy: ({ type }) => canChangeColumn(kind, type) })
    const endTimer = refreshWhenDue(kind, pages)
    return () => {
      end()
      endTimer()
      pages.close()
    }
  }, [pages])
  return pages
}

/** Reads the board again when the lease or the retry time of a loaded card has come, which no event says. */
const refreshWhenDue = (kind: Claimability, pages: Pages<CardSummary>): (() => void) => {
  let timer: ReturnType<typeof setTimeout> | undefined
  const end = effect(() => {
    clearTimeout(timer)
    const times = pages.items.value.flatMap(({ claimExpiresAt, notBefore }) => {
      const time = kind === "claimed" ? claimExpiresAt : kind === "deferred" ? notBefore : null
      return time === null ? [] : [Date.parse(time)]
    })
    if (times.length === 0) return
    // Browsers treat longer times as none.
    const millis = Math.min(2 ** 31 - 1, Math.max(250, Math.min(...times) - serverNow()))
    timer = setTimeout(refreshEverything, millis)
  })
  return () => {
    clearTimeout(timer)
    end()
  }
}

const rowHeight = 68

/** The place of the keyboard on the board: the card that the tab key reaches in each column. */
export const focusedRow: Signal<Readonly<Partial<Record<Claimability, number>>>> = signal({})

/** A column of the board: a list of any length, of which only the visible cards are in the document. */
export const Column = ({
  at,
  canFold,
  count,
  kind,
  onEmpty,
  search
}: {
  readonly kind: Claimability
  /** The number of cards in the column; `undefined` if the search has conditions, which nothing counts. */
  readonly count: number | undefined
  readonly search: Search
  readonly at: ColumnMoment
  /** Whether the column is a narrow strip when it turns out to be empty. */
  readonly canFold: boolean
  /** Receives whether the column is empty, when it is known, and when that changes. */
  readonly onEmpty: (kind: Claimability, isEmpty: boolean) => void
}) => {
  const pages = useColumnPages(kind, search, at)
  const scroller = useRef<HTMLDivElement>(null)
  const cards = pages.items.value
  const { end, first, height, topOf } = useVirtualList({ scroller, count: cards.length, heights: rowHeight })
  useEffect(() => pages.show(first, end - 1), [pages, first, end, cards.length])
  const isComplete = pages.isComplete.value
  const shownCount = count ?? (isComplete ? cards.length : undefined)
  const failure = pages.failure.value
  const isLoaded = pages.isLoaded.value
  const isEmpty = isLoaded && isComplete && cards.length === 0
  useEffect(() => {
    if (isLoaded) onEmpty(kind, isEmpty)
  }, [kind, isLoaded, isEmpty])
  const tabRow = Math.min(focusedRow.value[kind] ?? 0, Math.max(0, cards.length - 1))
  if (canFold && isEmpty && count === undefined) return <FoldedColumn kind={kind} />
  return (
    <section class={`column ${kind}`} aria-labelledby={`column-${kind}`}>
      <h2 id={`column-${kind}`} title={meanings[kind]}>
        <Icon name={kind} />
        {kind}{" "}
        <span class="count">
          {shownCount === undefined ? describeLoaded(isLoaded, cards.length) : formatNumber(shownCount)}
        </span>
        {isSelecting.value && cards.length > 0 && (
          <button
            type="button"
            class="link"
            title={`Select the ${formatNumber(cards.length)} cards that are loaded`}
            onClick={() => selectAll(cards.map(({ id }) => id))}
          >
            All {formatNumber(cards.length)}
          </button>
        )}
      </h2>
      {failure !== undefined && cards.length > 0 && <StaleLine failure={failure} />}
      <div class="column-cards" ref={scroller} data-kind={kind}>
        {!isLoaded &&
          (failure === undefined ? (
            <Loading what={`${kind} cards`} />
          ) : (
            <FailureNotice failure={failure} onRetry={pages.refresh} />
          ))}
        <ul style={{ height: `${height}px` }}>
          {cards.slice(first, end).map((card, index) => (
            <li
              key={card.id}
              style={{ transform: `translateY(${topOf(first + index)}px)` }}
              aria-setsize={shownCount ?? -1}
              aria-posinset={first + index + 1}
              data-row={first + index}
            >
              <CardTile
                card={card}
                kind={kind}
                isPast={at !== undefined}
                tabIndex={first + index === tabRow ? 0 : -1}
              />
            </li>
          ))}
        </ul>
        {isLoaded && <ColumnEnd loaded={cards.length} count={shownCount} isComplete={isComplete} />}
      </div>
    </section>
  )
}

/** A column without cards: a narrow strip. */
export const FoldedColumn = ({ kind }: { readonly kind: Claimability }) => (
  <section class={`column folded ${kind}`} aria-label={`${kind}: no cards`} title={meanings[kind]}>
    <h2>
      <Icon name={kind} />
      <span>
        {kind} <span class="count">0</span>
      </span>
    </h2>
  </section>
)

const describeLoaded = (isLoaded: boolean, count: number): string => (isLoaded ? `${formatNumber(count)}+` : "…")

/** Says how much of the column is loaded, if that is not everything. */
const ColumnEnd = ({
  count,
  isComplete,
  loaded
}: {
  readonly loaded: number
  readonly count: number | undefined
  readonly isComplete: boolean
}) => {
  if (isComplete) return loaded === 0 ? <p class="column-end">No cards</p> : null
  const of = count === undefined ? "" : ` of ${formatNumber(count)}`
  return (
    <p class="column-end">
      {loaded >= maxLoaded
        ? `Showing the first ${formatNumber(loaded)}${of}. Search to find others.`
        : `Showing ${formatNumber(loaded)}${of}. Scroll for more.`}
    </p>
  )
}
