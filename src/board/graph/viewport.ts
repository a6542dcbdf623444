import type { Point } from "./layoutGraph.ts"

/** Which part of the drawing is visible: its top left corner on the screen, and the size of a pixel of the drawing. */
export interface Viewport {
  readonly x: number
  readonly y: number
  readonly scale: number
}

/** A width and a height, in pixels. */
export interface Size {
  readonly width: number
  readonly height: number
}

const minScale = 0.15
const maxScale = 2

/** Smaller than this, texts are hard to read: a larger drawing begins at the card in the middle instead. */
const readableScale = 0.8

/** Space around the drawing, and around a card that is moved into view: its stubs need it. In pixels. */
const margin = 28

/** Returns the viewport in which the whole drawing is visible, at most in its natural size. */
export const fitDrawing = (drawing: Size, screen: Size): Viewport => {
  const wanted = Math.min(
    (screen.width - 2 * margin) / Math.max(1, drawing.width),
    (screen.height - 2 * margin) / Math.max(1, drawing.height)
  )
  const scale = Math.min(1, Math.max(minScale, wanted))
  return {
    scale,
    x: (screen.width - drawing.width * scale) / 2,
    y: (screen.height - drawing.height * scale) / 2
  }
}

/** Returns the viewport in which the drawing is readable: all of it if it fits, and otherwise the part around a point. */
export const showReadable = (drawing: Size, screen: Size, center: Point): Viewport => {
  const fitted = fitDrawing(drawing, screen)
  if (fitted.scale >= readableScale) return fitted
  const scale = readableScale
  const place = (size: number, available: number, at: number): number => {
    const least = available - size * scale - margin
    return least > margin
      ? (available - size * scale) / 2
      : Math.min(margin, Math.max(least, available / 2 - at * scale))
  }
  return {
    scale,
    x: place(drawing.width, screen.width, center.x),
    y: place(drawing.height, screen.height, center.y)
  }
}

/** Zooms by a factor, around a point of the screen. */
export const zoomAt = (viewport: Viewport, factor: number, { x, y }: Point): Viewport => {
  const scale = Math.min(maxScale, Math.max(minScale, viewport.scale * factor))
  const change = scale / viewport.scale
  return { scale, x: x - (x - viewport.x) * change, y: y - (y - viewport.y) * change }
}

/** Moves the viewport as far as needed to show a rectangle of the drawing. */
export const reveal = (viewport: Viewport, corner: Point, size: Size, screen: Size): Viewport => {
  const shift = (start: number, length: number, available: number): number =>
    start < margin ? margin - start : Math.min(0, available - margin - start - length)
  const { scale, x, y } = viewport
  return {
    scale,
    x: x + shift(x + corner.x * scale, size.width * scale, screen.width),
    y: y + shift(y + corner.y * scale, size.height * scale, screen.height)
  }
}
