import { describe, expect, it } from "vitest"
import type { Flow } from "../../src/board/api/types.ts"
import { chartsOf, maxGroups, shownGroups } from "../../src/board/flow/charts.ts"
import { styles } from "../../src/board/flow/seriesStyles.ts"

const none = { count: 0, p50: null, p90: null, p99: null }
const nothing = { created: 0, claimed: 0, completed: 0, failed: 0, expired: 0, leadTime: none, cycleTime: none }
const times = (p50: number) => ({ count: 1, p50, p90: p50, p99: p50 })
const bucketAt = (hour: number, figures: object = {}) => ({
  startsAt: `2026-11-30T0${hour}:00:00.000Z`,
  endsAt: `2026-11-30T0${hour + 1}:00:00.000Z`,
  ...nothing,
  ...figures
})

const flowOf = (by: Flow["by"], names: ReadonlyArray<string | null>): Flow => ({
  startsAt: "2026-11-30T00:00:00.000Z",
  endsAt: "2026-11-30T03:00:00.000Z",
  bucket: "hour",
  by,
  position: 9,
  ...nothing,
  completed: 5,
  leadTime: times(60),
  readyAge: none,
  buckets: [bucketAt(0), bucketAt(1, { completed: 5, leadTime: times(60) }), bucketAt(2)],
  groups: names.map((group, index) => ({
    group,
    ...nothing,
    completed: index,
    readyAge: none,
    buckets: [bucketAt(1, { completed: index, failed: 1, expired: 2, leadTime: times(index) })]
  })),
  omittedGroups: 0
})

describe("the charts of a flow", () => {
  it("have a value for each bucket, and the figure of the whole range", () => {
    const charts = chartsOf(flowOf(null, []), [])
    expect(charts.map(({ title }) => title)).toEqual(["Throughput", "Failures and expiries", "Lead time", "Cycle time"])
    const [throughput, , lead] = charts
    expect(throughput?.series.find(({ label }) => label === "completed")).toMatchObject({ values: [0, 5, 0], whole: 5 })
    expect(lead?.series[0]).toMatchObject({ label: "median", values: [null, 60, null], whole: 60 })
  })

  it("have one line for each group, with 0 or no time in the buckets that the group lacks", () => {
    const flow = flowOf("phase", ["build", null])
    const [completed, , failed, lead] = chartsOf(flow, shownGroups(flow, undefined))
    expect(completed?.series.map(({ label, values }) => [label, values])).toEqual([
      ["build", [0, 0, 0]],
      ["no phase", [0, 1, 0]]
    ])
    expect(failed?.series[0]?.values).toEqual([0, 3, 0])
    expect(lead?.series[1]?.values).toEqual([null, 1, null])
  })

  it("show the largest groups, or those that the reader has chosen, at most one for each style", () => {
    const flow = flowOf("owner", ["a", "b", "c", "d", "e", "f", "g", null])
    const shown = (chosen: ReadonlyArray<string | null> | undefined) =>
      shownGroups(flow, chosen).map(({ group }) => group)
    expect(shown(undefined)).toEqual(["a", "b", "c", "d"])
    expect(shown([null, "g", "unknown"])).toEqual(["g", null])
    expect(shown([])).toEqual([])
    expect(shown(["a", "b", "c", "d", "e", "f", "g", null])).toHaveLength(maxGroups)
  })

  it("have lines that differ by their dashes and by their markers, not by color alone", () => {
    const all = Object.values(styles)
    expect(new Set(all.map(({ dash }) => dash.join()))).toHaveLength(all.length)
    expect(new Set(all.map(({ marker }) => marker))).toHaveLength(all.length)
  })
})
