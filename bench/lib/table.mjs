const number = (value) =>
  value === null ? "" : value.toLocaleString("en", { maximumFractionDigits: Math.abs(value) < 100 ? 1 : 0 })

/** What is asked of a result, and whether it is met: `{ opsPerSecond: { min } , p50Ms: { max }, rssMiB: { max } }`. */
const verdictOf = (result, target = {}) => {
  const parts = Object.entries(target).map(([field, { max, min }]) => {
    const value = result[field]
    const isMet = (min === undefined || value >= min) && (max === undefined || value <= max)
    const asked = min === undefined ? `≤ ${number(max)}` : `≥ ${number(min)}`
    return `${names[field]} ${asked} ${isMet ? "✓" : "✗"}`
  })
  return parts.join(", ")
}

const names = { opsPerSecond: "rate", p50Ms: "p50", rssMiB: "RSS" }

const columns = [
  ["scenario", ({ result }) => result.scenario],
  ["system", ({ result }) => result.system],
  ["database", ({ result }) => result.database],
  ["workers", ({ result }) => number(result.workers), "right"],
  ["size", ({ result }) => number(result.size), "right"],
  ["per second", ({ result, unit }) => `${number(result.opsPerSecond)} ${unit}`, "right"],
  ["p50 ms", ({ result }) => number(result.p50Ms), "right"],
  ["p99 ms", ({ result }) => number(result.p99Ms), "right"],
  ["RSS MiB", ({ result }) => number(result.rssMiB), "right"],
  ["target", ({ result, target }) => verdictOf(result, target)]
]

/** The results as a table in Markdown: `rows` are `{ result, unit, target }`. */
export const tableOf = (rows) => {
  const cells = rows.map((row) => columns.map(([, text]) => text(row)))
  const widths = columns.map(([name], index) => Math.max(name.length, ...cells.map((row) => row[index].length)))
  const line = (texts) =>
    `| ${texts.map((text, index) => (columns[index][2] === "right" ? text.padStart(widths[index]) : text.padEnd(widths[index]))).join(" | ")} |`
  const rule = columns.map(([, , side], index) => "-".repeat(widths[index] - 1) + (side === "right" ? ":" : "-"))
  return [line(columns.map(([name]) => name)), line(rule), ...cells.map(line)].join("\n")
}
