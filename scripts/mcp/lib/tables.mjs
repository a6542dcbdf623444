import { readFileSync, writeFileSync } from "node:fs"

const page = new URL("../../../docs/mcp-clients.md", import.meta.url)

const row = (cells) => `| ${cells.join(" | ")} |`

const tableOf = (head, rows) => [row(head), row(head.map(() => "---")), ...rows.map(row)].join("\n")

/** Formats the table of clients. */
export const clientTable = (tried) =>
  tableOf(
    ["client", "version", "standard input and output", "HTTP (revision)"],
    tried.map(({ http = "", missing, name, note, pipes = "", version }) => [
      `\`${name}\`${note === undefined ? "" : `, mode \`${note}\``}`,
      version,
      ...(missing === undefined ? [pipes, http] : [`not run: ${missing}`, ""])
    ])
  )

/** Formats the table of the conformance suites' runs. */
export const conformanceTable = (rows) =>
  tableOf(
    ["suite", "revision", "scenarios", "passed", "with checks that do not apply", "checks passed"],
    rows.map(({ checks, excused, passed, revision, scenarios, version }) => [
      version,
      revision,
      scenarios,
      passed,
      excused,
      checks
    ])
  )

/** Formats the table of checks that do not apply. */
export const reasonTable = (byReason) =>
  tableOf(
    ["checks", "why they do not apply"],
    [...byReason].map(([reason, checks]) => [
      [...checks]
        .sort((left, right) => (left < right ? -1 : 1))
        .map((id) => `\`${id}\``)
        .join(" "),
      reason
    ])
  )

/** Writes tables between their markers on the page. */
export const writeTables = (tables) => {
  let text = readFileSync(page, "utf8")
  for (const [name, table] of Object.entries(tables)) {
    const begin = `<!-- ${name}: begin -->`
    const end = `<!-- ${name}: end -->`
    const from = text.indexOf(begin)
    const to = text.indexOf(end)
    if (from === -1 || to < from) throw new Error(`docs/mcp-clients.md has no markers of the table "${name}"`)
    text = `${text.slice(0, from + begin.length)}\n\n${table}\n\n${text.slice(to)}`
  }
  writeFileSync(page, text)
}
