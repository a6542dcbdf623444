// Writes the table of a run into docs/high-availability.md.
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"

const page = join(import.meta.dirname, "../../docs/high-availability.md")

const verdict = (code) => (code === 0 ? "passes" : code === 5 ? "finds it" : `ends with ${code}`)

const tableOf = (rows, seconds, command) => {
  const lines = rows.map(
    ({ anchored, compared, gap, lost, name, plain, repeated, whileFrozen }) =>
      `| ${name} | ${compared} | ${repeated} | ${whileFrozen ?? "–"} | ${gap.toFixed(1)} s | ${lost} | ${verdict(plain)} | ${verdict(anchored)} |`
  )
  return [
    "| fault | answers compared | tries without an answer | answered while frozen | longest gap | lost | `verify` | `verify --anchor` |",
    "|---|---:|---:|---:|---:|---:|---|---|",
    ...lines,
    "",
    `One run of \`${command}\` of ${seconds} s on ${new Date().toISOString().slice(0, 10)}.`
  ].join("\n")
}

/** Replaces the text between the markers of that name. */
export const writeTable = (name, rows, seconds) => {
  const command = `npm run test:failover --${name === "control" ? " --control" : ""} --write`
  const text = readFileSync(page, "utf8")
  const pattern = new RegExp(`(<!-- ${name}: begin -->\n)[^]*?(<!-- ${name}: end -->)`)
  if (!pattern.test(text)) throw new Error(`docs/high-availability.md has no markers for ${name}`)
  writeFileSync(
    page,
    text.replace(pattern, (_, begin, end) => `${begin}\n${tableOf(rows, seconds, command)}\n\n${end}`)
  )
}
