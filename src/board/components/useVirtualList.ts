import type { RefObject } from "preact"
import { useLayoutEffect, useState } from "preact/hooks"
import { type RowHeights, type RowRange, topsOf, visibleRows } from "./visibleRows.ts"

/** A list of which only the visible rows are in the document. The list begins at the top of its scroller. */
export interface VirtualListOptions {
  readonly scroller: RefObject<HTMLElement | null>
  readonly count: number
  readonly heights: RowHeights
}

/** The rows to render, where they are, and the height of the whole list in pixels. */
export interface VirtualList extends RowRange {
  readonly topOf: (row: number) => number
  readonly height: number
}

/** Returns which rows of a list to render. The component renders again when the visible rows change. */
export const useVirtualList = ({ count, heights, scroller }: VirtualListOptions): VirtualList => {
  // Before the scroller is in the document, as many rows as fit into the window.
  const [range, setRange] = useState<RowRange>(() => visibleRows(heights, 0, innerHeight))
  useLayoutEffect(() => {
    const element = scroller.current
    if (element === null) return undefined
    const update = (): void => {
      const next = visibleRows(heights, element.scrollTop, element.clientHeight)
      setRange((known) => (known.first === next.first && known.end === next.end ? known : next))
    }
    update()
    const observer = new ResizeObserver(update)
    observer.observe(element)
    element.addEventListener("scroll", update, { passive: true })
    return () => {
      observer.disconnect()
      element.removeEventListener("scroll", update)
    }
  }, [heights])
  const tops = typeof heights === "number" ? undefined : topsOf(heights)
  return {
    first: Math.min(range.first, count),
    end: Math.min(range.end, count),
    topOf: (row) => (typeof heights === "number" ? row * heights : (tops?.[row] ?? 0)),
    height: typeof heights === "number" ? count * heights : (tops?.[count] ?? 0)
  }
}
