import { signal } from "@preact/signals"

/** Maximum number of cards that can be selected for a command. */
export const maxSelected = 500

const ids = signal<ReadonlySet<string>>(new Set())
const selecting = signal(false)

/** The ids of the selected cards. */
export const selection = ids

/** Whether a click on a card selects it, rather than shows it. */
export const isSelecting = selecting

/** Begins or ends the selection of cards. The end forgets it. */
export const setSelecting = (value: boolean): void => {
  selecting.value = value
  if (!value) ids.value = new Set()
}

/** Adds a card to the selection, or removes it. */
export const toggleSelected = (id: string): void => {
  const changed = new Set(ids.peek())
  if (!changed.delete(id) && changed.size < maxSelected) changed.add(id)
  selecting.value = true
  ids.value = changed
}

/** Adds cards to the selection, as many as it may have. */
export const selectAll = (all: ReadonlyArray<string>): void => {
  const changed = new Set(ids.peek())
  for (const id of all) if (changed.size < maxSelected) changed.add(id)
  ids.value = changed
}
