import { effect, signal } from "@preact/signals"
import { readSetting, writeSetting } from "./storage.ts"

/** The colors of the page: `system` follows the setting of the operating system. */
export type Theme = "system" | "light" | "dark"

const themes: ReadonlyArray<Theme> = ["system", "light", "dark"]

const chosen = signal<Theme>(themes.find((each) => each === readSetting("theme")) ?? "system")

/** The colors that the reader has chosen. */
export const theme = chosen

/** Chooses the next theme: system, light, dark. */
export const chooseNextTheme = (): void => {
  chosen.value = themes[(themes.indexOf(chosen.peek()) + 1) % themes.length] ?? "system"
  writeSetting("theme", chosen.value)
}

/** Applies the chosen theme to the page, and each change of it. */
export const keepTheme = (): void => {
  effect(() => {
    if (chosen.value === "system") delete document.documentElement.dataset["theme"]
    else document.documentElement.dataset["theme"] = chosen.value
  })
}
