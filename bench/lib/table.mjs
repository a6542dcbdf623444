export const number = (value, digits = 1) =>
  value === null ? "" : value.toLocaleString("en", { maximumFractionDigits: Math.abs(value) < 100 ? digits : 0 })

/** "1 worker", "10 workers". */
export const countOf = (workers) => `${workers} worker${workers === 1 ? "" : "s"}`

/** The target of a result, and whether it is met: `{ opsPerSecond: { min } , p50Ms: { max }, rssMiB: { max } }`. */
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
  ["per second", ({ result, unit }) => `${number(result.opsPerSecond)} ${unit}`.trim(), "right"],
  ["p50 ms", ({ result }) => number(result.p50Ms, 2), "right"],
  ["p99 ms", ({ result }) => number(result.p99Ms, 2), "right"],
  ["Node µs", ({ result }) => number(result.cpuMicros ?? null), "right"],
  ["RSS MiB", ({ result }) => number(result.rssMiB), "right"],
  ["target", ({ result, target }) => verdictOf(result, target)]
]

/** Formats results without a unit. */
export const plainTableOf = (results) =>
  markdownTable(
    columns.filter(([name]) => name !== "target"),
    results.map((result) => ({ result, unit: "" }))
  )

/** The results as a Markdown table: `rows` are `{ result, unit, target }`. */
export const tableOf = (rows) => markdownTable(columns, rows)

/** A Markdown table. Each column has a name, a function from row to text, and "right" for numbers. */
export const markdownTable = (all, rows) => {
  const cells = rows.map((row) => all.map(([, text]) => text(row)))
  const widths = all.map(([name], index) => Math.max(name.length, ...cells.map((row) => row[index].length)))
  const padded = (text, index) =>
    all[index][2] === "right" ? text.padStart(widths[index]) : text.padEnd(widths[index])
  const line = (texts) => `| ${texts.map(padded).join(" | ")} |`
  const rule = all.map(([, , side], index) => "-".repeat(widths[index] - 1) + (side === "right" ? ":" : "-"))
  return [line(all.map(([name]) => name)), line(rule), ...cells.map(line)].join("\n")
}
