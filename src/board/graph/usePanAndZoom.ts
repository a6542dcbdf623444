import type { RefObject } from "preact"
import { type StateUpdater, useEffect, useRef } from "preact/hooks"
import type { Point } from "./layoutGraph.ts"
import { type Viewport, zoomAt } from "./viewport.ts"

/** A pointer moves the drawing when it has moved this far, in pixels. Until then it can become a click. */
const threshold = 4

/** Pans and zooms with the mouse, the wheel, a touch pad, and one or two fingers. */
export const usePanAndZoom = (
  element: RefObject<HTMLElement | null>,
  change: (update: StateUpdater<Viewport>) => void
): void => {
  const changing = useRef(change)
  changing.current = change
  useEffect(() => {
    const canvas = element.current
    if (canvas === null) return undefined
    const pointers = new Map<number, Point>()
    let start: Point | undefined
    let hasMoved = false
    const pointOf = (event: MouseEvent): Point => {
      const box = canvas.getBoundingClientRect()
      return { x: event.clientX - box.left, y: event.clientY - box.top }
    }
    const end = new AbortController()
    const on = <K extends keyof HTMLElementEventMap>(
      name: K,
      listener: (event: HTMLElementEventMap[K]) => void,
      options: AddEventListenerOptions = {}
    ): void => canvas.addEventListener(name, listener, { ...options, signal: end.signal })

    on("pointerdown", (event) => {
      if (event.button !== 0) return
      if (pointers.size === 0) {
        start = pointOf(event)
        hasMoved = false
      }
      pointers.set(event.pointerId, pointOf(event))
    })
    on("pointermove", (event) => {
      const before = pointers.get(event.pointerId)
      if (before === undefined || start === undefined) return
      const now = pointOf(event)
      if (!hasMoved && pointers.size === 1 && Math.hypot(now.x - start.x, now.y - start.y) < threshold) return
      if (!hasMoved) {
        hasMoved = true
        canvas.setPointerCapture(event.pointerId)
        canvas.classList.add("moving")
      }
      const [other] = [...pointers].flatMap(([id, point]) => (id === event.pointerId ? [] : [point]))
      pointers.set(event.pointerId, now)
      if (other === undefined) {
        changing.current((known) => ({ ...known, x: known.x + now.x - before.x, y: known.y + now.y - before.y }))
        return
      }
      const distance = (point: Point): number => Math.max(1, Math.hypot(point.x - other.x, point.y - other.y))
      const middle = { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 }
      const factor = distance(now) / distance(before)
      const shift = { x: (now.x - before.x) / 2, y: (now.y - before.y) / 2 }
      changing.current((known) => zoomAt({ ...known, x: known.x + shift.x, y: known.y + shift.y }, factor, middle))
    })
    const release = (event: PointerEvent): void => {
      pointers.delete(event.pointerId)
      if (pointers.size === 0) canvas.classList.remove("moving")
    }
    on("pointerup", release)
    on("pointercancel", release)
    on("pointerleave", (event) => {
      if (!hasMoved) release(event)
    })
    on(
      "click",
      (event) => {
        // A drag that began on a card does not open it. Keys also send clicks, which have no place.
        if (hasMoved && event.detail > 0) {
          event.preventDefault()
          event.stopPropagation()
        }
        hasMoved = false
      },
      { capture: true }
    )
    on(
      "wheel",
      (event) => {
        event.preventDefault()
        const unit = event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? 1 : 30
        // A touch pad sends small steps in both directions, and pinches as Ctrl. A wheel sends large steps.
        const isZoom = event.ctrlKey || (event.deltaX === 0 && Math.abs(event.deltaY * unit) >= 40)
        if (isZoom) {
          const factor = Math.exp(-Math.max(-60, Math.min(60, event.deltaY * unit)) * (event.ctrlKey ? 0.01 : 0.004))
          const point = pointOf(event)
          changing.current((known) => zoomAt(known, factor, point))
        } else {
          changing.current((known) => ({
            ...known,
            x: known.x - event.deltaX * unit,
            y: known.y - event.deltaY * unit
          }))
        }
      },
      { passive: false }
    )
    return () => end.abort()
  }, [element])
}
