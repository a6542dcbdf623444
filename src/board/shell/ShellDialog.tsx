import type { ComponentChildren } from "preact"
import { useState } from "preact/hooks"
import { Dialog } from "../components/Dialog.tsx"
import { closeDialog, openDialog } from "./dialogs.ts"

/** The dialog of the shell that is open. */
export const ShellDialog = ({
  children,
  className,
  title
}: {
  readonly title: string
  readonly className?: string
  readonly children: ComponentChildren
}) => {
  const [opened] = useState(() => openDialog.peek())
  return (
    <Dialog title={title} onClose={() => closeDialog(opened)} {...(className === undefined ? {} : { className })}>
      {children}
    </Dialog>
  )
}
