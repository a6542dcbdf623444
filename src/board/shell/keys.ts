import { useEffect } from "preact/hooks"

/** An action of the page. The list of keys and the command palette show it. */
export interface Action {
  /**
   * The keys as the reader presses them, separated by a space: `g b`, `?`, `Mod+k`. `Mod` is Ctrl, or Cmd on a Mac. Defaults to
   * none: the action is in the command palette only.
   */
  readonly keys?: string
  /** Whether the keys do something now. Defaults to always. */
  readonly isActive?: () => boolean
  /** What it does, such as `Next card`. */
  readonly label: string
  /** Under which title the list of keys shows it, such as `Board`. */
  readonly group: string
  readonly run: () => void
}

const actions = new Set<Action>()

/** Returns the actions of everything that is shown, in the order in which they were added. */
export const currentActions = (): ReadonlyArray<Action> => [...actions]

/** Adds actions while the component is mounted, and again when a dependency changes. */
export const useActions = (list: () => ReadonlyArray<Action>, dependencies: ReadonlyArray<unknown>): void => {
  useEffect(() => {
    const added = list()
    for (const each of added) actions.add(each)
    return () => {
      for (const each of added) actions.delete(each)
    }
  }, dependencies)
}

/** The time within which the second key of a sequence must follow, in milliseconds. */
const sequenceMillis = 1_200

let pending = ""
let pendingUntil = 0

/** Elements in which keys write or choose something. Sliders, checkboxes and buttons need none of the keys of the page. */
const editable =
  "input:not([type=checkbox], [type=radio], [type=range], [type=file]), textarea, select, [contenteditable]"

const isEditable = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.closest(editable) !== null

/** Carries out the actions of the page when their keys are pressed. Keys without a modifier do nothing while the reader types or a dialog is open. */
export const keepKeys = (): void => {
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.altKey || event.isComposing) return
    const hasModifier = event.ctrlKey || event.metaKey
    if (!hasModifier && (isEditable(event.target) || document.querySelector("dialog[open]") !== null)) return
    const key = hasModifier ? `Mod+${event.key.toLowerCase()}` : event.key
    const sequence = pending !== "" && Date.now() < pendingUntil ? `${pending} ${key}` : key
    const all = [...actions].filter(({ isActive, keys }) => keys !== undefined && isActive?.() !== false).reverse()
    const found = all.find(({ keys }) => keys === sequence) ?? all.find(({ keys }) => keys === key)
    pending = ""
    if (found !== undefined) {
      event.preventDefault()
      found.run()
    } else if (all.some(({ keys }) => keys?.startsWith(`${key} `))) {
      pending = key
      pendingUntil = Date.now() + sequenceMillis
    }
  })
}
