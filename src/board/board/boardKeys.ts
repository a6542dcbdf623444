import { useLayoutEffect } from "preact/hooks"
import { isSelecting, setSelecting, toggleSelected } from "../commands/selection.ts"
import { claimabilities, type Claimability } from "../components/Claimability.tsx"
import { type Action, useActions } from "../shell/keys.ts"
import { focusedRow } from "./Column.tsx"

/** Keys that move the focus between the cards of the board. */
export const useBoardKeys = (): void => {
  useActions(() => actions, [])
  // While cards are selected, a tile is another element: the focus of the one that is replaced would be lost.
  const id = document.activeElement?.closest<HTMLElement>(".tile")?.dataset["id"]
  useLayoutEffect(() => {
    if (id === undefined || document.activeElement !== document.body) return
    const tile = document.querySelector<HTMLElement>(`.tile[data-id="${CSS.escape(id)}"]`)
    const control = tile?.matches(".tile-control") === true ? tile : tile?.querySelector<HTMLElement>(".tile-control")
    control?.focus({ preventScroll: true })
  }, [isSelecting.value])
}

const group = "Board"

const listOf = (kind: Claimability): HTMLElement | null =>
  document.querySelector<HTMLElement>(`.column-cards[data-kind="${kind}"]`)

/** The column and the row that have the focus; the first card of the board if none has. */
const currentPlace = ():
  | { readonly kind: Claimability; readonly row: number; readonly isFocused: boolean }
  | undefined => {
  const list = document.activeElement?.closest<HTMLElement>(".column-cards")
  const kind = claimabilities.find((each) => each === list?.dataset["kind"])
  if (kind !== undefined) {
    const row = Number(document.activeElement?.closest<HTMLElement>("[data-row]")?.dataset["row"] ?? 0)
    return { kind, row, isFocused: true }
  }
  const first = claimabilities.find((each) => listOf(each)?.querySelector(".tile") != null)
  return first === undefined ? undefined : { kind: first, row: focusedRow.peek()[first] ?? 0, isFocused: false }
}

const focusRow = (kind: Claimability, row: number): void => {
  const list = listOf(kind)
  if (list === null) return
  const rows = Array.from(list.querySelectorAll<HTMLElement>("[data-row]"))
  const nearest = rows.find((each) => Number(each.dataset["row"]) === row) ?? rows.at(row <= 0 ? 0 : -1)
  if (nearest === undefined) return
  focusedRow.value = { ...focusedRow.peek(), [kind]: Number(nearest.dataset["row"]) }
  nearest.scrollIntoView({ block: "nearest" })
  nearest.querySelector<HTMLElement>(".tile-control")?.focus({ preventScroll: true })
}

/** Moves the focus between the cards of the lanes, by rows of a column or by columns of a lane. */
const moveInLanes = (lanes: HTMLElement, rows: number, columns: number): void => {
  const isControl = (element: Element | null | undefined): element is HTMLElement => element instanceof HTMLElement
  const controlOf = (cell: Element | undefined): Element | null | undefined => cell?.querySelector(".tile-control")
  const cell = document.activeElement?.closest(".lane-cells > ul")
  const cells = [...(cell?.parentElement?.children ?? [])]
  let target: Element | null | undefined
  if (cell == null) {
    target = lanes.querySelector(".tile-control")
  } else if (columns === 0) {
    const column = `.lane-cells > :nth-child(${cells.indexOf(cell) + 1}) .tile-control`
    const controls = [...lanes.querySelectorAll(column)]
    target = controls[controls.findIndex((each) => each === document.activeElement) + rows]
  } else {
    const others = columns > 0 ? cells.slice(cells.indexOf(cell) + 1) : cells.slice(0, cells.indexOf(cell)).reverse()
    target = controlOf(others.find((each) => controlOf(each) !== null))
  }
  if (isControl(target)) target.focus()
}

const lanesOf = (): HTMLElement | null => document.querySelector<HTMLElement>(".lanes")

const moveRow = (by: number): void => {
  const lanes = lanesOf()
  if (lanes !== null) return moveInLanes(lanes, by, 0)
  const place = currentPlace()
  if (place !== undefined) focusRow(place.kind, place.isFocused ? place.row + by : place.row)
}

const moveColumn = (by: number): void => {
  const lanes = lanesOf()
  if (lanes !== null) return moveInLanes(lanes, 0, by)
  const place = currentPlace()
  if (place === undefined) return
  if (!place.isFocused) return focusRow(place.kind, place.row)
  const kinds = claimabilities.filter((kind) => listOf(kind)?.querySelector(".tile") != null)
  const next = kinds[kinds.indexOf(place.kind) + by]
  if (next !== undefined) focusRow(next, focusedRow.peek()[next] ?? 0)
}

/** Whether the focus is on a card of the board. Elsewhere, the arrow keys scroll. */
const isOnBoard = (): boolean => document.activeElement?.closest(".column-cards, .lane-cells") != null

const toggleFocused = (): void => {
  const id = document.activeElement?.closest<HTMLElement>(".tile")?.dataset["id"]
  if (id !== undefined) toggleSelected(id)
  else setSelecting(!isSelecting.peek())
}

const actions: ReadonlyArray<Action> = [
  { keys: "j", label: "Next card", group, run: () => moveRow(1) },
  { keys: "k", label: "Previous card", group, run: () => moveRow(-1) },
  { keys: "ArrowDown", label: "Next card", group, isActive: isOnBoard, run: () => moveRow(1) },
  { keys: "ArrowUp", label: "Previous card", group, isActive: isOnBoard, run: () => moveRow(-1) },
  { keys: "l", label: "Next column", group, run: () => moveColumn(1) },
  { keys: "h", label: "Previous column", group, run: () => moveColumn(-1) },
  { keys: "ArrowRight", label: "Next column", group, isActive: isOnBoard, run: () => moveColumn(1) },
  { keys: "ArrowLeft", label: "Previous column", group, isActive: isOnBoard, run: () => moveColumn(-1) },
  { keys: "x", label: "Select the card, or begin to select", group, run: toggleFocused },
  {
    keys: "Escape",
    label: "End the selection",
    group,
    isActive: () => isSelecting.peek(),
    run: () => setSelecting(false)
  }
]
