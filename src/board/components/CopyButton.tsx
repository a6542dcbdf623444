import { useState } from "preact/hooks"
import { Icon } from "./Icon.tsx"

/** A button that copies a text to the clipboard, and says that it did. */
export const CopyButton = ({
  isQuiet = false,
  label,
  text
}: {
  readonly label: string
  readonly text: string
  readonly isQuiet?: boolean
}) => {
  const [outcome, setOutcome] = useState<"copied" | "failed" | undefined>()
  const copy = async (): Promise<void> => {
    setOutcome((await copyText(text)) ? "copied" : "failed")
    setTimeout(() => setOutcome(undefined), 2_000)
  }
  const said = outcome === "copied" ? "Copied" : outcome === "failed" ? "Select the text and copy it" : label
  return (
    <button type="button" class={isQuiet ? "quiet" : ""} onClick={() => void copy()} title={text}>
      <Icon name={outcome === "copied" ? "done" : "copy"} />
      <span class={isQuiet ? "visually-hidden" : ""} aria-live="polite">
        {said}
      </span>
    </button>
  )
}

/** Copies a text. Returns whether the browser did: it has no clipboard outside of HTTPS and localhost. */
const copyText = async (text: string): Promise<boolean> => {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    return false
  }
}
