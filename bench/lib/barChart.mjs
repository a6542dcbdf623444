import { element, label, picture, text } from "./svg.mjs"

const width = 880
const values = 90
const bar = 20
/** Average width of a bold character. */
const widthOfCharacter = 7.6

/** Groups of bars on one scale: `{ label, bars: [{ label, value, color, isOurs }] }`. Returns nothing without bars. */
export const barChart = ({ groups, title }) => {
  const largest = Math.max(0, ...groups.flatMap(({ bars }) => bars.map(({ value }) => value)))
  if (largest === 0) return undefined
  const longest = Math.max(...groups.flatMap(({ bars }) => bars.map(({ label: name }) => name.length)))
  const names = 30 + longest * widthOfCharacter
  const content = []
  let y = 62
  for (const group of groups) {
    content.push(text(16, y, group.label, { "font-weight": 600 }))
    y += 10
    for (const { color, isOurs, label: name, value } of group.bars) {
      const length = (value / largest) * (width - names - values)
      const middle = y + bar * 0.7
      const weight = { "font-weight": isOurs ? 700 : 400 }
      content.push(
        text(names - 8, middle, name, { "text-anchor": "end", ...weight }),
        element("rect", { x: names, y: y + 2, width: length.toFixed(1), height: bar - 4, fill: color }),
        text(names + length + 6, middle, label(value), weight)
      )
      y += bar
    }
    y += 26
  }
  return picture(width, y, title, content)
}
