import { element, label, picture, text } from "./svg.mjs"

const width = 860
const height = 460
const area = { left: 70, right: 580, top: 50, bottom: 400 }

/** Round values of a scale, from below the lowest to above the highest. */
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

/** Lines: `{ label, color, points: [[x, y]] }`, and what the axes are. None without points above zero. */
export const lineChart = ({ lines, title, x, y }) => {
  const points = lines.flatMap((line) => line.points)
  if (!points.some(([across]) => across > 0)) return undefined
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
  lines.forEach(({ color, label: name, points: own }, index) => {
    // Lines of one colour are told apart by their dashes.
    const count = dashes.get(color) ?? 0
    dashes.set(color, count + 1)
    const style = {
      fill: "none",
      stroke: color,
      "stroke-width": 2,
      "stroke-dasharray": count === 0 ? "none" : `${count * 3} 3`
    }
    const path = own
      .map(([across, up]) => `${horizontal.at(across).toFixed(1)},${vertical.at(up).toFixed(1)}`)
      .join(" ")
    const line = area.top + 10 + index * 18
    content.push(element("polyline", { points: path, ...style }))
    content.push(element("polyline", { points: `${area.right + 16},${line} ${area.right + 44},${line}`, ...style }))
    content.push(text(area.right + 50, line + 4, name, { "font-size": 11 }))
  })
  return picture(width, height, title, content)
}
