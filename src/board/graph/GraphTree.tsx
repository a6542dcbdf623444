import { useRef, useState } from "preact/hooks"
import { Icon } from "../components/Icon.tsx"
import { formatNumber } from "../components/Times.tsx"
import { navigate, openCard } from "../shell/location.ts"
import type { GraphDisplay } from "./cardGraph.ts"
import { countHidden } from "./Node.tsx"
import { NodeMark } from "./NodeMark.tsx"
import { pathRows, type TreeRow, treeRows } from "./treeRows.ts"

/** The graph as a tree, with the keys of a tree: the arrows, Home, End and Enter. */
export const GraphTree = ({ critical, graph, label, onShowHidden, root }: GraphDisplay) => {
  const tree = useRef<HTMLUListElement>(null)
  const [open, setOpen] = useState<ReadonlyMap<string, boolean>>(new Map())
  const [focusedKey, setFocused] = useState<string | undefined>()
  const rows = root === undefined ? pathRows(graph) : treeRows(graph, root, open)
  const focused = rows.some(({ key }) => key === focusedKey) ? focusedKey : rows[0]?.key

  const focusRow = (row: TreeRow | undefined): void => {
    if (row === undefined) return
    setFocused(row.key)
    tree.current?.children[rows.indexOf(row)]?.querySelector<HTMLElement>('[role="treeitem"]')?.focus()
  }
  const setRowOpen = (row: TreeRow, isOpen: boolean): void => setOpen((known) => new Map(known).set(row.key, isOpen))
  const run = (row: TreeRow): void => {
    if (row._tag === "Group") setRowOpen(row, row.isOpen !== true)
    else if (row._tag === "Hidden") {
      const node = graph.nodes.get(row.of)
      if (node !== undefined) onShowHidden(node)
    } else if (row.node.status !== null) navigate({ parameters: { card: row.node.id } })
  }
  const onKeyDown = (event: KeyboardEvent, row: TreeRow): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const place = rows.indexOf(row)
    switch (event.key) {
      case "ArrowDown":
        focusRow(rows[place + 1])
        break
      case "ArrowUp":
        focusRow(rows[place - 1])
        break
      case "Home":
        focusRow(rows[0])
        break
      case "End":
        focusRow(rows.at(-1))
        break
      case "ArrowRight":
        if (row.isOpen === true) focusRow(rows[place + 1])
        else if (row.isOpen === false) setRowOpen(row, true)
        break
      case "ArrowLeft":
        if (row.isOpen === true) setRowOpen(row, false)
        else focusRow(rows.slice(0, place).findLast(({ level }) => level < row.level))
        break
      case "Enter":
      case " ":
        run(row)
        break
      default:
        return
    }
    event.preventDefault()
  }

  return (
    <ul class="graph-tree" role="tree" aria-label={label} ref={tree}>
      {rows.map((row) => (
        <li key={row.key} role="none">
          <div
            role="treeitem"
            class={row._tag === "Card" && openCard.value === row.node.id ? "tree-row open" : "tree-row"}
            style={{ paddingInlineStart: `${(row.level - 1) * 20 + 8}px` }}
            aria-level={row.level}
            aria-posinset={row.place}
            aria-setsize={row.siblings}
            aria-expanded={row.isOpen}
            aria-selected={row._tag === "Card" && openCard.value === row.node.id}
            tabIndex={row.key === focused ? 0 : -1}
            onFocus={() => setFocused(row.key)}
            onKeyDown={(event) => onKeyDown(event, row)}
            onClick={({ target }) => {
              const isToggle = target instanceof Element && target.closest(".tree-toggle") !== null
              if (isToggle && row.isOpen !== undefined) setRowOpen(row, !row.isOpen)
              else run(row)
            }}
          >
            <span class="tree-toggle">{row.isOpen !== undefined && <Icon name={row.isOpen ? "down" : "right"} />}</span>
            <RowContent row={row} isMarked={root !== undefined && row._tag === "Card" && critical.has(row.node.id)} />
          </div>
        </li>
      ))}
    </ul>
  )
}

const RowContent = ({ isMarked, row }: { readonly row: TreeRow; readonly isMarked: boolean }) => {
  switch (row._tag) {
    case "Group":
      return (
        <>
          <b>{row.side === "dependencies" ? "Depends on" : "Needed by"}</b>
          <span class="hint">{formatNumber(row.count)}</span>
        </>
      )
    case "Hidden":
      return <span class="tree-hidden">{countHidden(row.count, row.side)}: show</span>
    case "Card":
      return (
        <>
          <NodeMark node={row.node} />
          <code dir="auto">{row.node.id}</code>
          {row.node.title !== undefined && (
            <span class="tree-title" dir="auto">
              {row.node.title}
            </span>
          )}
          {isMarked && <span class="chip critical">critical path</span>}
        </>
      )
  }
}
