import { truncate, escapeLine, pad, type TextStyle, type Paint, displayWidth } from "./terminalText.ts"

/** A column of a table. */
export interface Column<Row> {
  readonly title: string
  readonly text: (row: Row) => string
  readonly align?: "left" | "right"
  readonly paint?: (row: Row) => Paint
  /** How narrow it may become where the page is too narrow; as wide as its widest text when absent. */
  readonly minWidth?: number
}

const gap = 2

/**
 * A table with a line of titles and a line for each row, no wider than the page: the widest of the columns that may
 * become narrower are cut first. A column in which every text is empty is left out.
 */
export const formatTable = <Row>(
  columns: ReadonlyArray<Column<Row>>,
  rows: ReadonlyArray<Row>,
  style: TextStyle
): ReadonlyArray<string> => makeTableWriter(columns, style)(rows)

/**
 * The same table where rows come a few at a time: what this answers gives their lines, the first time after a line of
 * titles. Columns are as wide as the widest text so far. Titles come again only when a column is no longer empty that
 * was left out before.
 */
export const makeTableWriter = <Row>(
  allColumns: ReadonlyArray<Column<Row>>,
  style: TextStyle
): ((rows: ReadonlyArray<Row>) => ReadonlyArray<string>) => {
  const state = allColumns.map((column) => ({ ...column, isShown: false, widest: column.title.length }))
  let needsTitles = true
  return (rows) => {
    const texts = state.map((column) => {
      const ofColumn = rows.map((row) => escapeLine(column.text(row)))
      for (const text of ofColumn) column.widest = Math.max(column.widest, displayWidth(text))
      if (!column.isShown && ofColumn.some((text) => text !== "")) {
        column.isShown = true
        needsTitles = true
      }
      return ofColumn
    })
    const columns = state.flatMap((column, index) => (column.isShown ? [{ ...column, texts: texts[index] ?? [] }] : []))
    const widths = columns.map(({ widest }) => widest)
    shrinkColumns(
      widths,
      columns.map(({ minWidth, widest }) => Math.min(widest, minWidth ?? Number.POSITIVE_INFINITY)),
      style.columns
    )
    const line = (cells: ReadonlyArray<string>, paints: ReadonlyArray<Paint>): string =>
      cells
        .map((cell, index) => {
          const width = widths[index] ?? 0
          const text = truncate(cell, width)
          const isLast = index === cells.length - 1
          const filled = pad(text, isLast && columns[index]?.align !== "right" ? 0 : width, columns[index]?.align)
          return (paints[index] ?? plain)(filled)
        })
        .join(" ".repeat(gap))
    const lines = rows.map((row, index) =>
      line(
        columns.map((column) => column.texts[index] ?? ""),
        columns.map((column) => column.paint?.(row) ?? plain)
      )
    )
    if (!needsTitles) return lines
    needsTitles = false
    const titles = line(
      columns.map((column) => column.title),
      columns.map(() => style.dim)
    )
    return [titles, ...lines]
  }
}

const plain: Paint = (text) => text

/** Takes columns from the widest that can give some until the line fits, or none can. */
const shrinkColumns = (widths: Array<number>, minimums: ReadonlyArray<number>, available: number | undefined): void => {
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
