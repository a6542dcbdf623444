import type { CSSProperties } from "preact"
import { formatNumber } from "../components/Times.tsx"
import { hrefTo, openCard } from "../shell/location.ts"
import type { GraphNode } from "./cardGraph.ts"
import type { Point } from "./layoutGraph.ts"
import { NodeMark } from "./NodeMark.tsx"
import type { Side } from "./treeRows.ts"
import type { Size } from "./viewport.ts"

/** A card in the drawing, with its stubs for neighbors that are not in the graph. */
export const Node = ({
  isCenter,
  isCritical,
  node,
  onEmphasize,
  onShowHidden,
  place: { x, y },
  size
}: {
  readonly node: GraphNode
  readonly place: Point
  readonly size: Size
  readonly isCenter: boolean
  readonly isCritical: boolean
  readonly onEmphasize: (id: string | undefined) => void
  /** Shows the hidden neighbors of the card. */
  readonly onShowHidden: (node: GraphNode) => void
}) => {
  const { hiddenDependencies, hiddenDependents, id, title } = node
  const isOpen = openCard.value === id
  const box: CSSProperties = { left: `${x}px`, top: `${y}px`, width: `${size.width}px`, height: `${size.height}px` }
  const classes = ["graph-node", isCenter && "center", isCritical && "critical", isOpen && "open"]
    .filter(Boolean)
    .join(" ")
  const content = (
    <>
      <span class="graph-node-line">
        <NodeMark node={node} />
        <code dir="auto">{id}</code>
      </span>
      {title !== undefined && <b dir="auto">{title}</b>}
      {isCritical && <span class="visually-hidden">, on the critical path</span>}
    </>
  )
  return (
    <>
      {node.status === null ? (
        <div class={classes} style={box} title={id}>
          {content}
        </div>
      ) : (
        <a
          class={classes}
          style={box}
          href={hrefTo({ parameters: { card: id } })}
          title={title}
          data-id={id}
          draggable={false}
          aria-current={isCenter ? "true" : undefined}
          onPointerEnter={() => onEmphasize(id)}
          onPointerLeave={() => onEmphasize(undefined)}
          onFocus={() => onEmphasize(id)}
          onBlur={() => onEmphasize(undefined)}
        >
          {content}
        </a>
      )}
      {hiddenDependencies > 0 && (
        <Stub
          count={hiddenDependencies}
          side="dependencies"
          place={{ x, y }}
          size={size}
          onClick={() => onShowHidden(node)}
          id={id}
        />
      )}
      {hiddenDependents > 0 && (
        <Stub
          count={hiddenDependents}
          side="dependents"
          place={{ x, y }}
          size={size}
          onClick={() => onShowHidden(node)}
          id={id}
        />
      )}
    </>
  )
}

/** "+N": how many neighbors of a card are not in the graph, on the side on which they would be. */
const Stub = ({
  count,
  id,
  onClick,
  place: { x, y },
  side,
  size
}: {
  readonly id: string
  readonly count: number
  readonly side: Side
  readonly place: Point
  readonly size: Size
  readonly onClick: () => void
}) => {
  const label = `${countHidden(count, side)} of ${id} that ${count === 1 ? "is" : "are"} not shown`
  return (
    <button
      type="button"
      class={`graph-stub ${side}`}
      style={{ left: `${side === "dependencies" ? x : x + size.width}px`, top: `${y + size.height}px` }}
      title={`Show ${label}`}
      aria-label={`Show ${label}`}
      data-id={id}
      onClick={onClick}
    >
      +{formatNumber(count)}
    </button>
  )
}

/** Names a number of hidden neighbors, such as "3 more dependents". The server counts up to 1,000. */
export const countHidden = (count: number, side: Side): string => {
  const noun =
    side === "dependencies" ? (count === 1 ? "dependency" : "dependencies") : `dependent${count === 1 ? "" : "s"}`
  return `${formatNumber(count)}${count >= 1_000 ? " or more" : ""} more ${noun}`
}
