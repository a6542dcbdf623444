import { type Marker, markerPath } from "./seriesStyles.ts"

/** Where the values of a line are in a chart, in pixels. */
export interface Placement {
  readonly x: (index: number) => number
  readonly y: (value: number) => number
}

const round = (pixels: number): string => String(Math.round(pixels * 10) / 10)

/**
 * Returns a line through values as an SVG path. `null` is no value. `spansGaps` connects the values around a gap; otherwise the
 * line ends there.
 */
export const linePath = (values: ReadonlyArray<number | null>, { x, y }: Placement, spansGaps: boolean): string => {
  const parts: Array<string> = []
  let isConnected = false
  for (const [index, value] of values.entries()) {
    if (value !== null) parts.push(`${isConnected ? "L" : "M"}${round(x(index))} ${round(y(value))}`)
    isConnected = value !== null || (isConnected && spansGaps)
  }
  return parts.join("")
}

/** The smallest distance of two markers, in pixels. */
const markerDistance = 18

/** Half of the size of a marker, in pixels. */
const markerRadius = 3.5

/** Returns the markers of a line as an SVG path. Where the values are close together, some have none; a value without neighbors has one. */
export const markersPath = (values: ReadonlyArray<number | null>, { x, y }: Placement, marker: Marker): string => {
  const parts: Array<string> = []
  let last = Number.NEGATIVE_INFINITY
  for (const [index, value] of values.entries()) {
    if (value === null) continue
    const isAlone = values[index - 1] == null && values[index + 1] == null
    const place = x(index)
    if (!isAlone && place - last < markerDistance) continue
    last = place
    parts.push(markerPath(marker, Math.round(place), Math.round(y(value)), markerRadius))
  }
  return parts.join("")
}

/** Returns the place of the value that is nearest to a position in pixels. `places` are in ascending order; `undefined` if there are none. */
export const nearestIndex = (places: ReadonlyArray<number>, position: number): number | undefined => {
  if (places.length === 0) return undefined
  const after = places.findIndex((each) => each >= position)
  if (after === -1) return places.length - 1
  const before = Math.max(0, after - 1)
  return Math.abs((places[before] ?? 0) - position) < Math.abs((places[after] ?? 0) - position) ? before : after
}
