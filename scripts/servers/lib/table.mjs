import { readFileSync, writeFileSync } from "node:fs"

const page = new URL("../../../docs/servers.md", import.meta.url)

const row = (cells) => `| ${cells.join(" | ")} |`

const tableOf = (head, rows) => [row(head), row(head.map(() => "---")), ...rows.map(row)].join("\n")

/** A server's row. */
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

/** Puts a table between its markers on the page. */
export const writeTable = (name, text) => {
  const before = readFileSync(page, "utf8")
  const begin = `<!-- ${name}: begin -->`
  const end = `<!-- ${name}: end -->`
  const from = before.indexOf(begin)
  const to = before.indexOf(end)
  if (from === -1 || to < from) throw new Error(`docs/servers.md has no markers of the table "${name}"`)
  writeFileSync(page, `${before.slice(0, from + begin.length)}\n\n${text}\n\n${before.slice(to)}`)
}
