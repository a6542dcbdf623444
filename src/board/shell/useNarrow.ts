import { type ReadonlySignal, signal } from "@preact/signals"

/** Returns whether a media query matches, and follows it. */
const followMedia = (text: string): ReadonlySignal<boolean> => {
  const query = matchMedia(text)
  const matches = signal(query.matches)
  query.addEventListener("change", () => {
    matches.value = query.matches
  })
  return matches
}

const narrow = followMedia("(max-width: 720px)")
const single = followMedia("(max-width: 1100px)")

/**
 * Returns whether the page is as narrow as a telephone, up to 720 pixels as in the style sheets, and renders the component again
 * when that changes.
 */
export const useNarrow = (): boolean => narrow.value

/**
 * Returns whether the page has room for one column only, up to 1,100 pixels as in the style sheets: a card that is open is in
 * place of the view. Renders the component again when that changes.
 */
export const useSingleColumn = (): boolean => single.value
