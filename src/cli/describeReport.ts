import type { ImportReport } from "../import/ImportReport.ts"
import type { Page } from "./Page.ts"
import { oneLine } from "./terminalText.ts"

/** How many entries of a list are shown; `--json` has them all. */
const shown = 20

/** What an import did, for people. */
export const describeReport = (report: ImportReport, page: Page): string => {
  const { edges, leftOutFor, takenAs } = report
  const lines: Array<string> = [
    page.bold(`Imported ${oneLine(report.file)}`),
    row(
      report.lines,
      `${counted[report.format]}: ${report.issues} issues, ${report.blank} blank, ${report.malformed} malformed`
    ),
    row(report.taken, `taken: ${takenAs.ready} ready, ${takenAs.blocked} blocked, ${takenAs.done} done`),
    row(report.unchanged, "unchanged"),
    row(report.differing, "exist and differ, left as they are"),
    row(
      report.leftOut,
      `left out: ${leftOutFor.tombstone} deleted, ${leftOutFor.duplicate} with the id of an earlier one, ${leftOutFor.refused} that no card can be, ${leftOutFor.cycle} on a cycle`
    ),
    row(
      edges.total,
      `edges: ${edges.dependencies} dependencies, ${edges.repeated} repeated, ${sum(edges.otherTypes)} of other types, ${edges.ofIssuesLeftOut} of issues left out`
    ),
    row(edges.dangling, "dangling: kept as dependencies, so the card waits until the other exists and is done"),
    ...(edges.implied === 0 ? [] : [row(edges.implied, "of the dependencies follow from what is part of what")]),
    "",
    ...counts("Status in the source", report.statuses),
    ...counts("Types of edges that are no dependencies", edges.otherTypes),
    ...counts("Not carried over, by field", report.notCarriedOver),
    ...(report.missingFields.length === 0 ? [] : [`Columns that are not there: ${report.missingFields.join(", ")}`]),
    ...list(
      "Malformed",
      report.malformedLines.map(({ place, problem }) => `${place}: ${problem}`)
    ),
    ...list(
      "Left out",
      report.leftOutIssues.map(({ detail, id, place, reason }) => `${place}: ${id} (${reason}): ${detail}`)
    ),
    ...list(
      "Different in the backlog",
      report.differingCards.map(({ fields, id, place }) => `${place}: ${id}: ${fields.join(", ")}`)
    ),
    ...list(
      "Claims that are not carried over: these cards are ready",
      report.endedClaims.map(
        ({ id, live, owner, until }) =>
          `${id} of ${owner ?? "nobody named"}, ${until === null ? "which never runs out" : `${live ? "until" : "which ran out"} ${until}`}`
      )
    ),
    ...list(
      "Dangling edges",
      report.danglingEdges.map(({ dependsOn, id, why }) => `${id} waits for ${dependsOn} (${why})`)
    )
  ]
  return lines.join("\n").trimEnd()
}

/** What the source has in one place. */
const counted: Readonly<Record<ImportReport["format"], string>> = {
  beads: "lines",
  table: "rows",
  "task-master": "tasks and subtasks",
  "backlog-md": "files"
}

const row = (count: number, what: string): string => `${String(count).padStart(8)}  ${what}`

const sum = (all: Readonly<Record<string, number>>): number =>
  Object.values(all).reduce((total, count) => total + count, 0)

const counts = (title: string, all: Readonly<Record<string, number>>): ReadonlyArray<string> => {
  const entries = Object.entries(all)
  return entries.length === 0
    ? []
    : [`${title}: ${entries.map(([name, count]) => `${oneLine(name)} ${count}`).join(", ")}`]
}

const list = (title: string, entries: ReadonlyArray<string>): ReadonlyArray<string> =>
  entries.length === 0
    ? []
    : [
        `${title}:`,
        ...entries.slice(0, shown).map((entry) => `  ${oneLine(entry)}`),
        ...(entries.length > shown ? [`  and ${entries.length - shown} more`] : [])
      ]
