import type { GraphLayout, Point } from "./layoutGraph.ts"

type Direction = "horizontal" | "vertical"
type Route = GraphLayout["edges"][number]

const headLength = 8
const headWidth = 7

/** Returns the path of the lines of edges, for the attribute `d`. */
export const linesOf = (edges: ReadonlyArray<Route>, direction: Direction): string =>
  edges.map(({ points }) => lineOf(points, direction)).join("")

/** Returns the path of the arrowheads of edges: each points to the card that waits for the other. */
export const headsOf = (edges: ReadonlyArray<Route>, direction: Direction): string =>
  edges
    .map(({ points }) => {
      const { x, y } = points.at(-1) ?? { x: 0, y: 0 }
      return direction === "horizontal"
        ? `M${x} ${y}l${-headLength} ${-headWidth / 2}v${headWidth}z`
        : `M${x} ${y}l${-headWidth / 2} ${-headLength}h${headWidth}z`
    })
    .join("")

/** Curves between layers, straight lines through them. The line ends at the base of the arrowhead. */
const lineOf = (points: ReadonlyArray<Point>, direction: Direction): string => {
  const [first, ...others] = points
  if (first === undefined) return ""
  let path = `M${first.x} ${first.y}`
  let last = first
  for (const [index, point] of others.entries()) {
    const isLast = index === others.length - 1
    const end = !isLast
      ? point
      : direction === "horizontal"
        ? { x: point.x - headLength, y: point.y }
        : { x: point.x, y: point.y - headLength }
    const isStraight = direction === "horizontal" ? last.y === end.y : last.x === end.x
    if (isStraight) path += `L${end.x} ${end.y}`
    else if (direction === "horizontal") {
      const middle = (last.x + end.x) / 2
      path += `C${middle} ${last.y} ${middle} ${end.y} ${end.x} ${end.y}`
    } else {
      const middle = (last.y + end.y) / 2
      path += `C${last.x} ${middle} ${end.x} ${middle} ${end.x} ${end.y}`
    }
    last = end
  }
  return path
}
