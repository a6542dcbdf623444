import type { ComponentChildren } from "preact"
import { useEffect, useId, useRef } from "preact/hooks"
import { Icon } from "./Icon.tsx"

const focusable = "button:not(:disabled), a[href], input:not(:disabled)"

const withAncestors = (element: Element | null): ReadonlyArray<Element> =>
  element === null ? [] : [element, ...withAncestors(element.parentElement)]

/**
 * A dialog over the page. The browser keeps the focus inside. Afterwards, it is where it was, or next to it if that element was removed
 * meanwhile. Escape closes it.
 */
export const Dialog = ({
  children,
  className = "",
  isForm = false,
  onClose,
  title
}: {
  readonly title: string
  readonly onClose: () => void
  readonly className?: string
  /** Whether a click next to the dialog does not close it, because it would lose what the reader has entered. Defaults to false. */
  readonly isForm?: boolean
  readonly children: ComponentChildren
}) => {
  const dialog = useRef<HTMLDialogElement>(null)
  const titleId = useId()
  const isPressedOutside = useRef(false)
  useEffect(() => {
    const before = document.activeElement
    const places = withAncestors(before)
    dialog.current?.showModal()
    return () => {
      // The browser returns the focus from a dialog that is closed, but not from one that is removed.
      if (document.activeElement !== document.body || !(before instanceof HTMLElement)) return
      if (before.isConnected) before.focus()
      else
        places
          .find((each) => each.isConnected)
          ?.querySelector<HTMLElement>(focusable)
          ?.focus()
    }
  }, [])
  return (
    <dialog
      ref={dialog}
      class={className}
      aria-labelledby={titleId}
      onClose={onClose}
      onPointerDown={({ currentTarget, target }) => {
        isPressedOutside.current = target === currentTarget
      }}
      onClick={({ currentTarget, target }) => {
        // A selection of text that ends next to the dialog is a click there, too.
        if (target === currentTarget && isPressedOutside.current && !isForm) currentTarget.close()
      }}
    >
      <div class="dialog">
        <header>
          <h2 id={titleId}>{title}</h2>
          <button type="button" class="quiet" onClick={() => dialog.current?.close()} title="Close (Esc)">
            <Icon name="close" />
            <span class="visually-hidden">Close</span>
          </button>
        </header>
        {children}
      </div>
    </dialog>
  )
}
