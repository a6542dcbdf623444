import { computed } from "@preact/signals"
import { useMemo, useRef } from "preact/hooks"
import { FailureNotice, Loading } from "../components/Condition.tsx"
import type { Claimability } from "../components/Claimability.tsx"
import { Icon } from "../components/Icon.tsx"
import { formatNumber } from "../components/Times.tsx"
import { useVirtualList } from "../components/useVirtualList.ts"
import { query } from "../search/currentSearch.ts"
import { addCondition, type Search } from "../search/parseSearch.ts"
import { hrefTo } from "../shell/location.ts"
import { CardTile } from "./CardTile.tsx"
import { type ColumnMoment, useColumnPages } from "./Column.tsx"
import { type CardsByKind, type Grouping, type Lane, makeLanes } from "./lanes.ts"

const tileHeight = 68
const headingHeight = 34

/** How many cards of a column a lane shows. The name of the lane leads to all of them. */
const maxShown = 5

/** The board in lanes. They group the cards that are loaded: the first page of each column. */
export const Lanes = ({
  at,
  counts,
  grouping,
  kinds,
  search
}: {
  readonly grouping: Grouping
  readonly kinds: ReadonlyArray<Claimability>
  /** The number of cards in each column; `undefined` if the search has conditions, which nothing counts. */
  readonly counts: Readonly<Record<Claimability, number>> | undefined
  readonly search: Search
  readonly at: ColumnMoment
}) => {
  const pages = {
    claimable: useColumnPages("claimable", search, at),
    claimed: useColumnPages("claimed", search, at),
    expired: useColumnPages("expired", search, at),
    deferred: useColumnPages("deferred", search, at),
    waiting: useColumnPages("waiting", search, at),
    blocked: useColumnPages("blocked", search, at),
    done: useColumnPages("done", search, at)
  }
  const all = Object.values(pages)
  const lanes = useMemo(
    () =>
      computed(() => {
        const columns: CardsByKind = Object.fromEntries(kinds.map((kind) => [kind, pages[kind].items.value]))
        return makeLanes(columns, grouping)
      }),
    [grouping, kinds.join(" "), ...all]
  ).value
  const scroller = useRef<HTMLDivElement>(null)
  const shownKinds = kinds.filter((kind) => pages[kind].items.value.length > 0)
  const heights = useMemo(() => lanes.map(heightOf), [lanes])
  const { end, first, height, topOf } = useVirtualList({ scroller, count: lanes.length, heights })
  const failure = all.map((each) => each.failure.value).find((each) => each !== undefined)
  if (failure !== undefined) {
    return <FailureNotice failure={failure} onRetry={() => all.map((each) => each.refresh())} />
  }
  if (!all.every((each) => each.isLoaded.value)) return <Loading what="the lanes" lines={6} />
  const loaded = kinds.reduce((sum, kind) => sum + pages[kind].items.value.length, 0)
  const total = counts === undefined ? undefined : kinds.reduce((sum, kind) => sum + counts[kind], 0)
  const isPartial = kinds.some((kind) => !pages[kind].isComplete.value)
  return (
    <>
      {isPartial && (
        <p class="hint">
          The lanes group {formatNumber(loaded)}
          {total === undefined ? " cards" : ` of ${formatNumber(total)} cards`}, the first of each column. The name of a
          lane leads to all of its cards.
        </p>
      )}
      <div class="lanes" ref={scroller}>
        <div class="lane-kinds">
          {shownKinds.map((kind) => (
            <h2 key={kind} class={kind}>
              <Icon name={kind} />
              {kind}
            </h2>
          ))}
        </div>
        <div class="lane-list" style={{ height: `${height}px` }}>
          {lanes.slice(first, end).map((lane, index) => (
            <section
              key={lane.name ?? "\n"}
              class="lane"
              style={{ transform: `translateY(${topOf(first + index)}px)` }}
              aria-label={lane.name ?? `No ${grouping}`}
            >
              <LaneHeading lane={lane} grouping={grouping} />
              <div class="lane-cells">
                {shownKinds.map((kind) => (
                  <LaneCell key={kind} kind={kind} lane={lane} isPast={at !== undefined} />
                ))}
              </div>
            </section>
          ))}
        </div>
      </div>
    </>
  )
}

/** The height of a lane, in pixels: its heading, the cards of its longest cell, and the line that says how many are left out. */
const heightOf = ({ cards }: Lane): number => {
  const longest = Math.max(...Object.values(cards).map((each) => each.length))
  return headingHeight + Math.min(longest, maxShown) * tileHeight + (longest > maxShown ? 22 : 0) + 6
}

const LaneHeading = ({ grouping, lane }: { readonly lane: Lane; readonly grouping: Grouping }) => (
  <h3>
    {lane.name === null ? (
      `No ${grouping}`
    ) : (
      <a
        dir="auto"
        href={hrefTo({ parameters: { q: addCondition(query.value, grouping, lane.name), lanes: undefined } })}
        title={`Show all cards with this ${grouping}`}
      >
        {lane.name}
      </a>
    )}{" "}
    <span class="count">{formatNumber(lane.count)}</span>
  </h3>
)

const LaneCell = ({
  isPast,
  kind,
  lane
}: {
  readonly kind: Claimability
  readonly lane: Lane
  readonly isPast: boolean
}) => {
  const cards = lane.cards[kind] ?? []
  return (
    <ul class={kind} aria-label={kind}>
      {cards.slice(0, maxShown).map((card) => (
        <li key={card.id}>
          <CardTile card={card} kind={kind} isPast={isPast} tabIndex={0} />
        </li>
      ))}
      {cards.length > maxShown && <li class="hint">and {formatNumber(cards.length - maxShown)} more</li>}
    </ul>
  )
}
