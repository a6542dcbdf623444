/** The shape that marks the points of a line. */
export type Marker = "circle" | "square" | "triangle" | "diamond" | "cross" | "ring"

/** How a line looks: no two lines differ by their colors alone. */
export interface SeriesStyle {
  /** The name of a color of the page. */
  readonly color: string
  /** The lengths of dashes and gaps in pixels. Empty for a solid line. */
  readonly dash: ReadonlyArray<number>
  readonly marker: Marker
}

/** The looks of lines. */
export const styles = {
  first: { color: "accent", dash: [], marker: "circle" },
  second: { color: "claimed", dash: [7, 4], marker: "square" },
  third: { color: "claimable", dash: [2, 3], marker: "triangle" },
  fourth: { color: "expired", dash: [9, 3, 2, 3], marker: "diamond" },
  fifth: { color: "waiting", dash: [12, 4], marker: "ring" },
  sixth: { color: "blocked", dash: [4, 2], marker: "cross" }
} as const satisfies Readonly<Record<string, SeriesStyle>>

/** Returns the outline of a marker around a point, as an SVG path. `radius` is half of its size. */
export const markerPath = (marker: Marker, x: number, y: number, radius: number): string => {
  const r = radius
  switch (marker) {
    case "square":
      return `M${x - r} ${y - r}h${2 * r}v${2 * r}h${-2 * r}z`
    case "triangle":
      return `M${x} ${y - r}L${x + r} ${y + r}H${x - r}z`
    case "diamond":
      return `M${x} ${y - r * 1.3}L${x + r * 1.3} ${y}L${x} ${y + r * 1.3}L${x - r * 1.3} ${y}z`
    case "cross":
      return `M${x - r} ${y - r}L${x + r} ${y + r}M${x + r} ${y - r}L${x - r} ${y + r}`
    case "circle":
    case "ring":
      return `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`
  }
}

/** Whether a marker is an outline. The others are filled. */
export const isOutline = (marker: Marker): boolean => marker === "cross" || marker === "ring"
