import { type ReadonlySignal, signal } from "@preact/signals"

const query = matchMedia("(max-width: 720px)")
const narrow = signal(query.matches)
query.addEventListener("change", () => {
  narrow.value = query.matches
})

/** Whether the page is as narrow as a telephone: up to 720 pixels, as in the style sheets. */
const isNarrow: ReadonlySignal<boolean> = narrow

/** Returns whether the page is as narrow as a telephone, and renders the component again when that changes. */
export const useNarrow = (): boolean => isNarrow.value
