import type { Divergence, VerifyReport } from "../index.ts"
import { exitCodes } from "./failure.ts"
import type { Page } from "./Page.ts"
import { oneLine } from "./terminalText.ts"

/** How the program ends after a verification. */
export const exitCodeOf = (report: VerifyReport): number =>
  report.divergenceCount === 0 ? exitCodes.done : exitCodes.refused

/** What a verification looked at, and what it found. */
export const describeVerification = (report: VerifyReport, page: Page): string => {
  const { anchoredPosition, divergenceCount, divergences, erasedParts } = report
  const anchorHolds = anchoredPosition !== null && divergences.every(({ check }) => check !== "anchor")
  return [
    `Verified the log up to position ${report.position}, chain hash ${report.chainHash}.`,
    `Looked at ${counted(report.events, "event")}, ${counted(report.cards, "card")}, ${
      report.dependencies === 1 ? "1 dependency" : `${report.dependencies} dependencies`
    }${erasedParts === 0 ? "" : `, ${counted(erasedParts, "erased part")}`}.`,
    ...(anchorHolds ? [`The log up to position ${anchoredPosition} is the one that was anchored.`] : []),
    ...(divergenceCount === 0
      ? [page.green("Everything is as it should be.")]
      : [
          page.red(`Found ${counted(divergenceCount, "divergence")}, the first of each card and of the log:`),
          ...divergences.map((divergence) => `  ${describeDivergence(divergence)}`),
          ...(divergenceCount > divergences.length ? [`  and ${divergenceCount - divergences.length} more`] : [])
        ])
  ].join("\n")
}

const describeDivergence = ({ cardId, check, expected, field, found, position }: Divergence): string => {
  const where = [
    cardId === null ? "" : `card ${oneLine(cardId)}`,
    position === null ? "" : `position ${position}`,
    field === null ? check : `${check} of ${oneLine(field)}`
  ]
  return `${where.filter((part) => part !== "").join(", ")}: expected ${oneLine(expected)}, found ${oneLine(found)}`
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`
