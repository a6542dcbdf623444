import {
  elementScroll,
  observeElementOffset,
  observeElementRect,
  Virtualizer,
  type VirtualItem
} from "@tanstack/virtual-core"
import type { RefObject } from "preact"
import { useLayoutEffect, useReducer, useState } from "preact/hooks"

/** A list of which only the visible rows are in the document. */
export interface VirtualListOptions {
  readonly scroller: RefObject<HTMLElement | null>
  readonly count: number
  /** The height of a row, in pixels. */
  readonly rowHeight: (index: number) => number
  /** Identifies the content of a row, so that its elements are reused. */
  readonly keyOf: (index: number) => string
}

/** The rows to render, and the height of all rows in pixels. */
export interface VirtualList {
  readonly rows: ReadonlyArray<VirtualItem>
  readonly height: number
  readonly scrollToRow: (index: number) => void
}

/** Rows outside of the visible part that are rendered, so that scrolling shows no gaps. */
const overscan = 2

/** Returns which rows of a list to render. The component renders again when the visible part changes. */
export const useVirtualList = ({ count, keyOf, rowHeight, scroller }: VirtualListOptions): VirtualList => {
  const [, render] = useReducer<number, void>((renders) => renders + 1, 0)
  const options = {
    count,
    estimateSize: rowHeight,
    getItemKey: keyOf,
    getScrollElement: () => scroller.current,
    overscan,
    observeElementRect,
    observeElementOffset,
    scrollToFn: elementScroll,
    onChange: () => render()
  }
  const [virtualizer] = useState(() => new Virtualizer<HTMLElement, HTMLElement>(options))
  virtualizer.setOptions(options)
  useLayoutEffect(() => virtualizer._didMount(), [virtualizer])
  useLayoutEffect(() => virtualizer._willUpdate())
  return {
    rows: virtualizer.getVirtualItems(),
    height: virtualizer.getTotalSize(),
    scrollToRow: (index) => virtualizer.scrollToIndex(index)
  }
}
