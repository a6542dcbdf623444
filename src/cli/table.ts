import { truncate, escapeLine, pad, type TextStyle, type Paint, displayWidth } from "./terminalText.ts"

/** A column of a table. */
export interface Column<Row> {
  readonly title: string
  readonly text: (row: Row) => string
  readonly align?: "left" | "right"
  readonly paint?: (row: Row) => Paint
  /** Minimum width in columns when the table is too wide. Defaults to the widest text, so the column never shrinks. */
  readonly minWidth?: number
}

const gap = 2

/**
 * Formats a table with a line of titles and a line for each row that fits the style's width. The widest shrinkable columns
 * are truncated first. Columns whose texts are all empty are omitted.
 */
export const formatTable = <Row>(
  columns: ReadonlyArray<Column<Row>>,
  rows: ReadonlyArray<Row>,
  style: TextStyle
): ReadonlyArray<string> => makeTableWriter(columns, style)(rows)

/**
 * Returns a function that formats a table chunk by chunk. The first chunk begins with the titles. Columns are as wide as
 * their widest text so far. The titles are repeated only if an omitted column gets its first text.
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

/** Shrinks the widest shrinkable column repeatedly until the line fits or no column can shrink. */
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
