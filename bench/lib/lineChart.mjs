import { element, label, picture, text } from "./svg.mjs"

const width = 880
const height = 460
/** Average width of a character of a label. */
const widthOfCharacter = 7.4
const lineHeight = 15

/** Round values of a scale, from below the minimum to above the maximum. */
const ticksOf = (low, high, isLogarithmic) => {
  if (isLogarithmic) {
    const first = Math.floor(Math.log10(low))
    const last = Math.max(first + 1, Math.ceil(Math.log10(high)))
    return Array.from({ length: last - first + 1 }, (_, index) => 10 ** (first + index))
  }
  const rough = high / 5
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= rough)
  return Array.from({ length: Math.ceil(high / step) + 1 }, (_, index) => index * step)
}

const scaleOf = (values, { isLogarithmic = false }, from, to) => {
  const ticks = ticksOf(Math.min(...values), Math.max(...values), isLogarithmic)
  const along = isLogarithmic ? Math.log10 : (value) => value
  const [low, high] = [along(ticks[0]), along(ticks.at(-1))]
  return { ticks, at: (value) => from + ((along(value) - low) / (high - low)) * (to - from) }
}

/** Lines: `{ label, color, points: [[x, y]] }`, and the axes. Returns nothing without points above zero. */
export const lineChart = ({ lines, title, x, y }) => {
  const points = lines.flatMap((line) => line.points)
  if (!points.some(([across]) => across > 0)) return undefined
  const longest = Math.max(...lines.map((line) => line.label.length))
  const area = { left: 70, right: width - 25 - longest * widthOfCharacter, top: 50, bottom: 400 }
  const horizontal = scaleOf(
    points.map(([value]) => value),
    x,
    area.left,
    area.right
  )
  const vertical = scaleOf(
    points.map(([, value]) => value),
    y,
    area.bottom,
    area.top
  )
  const grid = { stroke: "currentColor", "stroke-opacity": 0.2 }
  const content = []
  for (const tick of vertical.ticks) {
    const at = vertical.at(tick).toFixed(1)
    content.push(element("line", { x1: area.left, x2: area.right, y1: at, y2: at, ...grid }))
    content.push(text(area.left - 8, Number(at) + 4, label(tick), { "text-anchor": "end" }))
  }
  for (const tick of horizontal.ticks) {
    const at = horizontal.at(tick).toFixed(1)
    content.push(element("line", { x1: at, x2: at, y1: area.top, y2: area.bottom, ...grid }))
    content.push(text(at, area.bottom + 18, label(tick), { "text-anchor": "middle" }))
  }
  content.push(text((area.left + area.right) / 2, area.bottom + 40, x.label, { "text-anchor": "middle" }))
  content.push(
    text(18, (area.top + area.bottom) / 2, y.label, {
      "text-anchor": "middle",
      transform: `rotate(-90 18 ${(area.top + area.bottom) / 2})`
    })
  )
  const dashes = new Map()
  const ends = []
  for (const { color, label: name, points: own } of lines) {
    // Dashes distinguish lines of the same color.
    const count = dashes.get(color) ?? 0
    dashes.set(color, count + 1)
    const places = own.map(([across, up]) => [horizontal.at(across), vertical.at(up)])
    content.push(
      element("polyline", {
        points: places.map((place) => place.map((one) => one.toFixed(1)).join()).join(" "),
        fill: "none",
        stroke: color,
        "stroke-width": 2.5,
        "stroke-dasharray": count === 0 ? "none" : `${count * 3} 3`
      })
    )
    const end = places.at(-1)
    if (end !== undefined) ends.push({ name, color, x: end[0], y: end[1], at: end[1] })
  }
  // The label of a line is at its end, so that no legend is needed.
  for (const { at, color, name, x: across, y: up } of apart(ends)) {
    content.push(element("path", { d: `M${across + 3},${up} L${across + 12},${at}`, stroke: color, fill: "none" }))
    content.push(text(across + 15, at + 4, name, { fill: color, "font-size": 12, "font-weight": 600 }))
  }
  return picture(width, height, title, content)
}

/** Moves labels at the ends of lines apart, so that they do not overlap. */
const apart = (ends) => {
  const groups = new Map()
  for (const end of ends) {
    const column = Math.round(end.x / 100)
    groups.set(column, [...(groups.get(column) ?? []), end])
  }
  for (const group of groups.values()) {
    group.sort((one, other) => one.at - other.at)
    const middle = group.reduce((sum, { at }) => sum + at, 0) / group.length
    for (let index = 1; index < group.length; index++) {
      group[index].at = Math.max(group[index].at, group[index - 1].at + lineHeight)
    }
    // Centered around the ends of the lines.
    const moved = group.reduce((sum, { at }) => sum + at, 0) / group.length - middle
    for (const end of group) end.at -= moved
  }
  return ends
}
