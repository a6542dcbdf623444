import { useEffect, useMemo } from "preact/hooks"
import { head } from "../api/follow.ts"
import { getJson } from "../api/request.ts"
import { now, serverNow } from "../api/serverClock.ts"
import type { Density, Flow } from "../api/types.ts"
import { type Query, useQuery } from "../api/useQuery.ts"
import { Answered, Notice } from "../components/Condition.tsx"
import { LocalTime } from "../components/Times.tsx"
import { useActions } from "../shell/keys.ts"
import { moment, navigate, route } from "../shell/location.ts"
import { BucketTable } from "./BucketTable.tsx"
import { formatBucket } from "./bucketLabels.ts"
import { Chart } from "./Chart.tsx"
import { chartsOf, shownGroups } from "./charts.ts"
import { Figures } from "./Figures.tsx"
import { choosePreset, chooseRange, FlowBar } from "./FlowBar.tsx"
import { type FlowChoice, groupings, parseChoice, presets, type ResolvedRange, resolveRange } from "./flowRange.ts"
import { GroupTable } from "./GroupTable.tsx"
import { pointedBucket } from "./pointedBucket.ts"

/** A flow, the range that was asked for, and how long the server took, in milliseconds. */
interface LoadedFlow {
  readonly flow: Flow
  readonly range: ResolvedRange
  readonly tookMillis: number
  /** The position of the last event that the page knew of. */
  readonly head: number
}

/** How cards flow through the backlog: throughput, times, failures and expiries, over time. */
const FlowView = () => {
  const parameters = route.value.parameters
  const { by, from, range, to } = parameters
  const bucket = parameters["bucket"]
  const at = moment.value
  const choice = parseChoice(parameters)
  const key = JSON.stringify(["flow", at, range, from, to, bucket, by])
  const query = useQuery(key, (signal) => loadFlow(choice, at, signal), { isAffectedBy: false })
  useRefresh(query, at === undefined && !(choice.range._tag === "Free" && to !== undefined))
  useEffect(() => {
    pointedBucket.value = undefined
  }, [key])
  useActions(flowActions, [])
  return (
    <div class="flow">
      <FlowBar choice={choice} shown={query.answer.value.value?.range} />
      <Answered query={query} what="the flow" lines={8}>
        {(loaded) => <LoadedCharts loaded={loaded} choice={choice} isPast={at !== undefined} />}
      </Answered>
    </div>
  )
}

/** Reads the flow of a range that ends now, or with the event at a position. */
const loadFlow = async (choice: FlowChoice, at: number | undefined, signal: AbortSignal): Promise<LoadedFlow> => {
  const known = head.peek()
  const startedAt = performance.now()
  // Flow excludes the end of its range, and times are in milliseconds.
  const end = at === undefined ? serverNow() : (await readTime(at, signal)) + 1
  const range = resolveRange(choice, end, at === undefined)
  const flow = await getJson<Flow>(
    "flow",
    {
      from: new Date(range.from).toISOString(),
      to: range.to === undefined ? undefined : new Date(range.to).toISOString(),
      bucket: range.bucket,
      by: choice.by
    },
    signal
  )
  return { flow, range, tookMillis: performance.now() - startedAt, head: known }
}

/** Reads when the event at a position was recorded, in milliseconds since 1970. Before the first event, it was 1970. */
const readTime = async (position: number, signal: AbortSignal): Promise<number> => {
  if (position === 0) return 0
  const { buckets } = await getJson<Density>("density", { from: position, to: position, buckets: 1 }, signal)
  return Date.parse(buckets[0]?.startedAt ?? "1970")
}

/** The shortest time between two reads, in milliseconds. */
const intervalMillis = 10_000

/** The server gets this many times the duration of a read without one. */
const restFactor = 20

/** Reads a range that ends now again while there are new events. A flow reads all events of its range, so a long one is read rarely. */
const useRefresh = (query: Query<LoadedFlow>, endsNow: boolean): void => {
  useEffect(() => {
    if (!endsNow) return undefined
    let readAt = performance.now()
    const timer = setInterval(() => {
      const loaded = query.answer.peek().value
      if (document.hidden || loaded === undefined || loaded.head === head.peek()) return
      if (performance.now() - readAt < Math.max(intervalMillis, restFactor * loaded.tookMillis)) return
      readAt = performance.now()
      void query.refresh()
    }, 1_000)
    return () => clearInterval(timer)
  }, [query, endsNow])
}

const LoadedCharts = ({
  choice,
  isPast,
  loaded: { flow }
}: {
  readonly loaded: LoadedFlow
  readonly choice: FlowChoice
  readonly isPast: boolean
}) => {
  const groupKey = JSON.stringify(choice.groups)
  const charts = useMemo(() => chartsOf(flow, shownGroups(flow, choice.groups)), [flow, groupKey])
  const buckets = useMemo(
    () => flow.buckets.map((bucket) => ({ startsAt: bucket.startsAt, label: formatBucket(bucket, flow.bucket) })),
    [flow]
  )
  const labels = useMemo(() => buckets.map(({ label }) => label), [buckets])
  const select = (first: number, last: number): void => {
    const start = flow.buckets[Math.min(first, last)]
    const end = flow.buckets[Math.max(first, last)]
    if (start !== undefined && end !== undefined) chooseRange(Date.parse(start.startsAt), Date.parse(end.endsAt))
  }
  const isEmpty = flow.created + flow.claimed + flow.completed + flow.failed + flow.expired === 0
  return (
    <>
      <p class="hint" role="status">
        <LocalTime at={flow.startsAt} /> to <LocalTime at={flow.endsAt} />, local time.
        {isOffsetFromUtc() &&
          (flow.bucket === "day" || flow.bucket === "week") &&
          ` A ${flow.bucket} begins at midnight UTC.`}
      </p>
      <Figures flow={flow} isPast={isPast} />
      {isEmpty ? (
        <Notice icon="flow" title="Nothing happened in this range">
          Choose a longer range. Cards of an import count when they were imported.
        </Notice>
      ) : (
        <>
          <div class="charts">
            {charts.map((chart) => (
              <Chart key={chart.title} chart={chart} buckets={buckets} onSelect={select} />
            ))}
          </div>
          <p class="hint">
            Drag over a chart to select a range. With the focus on a chart, the arrow keys choose a bucket.
            {flow.by !== null && " Choose the groups of the charts in the table."}
          </p>
          {flow.by !== null && <GroupTable flow={flow} chosen={choice.groups} />}
          <BucketTable flow={flow} labels={labels} />
        </>
      )}
    </>
  )
}

const isOffsetFromUtc = (): boolean => new Date(now.peek()).getTimezoneOffset() !== 0

const flowActions = () => [
  ...presets.map(({ label, name }, index) => ({
    keys: String(index + 1),
    label: `Show ${label}`,
    group: "Flow",
    run: () => choosePreset(name)
  })),
  ...groupings.map((by) => ({
    keys: by.charAt(0),
    label: `Group by ${by}`,
    group: "Flow",
    run: () => navigate({ parameters: { by, groups: undefined } })
  })),
  {
    keys: "n",
    label: "Group by nothing",
    group: "Flow",
    run: () => navigate({ parameters: { by: undefined, groups: undefined } })
  }
]

export default FlowView
