import { signal } from "@preact/signals"

/** The dialog of the shell that is open; `undefined` if none is. */
export const openDialog = signal<"keys" | "palette" | "saved" | undefined>(undefined)

/** Closes the dialog of the shell. */
export const closeDialog = (): void => {
  openDialog.value = undefined
}
