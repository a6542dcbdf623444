import type { RefObject } from "preact"
import { useEffect, useRef } from "preact/hooks"

/**
 * Returns a reference to an element that gets the focus when it is mounted, if `isWanted`. The attribute `autofocus` is for
 * dialogs that are opened with their content; a part that is loaded later needs this.
 */
export const useFocusOnMount = <E extends HTMLElement>(isWanted: boolean): RefObject<E | null> => {
  const element = useRef<E>(null)
  useEffect(() => {
    if (isWanted) element.current?.focus()
  }, [])
  return element
}
