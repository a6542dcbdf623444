import { signal } from "@preact/signals"
import type { CommandKind } from "./kinds.ts"

/** A command whose form is open: for one card, for several, or for none if it creates one. */
export interface OpenCommand {
  readonly kind: CommandKind
  readonly ids: ReadonlyArray<string>
}

/** The command whose form is open; `undefined` if none is. */
export const openCommand = signal<OpenCommand | undefined>(undefined)

/** Closes the form of the command. */
export const closeCommand = (): void => {
  openCommand.value = undefined
}
