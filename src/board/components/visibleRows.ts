/** The heights of the rows of a list, in pixels: of each row, or of all. */
export type RowHeights = number | ReadonlyArray<number>

/** A part of a list: its first row, and the row after its last. */
export interface RowRange {
  readonly first: number
  readonly end: number
}

/** Rows outside of the visible part that are rendered, so that scrolling shows no gaps. */
const overscan = 2

/** Returns the tops of the rows, and then the height of the list, in pixels. */
export const topsOf = (heights: ReadonlyArray<number>): ReadonlyArray<number> => {
  const tops = [0]
  for (const height of heights) tops.push((tops.at(-1) ?? 0) + height)
  return tops
}

/**
 * Returns the rows to render for a scroll position and a height of the visible part, both in pixels. The list may have fewer
 * rows.
 */
export const visibleRows = (heights: RowHeights, scrollTop: number, visibleHeight: number): RowRange => {
  const rowAt = typeof heights === "number" ? (y: number) => Math.floor(y / heights) : findRow(topsOf(heights))
  const top = Math.max(0, scrollTop)
  return { first: Math.max(0, rowAt(top) - overscan), end: rowAt(top + visibleHeight) + 1 + overscan }
}

/** Returns the function that finds the row at a height: the last one whose top is not below it. */
const findRow =
  (tops: ReadonlyArray<number>) =>
  (y: number): number => {
    let low = 0
    let high = tops.length - 1
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      if ((tops[middle] ?? 0) <= y) low = middle
      else high = middle - 1
    }
    return low
  }
