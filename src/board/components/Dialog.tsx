import type { ComponentChildren } from "preact"
import { useEffect, useId, useRef } from "preact/hooks"
import { Icon } from "./Icon.tsx"

/** A dialog over the page. The browser keeps the focus inside, and returns it afterwards. Escape closes it. */
export const Dialog = ({
  children,
  className = "",
  onClose,
  title
}: {
  readonly title: string
  readonly onClose: () => void
  readonly className?: string
  readonly children: ComponentChildren
}) => {
  const dialog = useRef<HTMLDialogElement>(null)
  const titleId = useId()
  useEffect(() => dialog.current?.showModal(), [])
  return (
    <dialog
      ref={dialog}
      class={className}
      aria-labelledby={titleId}
      onClose={onClose}
      onClick={({ currentTarget, target }) => {
        if (target === currentTarget) currentTarget.close()
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
