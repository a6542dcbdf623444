import { signal } from "@preact/signals"

type DialogName = "keys" | "palette" | "saved"

/** A dialog of the shell that was opened. Each time it is another one. */
export interface OpenedDialog {
  readonly name: DialogName
  readonly number: number
}

let opened = 0

/** The dialog of the shell that is open; `undefined` if none is. */
export const openDialog = signal<OpenedDialog | undefined>(undefined)

/** Opens a dialog of the shell. Closes the one that is open. */
export const showDialog = (name: DialogName): void => {
  openDialog.value = { name, number: ++opened }
}

/**
 * Closes a dialog of the shell, unless it is closed already. Defaults to the one that is open. The browser reports the end of a dialog
 * with its next frame, when another one can be open.
 */
export const closeDialog = (dialog: OpenedDialog | undefined = openDialog.peek()): void => {
  if (openDialog.peek() === dialog) openDialog.value = undefined
}
