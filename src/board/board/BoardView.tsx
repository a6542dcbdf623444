import { useEffect, useMemo, useState } from "preact/hooks"
import { refreshEverything } from "../api/live.ts"
import { getJson } from "../api/request.ts"
import type { BacklogAt, Stats } from "../api/types.ts"
import { useQuery } from "../api/useQuery.ts"
import { Answered, Notice } from "../components/Condition.tsx"
import { claimabilities, type Claimability } from "../components/Claimability.tsx"
import { Icon } from "../components/Icon.tsx"
import { formatNumber } from "../components/Times.tsx"
import { search } from "../search/currentSearch.ts"
import { isEveryCard } from "../search/parseSearch.ts"
import { hrefTo, moment, route } from "../shell/location.ts"
import { useNarrow } from "../shell/useNarrow.ts"
import { BulkBar } from "../commands/BulkBar.tsx"
import { isSelecting } from "../commands/selection.ts"
import { whyDisabled } from "../commands/send.ts"
import { BoardBar } from "./BoardBar.tsx"
import { useBoardKeys } from "./boardKeys.ts"
import { Column, type ColumnMoment, FoldedColumn } from "./Column.tsx"
import { columnCounts } from "./columns.ts"
import { toGrouping } from "./lanes.ts"
import { Lanes } from "./Lanes.tsx"
import { Outlook } from "./Outlook.tsx"

/** All cards by what a claim can do with them: a column for each kind, now or as of a past position. */
export const BoardView = () => {
  const at = moment.value
  return at === undefined ? <PresentBoard /> : <PastBoard key={at} at={at} />
}

/**
 * How often the board is read again while leases or retry times run, in milliseconds. No event says that one of them has ended,
 * and the cards that are not loaded have no timer.
 */
const dueCheckMillis = 5_000

const PresentBoard = () => {
  const stats = useQuery("stats", (signal) => getJson<Stats>("stats", {}, signal))
  const counts = stats.answer.value.value && columnCounts(stats.answer.value.value)
  const isTimeRelevant = counts !== undefined && counts.claimed + counts.deferred > 0
  useEffect(() => {
    if (!isTimeRelevant) return undefined
    const timer = setInterval(() => !document.hidden && refreshEverything(), dueCheckMillis)
    return () => clearInterval(timer)
  }, [isTimeRelevant])
  return (
    <Answered query={stats} what="the board">
      {(value) => <Columns stats={value} at={undefined} />}
    </Answered>
  )
}

const PastBoard = ({ at }: { readonly at: number }) => {
  const past = useQuery(`backlog-at ${at}`, (signal) => getJson<BacklogAt>("backlog-at", { position: at }, signal), {
    isAffectedBy: false
  })
  return (
    <Answered query={past} what={`the board as of position ${at}`}>
      {({ stats, time }) => <Columns stats={stats} at={{ position: at, millis: Date.parse(time) }} />}
    </Answered>
  )
}

const Columns = ({ at, stats }: { readonly stats: Stats; readonly at: ColumnMoment }) => {
  const asked = search.value
  // A search for columns only leaves their counts as they are.
  const isEverything = isEveryCard({ ...asked, kinds: [] })
  const counts = columnCounts(stats)
  const isNarrow = useNarrow()
  const [chosen, choose] = useState<Claimability>(() => claimabilities.find((kind) => counts[kind] > 0) ?? "claimable")
  const stableMoment = useMemo(() => at, [at?.position, at?.millis])
  const kinds = asked.kinds.length === 0 ? claimabilities : claimabilities.filter((kind) => asked.kinds.includes(kind))
  const [empty, setEmpty] = useState<ReadonlySet<Claimability>>(new Set())
  const onEmpty = (kind: Claimability, isEmpty: boolean): void =>
    setEmpty((known) => new Set(isEmpty ? [...known, kind] : [...known].filter((each) => each !== kind)))
  useEffect(() => setEmpty(new Set()), [asked])
  useBoardKeys()
  if (stats.total === 0) {
    return (
      <div class="board">
        <BoardBar />
        {at === undefined ? (
          <Notice icon="board" title="The backlog is empty">
            {whyDisabled("create") === undefined ? "Create a card here, or with " : "Create a card with "}
            <code>backlog create</code>, or import a backlog with <code>backlog import</code>.
          </Notice>
        ) : (
          <Notice icon="board" title="The backlog was empty" />
        )}
      </div>
    )
  }
  const grouping = toGrouping(route.value.parameters["lanes"])
  const isFolded = (kind: Claimability): boolean => isEverything && counts[kind] === 0
  const shown = isNarrow ? kinds.filter((kind) => kind === (kinds.includes(chosen) ? chosen : kinds[0])) : kinds
  return (
    <div class="board">
      <BoardBar />
      {asked.text !== "" && at !== undefined && (
        <p class="hint">Words are not searched in the past. The other conditions apply.</p>
      )}
      {at === undefined && counts.claimable + counts.expired === 0 && <Outlook search={asked} />}
      {isNarrow && grouping === undefined && (
        <div class="column-tabs" role="tablist" aria-label="Columns">
          {kinds.map((kind) => (
            <button
              type="button"
              role="tab"
              key={kind}
              class={kind}
              aria-selected={shown.includes(kind)}
              onClick={() => choose(kind)}
            >
              <Icon name={kind} />
              {kind} {isEverything && formatNumber(counts[kind])}
            </button>
          ))}
        </div>
      )}
      {grouping !== undefined ? (
        <Lanes
          grouping={grouping}
          kinds={kinds}
          counts={isEverything ? counts : undefined}
          search={asked}
          at={stableMoment}
        />
      ) : (
        <div class="columns">
          {shown.map((kind) =>
            !isNarrow && isFolded(kind) ? (
              <FoldedColumn key={kind} kind={kind} />
            ) : (
              <Column
                key={kind}
                kind={kind}
                count={isEverything ? counts[kind] : undefined}
                search={asked}
                at={stableMoment}
                canFold={!isNarrow}
                onEmpty={onEmpty}
              />
            )
          )}
          {!isEverything && shown.every((kind) => empty.has(kind)) && (
            <Notice
              icon="search"
              title="No card matches the search"
              action={<a href={hrefTo({ parameters: { q: undefined } })}>Clear the search</a>}
            />
          )}
        </div>
      )}
      {isSelecting.value && <BulkBar />}
    </div>
  )
}
