import type { Flow } from "../api/types.ts"
import { type SeriesStyle, styles } from "./seriesStyles.ts"

/** A line of a chart. */
export interface Series {
  readonly label: string
  readonly style: SeriesStyle
  /** One value for each bucket; `null` if there is none. */
  readonly values: ReadonlyArray<number | null>
  /** The figure of the whole range; `null` if there is none. */
  readonly whole: number | null
}

/** A chart: lines over the buckets of the range. */
export interface ChartData {
  readonly title: string
  /** What the values are: numbers of events, or durations in seconds. */
  readonly unit: "count" | "seconds"
  readonly series: ReadonlyArray<Series>
}

type Figures = Flow["buckets"][number]
type Group = Flow["groups"][number]
type Measure = (figures: Omit<Figures, "startsAt" | "endsAt">) => number | null

const measures = {
  created: ({ created }) => created,
  claimed: ({ claimed }) => claimed,
  completed: ({ completed }) => completed,
  failed: ({ failed }) => failed,
  expired: ({ expired }) => expired,
  failedOrExpired: ({ expired, failed }) => failed + expired,
  lead50: ({ leadTime }) => leadTime.p50,
  lead90: ({ leadTime }) => leadTime.p90,
  lead99: ({ leadTime }) => leadTime.p99,
  cycle50: ({ cycleTime }) => cycleTime.p50,
  cycle90: ({ cycleTime }) => cycleTime.p90,
  cycle99: ({ cycleTime }) => cycleTime.p99
} satisfies Readonly<Record<string, Measure>>

const lineOf = (flow: Flow, label: string, style: SeriesStyle, measure: Measure): Series => ({
  label,
  style,
  values: flow.buckets.map(measure),
  whole: measure(flow)
})

const percentiles = (flow: Flow, title: string, p50: Measure, p90: Measure, p99: Measure): ChartData => ({
  title,
  unit: "seconds",
  series: [
    lineOf(flow, "median", styles.first, p50),
    lineOf(flow, "p90", styles.fifth, p90),
    lineOf(flow, "p99", styles.sixth, p99)
  ]
})

/** Returns the charts of all cards together. */
const chartsOfAll = (flow: Flow): ReadonlyArray<ChartData> => [
  {
    title: "Throughput",
    unit: "count",
    series: [
      lineOf(flow, "created", styles.first, measures.created),
      lineOf(flow, "claimed", styles.second, measures.claimed),
      lineOf(flow, "completed", styles.third, measures.completed)
    ]
  },
  {
    title: "Failures and expiries",
    unit: "count",
    series: [
      lineOf(flow, "failed", styles.sixth, measures.failed),
      lineOf(flow, "expired", styles.fourth, measures.expired)
    ]
  },
  percentiles(flow, "Lead time", measures.lead50, measures.lead90, measures.lead99),
  percentiles(flow, "Cycle time", measures.cycle50, measures.cycle90, measures.cycle99)
]

const groupStyles = Object.values(styles)

/** The most groups that the charts show: each has a color, a pattern and a marker of its own. */
export const maxGroups = groupStyles.length

/** The number of groups that the charts show if the reader has chosen none. */
const groupsAtFirst = 4

/** Returns the groups that the charts show. */
export const shownGroups = (flow: Flow, chosen: ReadonlyArray<string | null> | undefined): ReadonlyArray<Group> =>
  chosen === undefined
    ? flow.groups.slice(0, groupsAtFirst)
    : flow.groups.filter(({ group }) => chosen.includes(group)).slice(0, maxGroups)

/** The name of a group on the page. */
export const nameOfGroup = (group: string | null, by: Flow["by"]): string => group ?? `no ${by ?? "group"}`

/** Returns the charts with one line for each group. */
const chartsOfGroups = (flow: Flow, groups: ReadonlyArray<Group>): ReadonlyArray<ChartData> => {
  const places = new Map(flow.buckets.map(({ startsAt }, index) => [startsAt, index]))
  const chart = (title: string, unit: ChartData["unit"], measure: Measure): ChartData => ({
    title,
    unit,
    series: groups.map((group, index) => {
      // A group has only the buckets in which something happened.
      const values = flow.buckets.map((): number | null => (unit === "count" ? 0 : null))
      for (const bucket of group.buckets) {
        const place = places.get(bucket.startsAt)
        if (place !== undefined) values[place] = measure(bucket)
      }
      return {
        label: nameOfGroup(group.group, flow.by),
        style: groupStyles[index] ?? styles.first,
        values,
        whole: measure(group)
      }
    })
  })
  return [
    chart("Completed", "count", measures.completed),
    chart("Created", "count", measures.created),
    chart("Failed or expired", "count", measures.failedOrExpired),
    chart("Lead time, median", "seconds", measures.lead50),
    chart("Cycle time, median", "seconds", measures.cycle50)
  ]
}

/** Returns the charts of a flow: of all cards, or of some groups if the figures are grouped. */
export const chartsOf = (flow: Flow, groups: ReadonlyArray<Group>): ReadonlyArray<ChartData> =>
  flow.by === null ? chartsOfAll(flow) : chartsOfGroups(flow, groups)
