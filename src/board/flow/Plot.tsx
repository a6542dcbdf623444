import { useMemo, useRef, useState } from "preact/hooks"
import { timeTicks, valueTicks } from "./axes.ts"
import type { ChartData } from "./charts.ts"
import { linePath, markersPath, nearestIndex } from "./lines.ts"
import { pointedBucket } from "./pointedBucket.ts"
import { isOutline } from "./seriesStyles.ts"

/** The height of a plot with its time axis, in pixels. */
const height = 210

/** The room around the lines, in pixels: above, at the right, for the time axis, and for the axis of values. */
const margin = { top: 10, right: 22, bottom: 36, left: 48 }

/** The width of the words of the time axis, in pixels. */
const tickWidth = 74

/** A drag shorter than this is a click, in pixels. */
const shortestDrag = 6

/** The lines of a chart as SVG, in the colors of the page. */
export const Plot = ({
  chart,
  onSelect,
  starts,
  width
}: {
  readonly chart: ChartData
  /** The starts of the buckets, in milliseconds since 1970. */
  readonly starts: ReadonlyArray<number>
  /** The width in pixels. */
  readonly width: number
  readonly onSelect: (first: number, last: number) => void
}) => {
  const drawn = useMemo(() => draw(chart, starts, width), [chart, starts, width])
  const svg = useRef<SVGSVGElement>(null)
  const [drag, setDrag] = useState<{ readonly from: number; readonly to: number }>()
  const placeOf = ({ clientX }: PointerEvent): number => clientX - (svg.current?.getBoundingClientRect().left ?? 0)
  const pointed = pointedBucket.value
  const cursor = pointed === undefined ? undefined : drawn.places[pointed]
  const bottom = height - margin.bottom
  return (
    <svg
      ref={svg}
      class="plot"
      width={width}
      height={height}
      aria-hidden="true"
      onPointerDown={(event) => {
        // A finger scrolls the page, and points.
        if (event.pointerType === "touch" || event.button !== 0) return
        svg.current?.setPointerCapture(event.pointerId)
        setDrag({ from: placeOf(event), to: placeOf(event) })
      }}
      onPointerMove={(event) => {
        const place = placeOf(event)
        pointedBucket.value = nearestIndex(drawn.places, place)
        if (drag !== undefined) setDrag({ ...drag, to: place })
      }}
      onPointerUp={() => {
        setDrag(undefined)
        if (drag === undefined || Math.abs(drag.to - drag.from) < shortestDrag) return
        const first = nearestIndex(drawn.places, Math.min(drag.from, drag.to))
        const last = nearestIndex(drawn.places, Math.max(drag.from, drag.to))
        if (first !== undefined && last !== undefined) onSelect(first, last)
      }}
      onPointerCancel={() => setDrag(undefined)}
      onPointerLeave={() => {
        if (drag === undefined) pointedBucket.value = undefined
      }}
    >
      <path class="plot-grid" d={drawn.grid} />
      {drawn.valueTicks.map(({ label, place }) => (
        <text key={place} x={margin.left - 6} y={place + 4} text-anchor="end">
          {label}
        </text>
      ))}
      {drawn.timeTicks.map(({ day, label, place, value }) => (
        <text key={value} x={place} y={bottom + 15} text-anchor="middle">
          {label}
          {day !== undefined && (
            <tspan x={place} dy={14}>
              {day}
            </tspan>
          )}
        </text>
      ))}
      {drawn.lines.map(({ line, markers, style }, index) => (
        <g key={index} style={{ color: `var(--${style.color})` }}>
          <path class="plot-line" d={line} stroke-dasharray={style.dash.join(" ")} />
          <path class={isOutline(style.marker) ? "plot-line" : "plot-markers"} d={markers} />
        </g>
      ))}
      {cursor !== undefined && <path class="plot-cursor" d={`M${cursor} ${margin.top}V${bottom}`} />}
      {drag !== undefined && (
        <rect
          class="plot-selection"
          x={Math.min(drag.from, drag.to)}
          y={margin.top}
          width={Math.abs(drag.to - drag.from)}
          height={bottom - margin.top}
        />
      )}
    </svg>
  )
}

/** Computes what a plot shows, in pixels. */
const draw = (chart: ChartData, starts: ReadonlyArray<number>, width: number) => {
  const right = width - margin.right
  const bottom = height - margin.bottom
  const from = starts[0] ?? 0
  const to = starts.at(-1) ?? from
  const max = chart.series.reduce(
    (most, { values }) => values.reduce<number>((top, value) => Math.max(top, value ?? 0), most),
    0
  )
  const ticks = valueTicks(chart.unit, max)
  const top = ticks.at(-1)?.value ?? 1
  // A single bucket is in the middle.
  const xOf = (millis: number): number =>
    to === from ? (margin.left + right) / 2 : margin.left + ((millis - from) / (to - from)) * (right - margin.left)
  const yOf = (value: number): number => bottom - (value / top) * (bottom - margin.top)
  const places = starts.map(xOf)
  const placement = { x: (index: number) => places[index] ?? 0, y: yOf }
  const times = timeTicks(from, to, Math.max(1, Math.floor((right - margin.left) / tickWidth))).map((tick) => ({
    ...tick,
    place: xOf(tick.value)
  }))
  const values = ticks.map((tick) => ({ ...tick, place: yOf(tick.value) }))
  return {
    places,
    valueTicks: values,
    timeTicks: times,
    grid: [
      ...values.map(({ place }) => `M${margin.left} ${place}H${right}`),
      ...times.map(({ place }) => `M${place} ${margin.top}V${bottom}`)
    ].join(""),
    lines: chart.series.map(({ style, values: all }) => ({
      style,
      line: linePath(all, placement, chart.unit === "seconds"),
      markers: markersPath(all, placement, style.marker)
    }))
  }
}
