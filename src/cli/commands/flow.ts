import { Effect, Schema } from "effect"
import { AuditService, Flow, type FlowBucket, FlowBucketSize, FlowGrouping, type FlowTimes } from "../../index.ts"
import { makeOutput } from "../CommandOutput.ts"
import { defineCommand } from "../defineCommand.ts"
import { choiceFlag } from "../flags.ts"
import { formatTime, parseTimeFlag, timeFlag } from "../moments.ts"
import { type Column, formatTable } from "../table.ts"
import type { TextStyle } from "../terminalText.ts"

export const flowCommand = defineCommand(
  "flow",
  {
    description:
      "Shows how many cards were created, claimed and completed in each bucket of a range of time, how many attempts failed and how many claims expired. LEAD is the time from creation to completion, CYCLE the time from the first claim to completion: the value that half (P50) or 90 of 100 (P90) of the completions do not exceed. Times are in UTC; a range includes its beginning and excludes its end.",
    summary: "Show throughput, lead and cycle times",
    examples: [
      { command: "backlog flow", description: "The last 7 days" },
      { command: "backlog flow --from 2026-01-22 --to 2026-01-23 --bucket hour", description: "A day, hour by hour" },
      { command: "backlog flow --by phase --json", description: "By phase, with all percentiles" }
    ]
  },
  {
    from: timeFlag("from", "Beginning of the range. Defaults to 7 days before its end"),
    to: timeFlag("to", "End of the range. Defaults to now"),
    bucket: choiceFlag("bucket", FlowBucketSize.literals, 'Size of the buckets. Defaults to "day"'),
    by: choiceFlag(
      "by",
      FlowGrouping.literals,
      "Also show the figures of each phase, label or owner. A card counts in its present phase and in each of its present labels. Defaults to no groups"
    )
  },
  Effect.fnUntraced(function* ({ bucket, by, ...flags }) {
    const from = yield* parseTimeFlag("from", flags.from)
    const to = yield* parseTimeFlag("to", flags.to)
    return Effect.gen(function* () {
      const flow = yield* (yield* AuditService).flow({ from, to, bucket, by })
      return makeOutput(
        () => encodeFlow(flow),
        (style) => describeFlow(flow, style)
      )
    })
  })
)

const encodeFlow = Schema.encodeSync(Flow)

type Figures = Omit<FlowBucket, "startsAt" | "endsAt">

interface Row extends Figures {
  readonly name: string
  readonly readyAge?: FlowTimes
}

const describeFlow = (flow: Flow, style: TextStyle): string => {
  const { bucket, buckets, by, endsAt, groups, omittedGroups, readyAge, startsAt } = flow
  const rows: ReadonlyArray<Row> = [
    ...buckets.map((each): Row => ({ ...figuresOf(each), name: formatTime(each.startsAt) })),
    { ...figuresOf(flow), name: "total" }
  ]
  const lines = [
    `From ${formatTime(startsAt)} to ${formatTime(endsAt)}.`,
    "",
    ...formatTable(columnsOf(bucket.toUpperCase()), rows, style),
    "",
    describeReady(readyAge)
  ]
  if (by === null) return lines.join("\n")
  const named = groups.map((group): Row => ({
    ...figuresOf(group),
    readyAge: group.readyAge,
    name: group.group === null ? `(no ${by})` : group.group
  }))
  const ready: ReadonlyArray<Column<Row>> = [
    { title: "READY", text: (row) => String(row.readyAge?.count ?? 0), align: "right" },
    { title: "AGE P50", text: (row) => formatSeconds(row.readyAge?.p50 ?? null), align: "right" }
  ]
  return [
    ...lines,
    "",
    ...formatTable([...columnsOf(by.toUpperCase()), ...ready], named, style),
    ...(omittedGroups === 0 ? [] : [`${omittedGroups} more with fewer events are not shown.`])
  ].join("\n")
}

const figuresOf = ({ claimed, completed, created, cycleTime, expired, failed, leadTime }: Figures): Figures => ({
  created,
  claimed,
  completed,
  failed,
  expired,
  leadTime,
  cycleTime
})

const columnsOf = (title: string): ReadonlyArray<Column<Row>> => [
  { title, text: ({ name }) => name, minWidth: 12 },
  ...(["created", "claimed", "completed", "failed", "expired"] as const).map((figure): Column<Row> => ({
    title: figure.toUpperCase(),
    text: (row) => String(row[figure]),
    align: "right"
  })),
  { title: "LEAD P50", text: ({ leadTime }) => formatSeconds(leadTime.p50), align: "right" },
  { title: "P90", text: ({ leadTime }) => formatSeconds(leadTime.p90), align: "right" },
  { title: "CYCLE P50", text: ({ cycleTime }) => formatSeconds(cycleTime.p50), align: "right" },
  { title: "P90", text: ({ cycleTime }) => formatSeconds(cycleTime.p90), align: "right" }
]

const describeReady = ({ count, p50, p90, p99 }: FlowTimes): string =>
  count === 0
    ? "No card is ready now."
    : `Ready now: ${count} ${count === 1 ? "card" : "cards"}. Age: P50 ${formatSeconds(p50)}, P90 ${formatSeconds(p90)}, P99 ${formatSeconds(p99)}.`

/** Formats seconds with the two largest units: `1h 5m`. */
const formatSeconds = (seconds: number | null): string => {
  if (seconds === null) return "-"
  const whole = Math.round(seconds)
  const units = [
    [Math.floor(whole / 86_400), "d"],
    [Math.floor(whole / 3600) % 24, "h"],
    [Math.floor(whole / 60) % 60, "m"],
    [whole % 60, "s"]
  ] as const
  const first = units.findIndex(([count]) => count > 0)
  if (first === -1) return seconds === 0 ? "0s" : "<1s"
  return units
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count}${unit}`)
    .join(" ")
}
