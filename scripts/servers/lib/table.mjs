import { readFileSync, writeFileSync } from "node:fs"

const page = new URL("../../../docs/servers.md", import.meta.url)

const row = (cells) => `| ${cells.join(" | ")} |`

const tableOf = (head, rows) => [row(head), row(head.map(() => "---")), ...rows.map(row)].join("\n")

/** Formats the table of servers. */
export const serverTable = (results) =>
  tableOf(
    ["server", "JIT", "tests", "pairs/s, its own settings", "pairs/s, the benchmark's settings", "ratio"],
    results.map(({ jit, missing, name, rate, tests, version }) =>
      missing === undefined
        ? [
            version === undefined ? name : `${name} (${version})`,
            jit ?? "",
            tests ?? "",
            ...(rate === undefined ? ["", "", ""] : [...rate.rates.map((one) => one.toFixed(0)), rate.ratio.toFixed(2)])
          ]
        : [name, "", `not run: ${missing}`, "", "", ""]
    )
  )

export const variationTable = (results) =>
  tableOf(
    ["setting", ...new Set(results.map(({ server }) => server))],
    [...new Set(results.map(({ name }) => name))].map((name) => [
      `\`${name}\``,
      ...results.filter((result) => result.name === name).map(({ outcome }) => outcome)
    ])
  )

/** The subject of a row: its first cell without the exact version. */
const subjectOf = (line) => line.split(" | ")[0].replace(/ \(.*\)$/, "")

/**
 * Writes a table between its markers on the page. Rows of an earlier table with the same columns are kept unless they
 * were measured again, so that a table can be written in several runs.
 */
export const writeTable = (name, text) => {
  const before = readFileSync(page, "utf8")
  const begin = `<!-- ${name}: begin -->`
  const end = `<!-- ${name}: end -->`
  const from = before.indexOf(begin)
  const to = before.indexOf(end)
  if (from === -1 || to < from) throw new Error(`docs/servers.md has no markers of the table "${name}"`)
  const earlier = before
    .slice(from + begin.length, to)
    .trim()
    .split("\n")
  const lines = text.split("\n")
  const fresh = new Map(lines.slice(2).map((line) => [subjectOf(line), line]))
  const kept = earlier[0] === lines[0] ? earlier.slice(2) : []
  const rows = kept.map((line) => {
    const subject = subjectOf(line)
    const current = fresh.get(subject) ?? line
    fresh.delete(subject)
    return current
  })
  const table = [...lines.slice(0, 2), ...rows, ...fresh.values()].join("\n")
  writeFileSync(page, `${before.slice(0, from + begin.length)}\n\n${table}\n\n${before.slice(to)}`)
}
