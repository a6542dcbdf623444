import { useSignal } from "@preact/signals"
import { useEffect, useMemo, useRef } from "preact/hooks"
import { formatValue } from "./axes.ts"
import type { ChartData, Series } from "./charts.ts"
import { Plot } from "./Plot.tsx"
import { type PointedBucket, pointedBucket } from "./pointedBucket.ts"
import { isOutline, markerPath } from "./seriesStyles.ts"

/**
 * A chart of lines over the buckets. The pointer or the arrow keys choose a bucket, and the legend shows its values; otherwise
 * those of the whole range. Dragging selects a range.
 */
export const Chart = ({
  buckets,
  chart,
  onSelect
}: {
  readonly chart: ChartData
  readonly buckets: ReadonlyArray<PointedBucket>
  readonly onSelect: (first: number, last: number) => void
}) => {
  const index = pointedBucket.value
  const bucket = index === undefined ? undefined : buckets[index]
  const starts = useMemo(() => buckets.map(({ startsAt }) => Date.parse(startsAt)), [buckets])
  const { ref, width } = useWidth()
  return (
    <figure class="chart">
      <figcaption>
        <h2>{chart.title}</h2>
        <span class="hint">{bucket === undefined ? "whole range" : bucket.label}</span>
      </figcaption>
      <ul class="chart-legend">
        {chart.series.map((series) => (
          <li key={series.label}>
            <Swatch series={series} />
            <span dir="auto">{series.label}</span>
            <b>
              {formatValue(
                chart.unit,
                bucket === undefined || index === undefined ? series.whole : series.values[index]
              )}
            </b>
          </li>
        ))}
      </ul>
      <div
        ref={ref}
        class="chart-plot"
        role="slider"
        tabIndex={0}
        aria-label={`${chart.title}: bucket`}
        aria-valuemin={0}
        aria-valuemax={Math.max(0, buckets.length - 1)}
        aria-valuenow={index ?? 0}
        aria-valuetext={describe(chart, bucket === undefined ? undefined : index, bucket)}
        onKeyDown={(event) => {
          const next = nextIndex(event.key, index, buckets.length)
          if (next === undefined) return
          event.preventDefault()
          pointedBucket.value = next < 0 ? undefined : next
        }}
      >
        {width > 0 && <Plot chart={chart} starts={starts} width={width} onSelect={onSelect} />}
      </div>
    </figure>
  )
}

/** Returns the width of an element in pixels, and renders again when it changes. */
const useWidth = () => {
  const ref = useRef<HTMLDivElement>(null)
  const width = useSignal(0)
  useEffect(() => {
    const element = ref.current
    if (element === null) return undefined
    const observer = new ResizeObserver(([entry]) => {
      width.value = Math.floor(entry?.contentRect.width ?? 0)
    })
    observer.observe(element)
    return () => observer.disconnect()
  }, [])
  return { ref, width: width.value }
}

/** Returns the bucket that a key chooses: `undefined` if the key is another one, and -1 for none. */
const nextIndex = (key: string, index: number | undefined, count: number): number | undefined => {
  switch (key) {
    case "ArrowRight":
    case "ArrowUp":
      return Math.min(count - 1, (index ?? -1) + 1)
    case "ArrowLeft":
    case "ArrowDown":
      return Math.max(0, (index ?? count) - 1)
    case "Home":
      return 0
    case "End":
      return count - 1
    case "Escape":
      return index === undefined ? undefined : -1
    default:
      return undefined
  }
}

const describe = (
  { series, unit }: ChartData,
  index: number | undefined,
  bucket: PointedBucket | undefined
): string => {
  const values = series.map(
    ({ label, values: all, whole }) => `${label} ${formatValue(unit, index === undefined ? whole : all[index])}`
  )
  return `${bucket?.label ?? "Whole range"}: ${values.join(", ")}`
}

const Swatch = ({ series: { style } }: { readonly series: Series }) => (
  <svg class="swatch" viewBox="0 0 34 12" aria-hidden="true" style={{ color: `var(--${style.color})` }}>
    <path d="M0 6H34" stroke-dasharray={style.dash.join(" ")} />
    <path d={markerPath(style.marker, 17, 6, 3.5)} class={isOutline(style.marker) ? "" : "filled"} />
  </svg>
)
