import { useMemo } from "preact/hooks"
import type { Density } from "../api/types.ts"
import { exactTime, formatNumber } from "../components/Times.tsx"
import { type Bar, barsOf, dayMarks, type TimeRange } from "./timeline.ts"

const days = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" })
const rates = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 2 })

/** A slider over positions, in front of a chart of the events per second. */
export const TimeSlider = ({
  compared,
  density,
  onChange,
  position,
  range,
  time
}: {
  readonly density: Density
  readonly range: TimeRange
  readonly position: number
  /** The other moment of a comparison. */
  readonly compared: number | undefined
  readonly time: string | undefined
  readonly onChange: (position: number) => void
}) => {
  const bars = useMemo(() => barsOf(density), [density])
  const length = Math.max(1, range.to - range.from + 1)
  /** The end of an event in the chart, from 0 to 1. */
  const placeOf = (at: number): number => Math.min(1, Math.max(0, (at - range.from + 1) / length))
  const scale = (density.to - density.from + 1) / length
  const offset = (density.from - range.from) / length
  const across = (share: number): number => (offset + share * scale) * 1_000
  const shade = compared === undefined ? undefined : [placeOf(position), placeOf(compared)].toSorted((a, b) => a - b)
  const marks = dayMarks(bars)
  return (
    <div class="time-slider">
      <div class="time-chart">
        <svg viewBox="0 0 1000 100" preserveAspectRatio="none" aria-hidden="true">
          {shade !== undefined && (
            <rect
              class="time-shade"
              x={(shade[0] ?? 0) * 1_000}
              width={((shade[1] ?? 0) - (shade[0] ?? 0)) * 1_000}
              height="100"
            />
          )}
          <path class="time-bars" d={pathOf(bars, across)} />
          {marks.map(({ at, start }) => (
            <path key={at} class="time-day" d={`M${across(start)} 0V100`} vector-effect="non-scaling-stroke" />
          ))}
          {compared !== undefined && (
            <path class="time-compared" d={`M${placeOf(compared) * 1_000} 0V100`} vector-effect="non-scaling-stroke" />
          )}
        </svg>
        <input
          type="range"
          min={range.from - 1}
          max={range.to}
          step={1}
          value={position}
          aria-label="Position in the log"
          aria-valuetext={`Position ${formatNumber(position)}${time === undefined ? "" : `, ${exactTime(time)}`}`}
          onInput={({ currentTarget }) => onChange(currentTarget.valueAsNumber)}
        />
      </div>
      <div class="time-scale hint" aria-hidden="true">
        <span>{formatNumber(range.from)}</span>
        {marks.map(({ at, start }) => (
          <span key={at} class="time-day-name" style={{ left: `${across(start) / 10}%` }}>
            {days.format(new Date(at))}
          </span>
        ))}
        <span>{formatNumber(range.to)}</span>
      </div>
      <p class="time-legend hint" aria-hidden="true">
        Bars: events per second, up to {rates.format(Math.max(...bars.map(({ rate }) => rate)))}. The scale is
        logarithmic.
      </p>
      <p class="visually-hidden">{describeDensity(bars)}</p>
    </div>
  )
}

const pathOf = (bars: ReadonlyArray<Bar>, across: (share: number) => number): string =>
  bars
    .map(({ height, start, width }) => {
      const left = across(start)
      // Bars that are wide enough have a gap between them.
      const size = across(start + width) - left
      return `M${left} 100V${100 - height * 92}h${size > 4 ? size - 1 : size}V100z`
    })
    .join("")

/** Says in words what the chart shows. */
const describeDensity = (bars: ReadonlyArray<Bar>): string => {
  const [first] = bars
  const last = bars.at(-1)
  if (first === undefined || last === undefined) return "The log has no events."
  const busiest = bars.reduce((best, each) => (each.rate > best.rate ? each : best))
  return (
    `Events ${formatNumber(first.from)} to ${formatNumber(last.to)}, until ${exactTime(last.endedAt)}. ` +
    `The most events per second, ${rates.format(busiest.rate)}, are at positions ` +
    `${formatNumber(busiest.from)} to ${formatNumber(busiest.to)}.`
  )
}
