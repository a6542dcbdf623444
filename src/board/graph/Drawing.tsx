import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks"
import { Icon } from "../components/Icon.tsx"
import { useActions } from "../shell/keys.ts"
import { openCard } from "../shell/location.ts"
import { useNarrow } from "../shell/useNarrow.ts"
import { edgeKey, type GraphDisplay, type GraphNode } from "./cardGraph.ts"
import { headsOf, linesOf } from "./edgePaths.ts"
import { type GraphLayout, type LayoutOptions, layoutGraph, type Point } from "./layoutGraph.ts"
import { Node } from "./Node.tsx"
import { usePanAndZoom } from "./usePanAndZoom.ts"
import { fitDrawing, reveal, showReadable, type Size, type Viewport, zoomAt } from "./viewport.ts"

const wide: LayoutOptions = { direction: "horizontal", width: 216, height: 52, layerGap: 84, nodeGap: 22 }
const narrow: LayoutOptions = { direction: "vertical", width: 168, height: 52, layerGap: 58, nodeGap: 26 }

/** How far a key moves the drawing, in pixels. */
const keyStep = 80

/** In the card next to the view, arrow keys scroll. */
const isOutsideOfPanel = (): boolean => document.activeElement?.closest(".panel") == null

/** The graph as a drawing that can be moved and zoomed. */
export const Drawing = ({ critical, graph, label, onShowHidden, root }: GraphDisplay) => {
  const sizes = useNarrow() ? narrow : wide
  const canvas = useRef<HTMLDivElement>(null)
  const layout = useMemo(() => layoutGraph({ ids: [...graph.nodes.keys()], edges: graph.edges }, sizes), [graph, sizes])
  const start = root ?? [...graph.nodes.keys()][0] ?? ""
  const { change, screen, viewport } = useViewport(canvas, layout, sizes, start)
  const [emphasized, emphasize] = useState<string | undefined>()
  usePanAndZoom(canvas, change)

  const middle: Point = { x: screen.width / 2, y: screen.height / 2 }
  const zoom = (factor: number): void => change((known) => zoomAt(known, factor, middle))
  const fit = (): void => change(fitDrawing(layout, screen))
  const move = (x: number, y: number): void => change((known) => ({ ...known, x: known.x + x, y: known.y + y }))
  useActions(
    () => [
      { keys: "+", label: "Zoom in", group: "Graph", run: () => zoom(1.25) },
      { keys: "-", label: "Zoom out", group: "Graph", run: () => zoom(0.8) },
      { keys: "0", label: "Show the whole graph", group: "Graph", run: fit },
      {
        keys: "ArrowLeft",
        label: "Move left",
        group: "Graph",
        isActive: isOutsideOfPanel,
        run: () => move(keyStep, 0)
      },
      {
        keys: "ArrowRight",
        label: "Move right",
        group: "Graph",
        isActive: isOutsideOfPanel,
        run: () => move(-keyStep, 0)
      },
      { keys: "ArrowUp", label: "Move up", group: "Graph", isActive: isOutsideOfPanel, run: () => move(0, keyStep) },
      {
        keys: "ArrowDown",
        label: "Move down",
        group: "Graph",
        isActive: isOutsideOfPanel,
        run: () => move(0, -keyStep)
      }
    ],
    [layout, screen]
  )

  const onFocus = ({ target }: FocusEvent): void => {
    if (!(target instanceof HTMLElement) || !target.matches(":focus-visible")) return
    const place = layout.places.get(target.dataset["id"] ?? "")
    if (place !== undefined) change((known) => reveal(known, place, sizes, screen))
  }
  const marked = emphasized ?? openCard.value
  const nodes = useMemo(
    () =>
      inReadingOrder(layout, sizes.direction).map((id) => (
        <Node
          key={id}
          node={graph.nodes.get(id) as GraphNode}
          place={layout.places.get(id) as Point}
          size={sizes}
          isCenter={id === root}
          isCritical={critical.has(id)}
          onEmphasize={emphasize}
          onShowHidden={onShowHidden}
        />
      )),
    [layout, critical, root, onShowHidden]
  )
  const edges = useMemo(
    () => (
      <>
        <Edges kind="plain" edges={layout.edges} direction={sizes.direction} />
        <Edges
          kind="critical"
          edges={layout.edges.filter((edge) => critical.has(edgeKey(edge)))}
          direction={sizes.direction}
        />
      </>
    ),
    [layout, critical]
  )
  const transform = `translate(${viewport.x}px, ${viewport.y}px) scale(${viewport.scale})`
  return (
    <div class="graph-canvas" ref={canvas} role="group" aria-label={label} onFocusCapture={onFocus}>
      <div class="graph-plane" style={{ transform }}>
        <svg class="graph-edges" width={layout.width} height={layout.height} aria-hidden="true">
          {edges}
          <Edges
            kind="marked"
            edges={layout.edges.filter(({ from, to }) => from === marked || to === marked)}
            direction={sizes.direction}
          />
        </svg>
        {nodes}
      </div>
      <p class="graph-hint hint">An arrow leads from a card to a card that waits for it.</p>
      <div class="graph-zoom">
        <button type="button" onClick={() => zoom(1.25)} title="Zoom in (+)" aria-label="Zoom in">
          <Icon name="add" />
        </button>
        <button type="button" onClick={() => zoom(0.8)} title="Zoom out (-)" aria-label="Zoom out">
          <Icon name="remove" />
        </button>
        <button type="button" onClick={fit} title="Show the whole graph (0)" aria-label="Show the whole graph">
          <Icon name="expand" />
        </button>
      </div>
    </div>
  )
}

const Edges = ({
  direction,
  edges,
  kind
}: {
  readonly kind: "plain" | "critical" | "marked"
  readonly edges: GraphLayout["edges"]
  readonly direction: LayoutOptions["direction"]
}) => (
  <g class={`graph-edge ${kind}`}>
    <path d={linesOf(edges, direction)} />
    <path class="graph-head" d={headsOf(edges, direction)} />
  </g>
)

/** Dependencies first, and from one end of a layer to the other. */
const inReadingOrder = ({ places }: GraphLayout, direction: LayoutOptions["direction"]): ReadonlyArray<string> =>
  [...places]
    .sort(([, left], [, right]) =>
      direction === "horizontal" ? left.x - right.x || left.y - right.y : left.y - right.y || left.x - right.x
    )
    .map(([id]) => id)

/** The card that stays where it is when the graph changes, and its place in the drawing. */
interface Anchored {
  readonly start: string
  readonly place: Point
  readonly sizes: LayoutOptions
}

/** The visible part of the drawing. When the graph changes, the card in the middle stays where it is. */
const useViewport = (
  canvas: { readonly current: HTMLElement | null },
  layout: GraphLayout,
  sizes: LayoutOptions,
  start: string
) => {
  const [screen, setScreen] = useState<Size>({ width: 0, height: 0 })
  const [viewport, change] = useState<Viewport>({ x: 0, y: 0, scale: 1 })
  const shown = useRef<Anchored | undefined>(undefined)
  useLayoutEffect(() => {
    const element = canvas.current
    if (element === null) return undefined
    const measure = (): void => setScreen({ width: element.clientWidth, height: element.clientHeight })
    measure()
    const observer = new ResizeObserver(measure)
    observer.observe(element)
    return () => observer.disconnect()
  }, [canvas])
  useLayoutEffect(() => {
    if (screen.width === 0) return
    const place = layout.places.get(start) ?? { x: 0, y: 0 }
    const before = shown.current
    shown.current = { start, place, sizes }
    if (before === undefined || before.start !== start || before.sizes !== sizes) {
      change(showReadable(layout, screen, { x: place.x + sizes.width / 2, y: place.y + sizes.height / 2 }))
    } else {
      const { place: old } = before
      change((known) => ({
        ...known,
        x: known.x + (old.x - place.x) * known.scale,
        y: known.y + (old.y - place.y) * known.scale
      }))
    }
  }, [layout, screen.width === 0, start, sizes])
  return { screen, viewport, change }
}
