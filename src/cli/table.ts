import type { Page, Paint } from "./Page.ts"
import { fitted, oneLine, padded, widthOf } from "./terminalText.ts"

/** A column of a table. */
export interface Column<Row> {
  readonly title: string
  readonly text: (row: Row) => string
  readonly align?: "left" | "right"
  readonly paint?: (row: Row) => Paint
  /** How narrow it may become where the page is too narrow; as wide as its widest text when absent. */
  readonly atLeast?: number
}

const gap = 2

/**
 * A table with a line of titles and a line for each row, no wider than the page: the widest of the columns that may
 * become narrower are cut first. A column in which every text is empty is left out.
 */
export const table = <Row>(
  allColumns: ReadonlyArray<Column<Row>>,
  rows: ReadonlyArray<Row>,
  page: Page
): ReadonlyArray<string> => {
  const columns = allColumns
    .map((column) => ({ ...column, texts: rows.map((row) => oneLine(column.text(row))) }))
    .filter((column) => column.texts.some((text) => text !== ""))
  const widths = columns.map((column) =>
    column.texts.reduce((widest, text) => Math.max(widest, widthOf(text)), column.title.length)
  )
  narrow(
    widths,
    columns.map((column, index) => Math.min(widths[index] ?? 0, column.atLeast ?? Number.POSITIVE_INFINITY)),
    page.columns
  )
  const line = (cells: ReadonlyArray<string>, paints: ReadonlyArray<Paint>): string =>
    cells
      .map((cell, index) => {
        const width = widths[index] ?? 0
        const text = fitted(cell, width)
        const isLast = index === cells.length - 1
        const filled = padded(text, isLast && columns[index]?.align !== "right" ? 0 : width, columns[index]?.align)
        return (paints[index] ?? plain)(filled)
      })
      .join(" ".repeat(gap))
  const titles = line(
    columns.map((column) => column.title),
    columns.map(() => page.dim)
  )
  return [
    titles,
    ...rows.map((row, index) =>
      line(
        columns.map((column) => column.texts[index] ?? ""),
        columns.map((column) => column.paint?.(row) ?? plain)
      )
    )
  ]
}

const plain: Paint = (text) => text

/** Takes columns from the widest that can give some until the line fits, or none can. */
const narrow = (widths: Array<number>, minimums: ReadonlyArray<number>, available: number | undefined): void => {
  if (available === undefined) return
  let excess = widths.reduce((sum, width) => sum + width, 0) + gap * (widths.length - 1) - available
  for (; excess > 0; excess--) {
    let widest = -1
    for (const [index, width] of widths.entries()) {
      if (width > (minimums[index] ?? width) && width > (widths[widest] ?? 0)) widest = index
    }
    if (widest === -1) return
    widths[widest] = (widths[widest] ?? 0) - 1
  }
}
