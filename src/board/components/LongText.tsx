import { useState } from "preact/hooks"
import { formatNumber } from "./Times.tsx"
import { splitLinks } from "./splitLinks.ts"

/** Characters of a text that are shown at first. */
const shownAtFirst = 4_000

/**
 * Text that a caller wrote, as text: nothing in it is interpreted, except that http and https addresses become links. A long text
 * is shown in part at first, and the button says how long it is.
 */
export const LongText = ({ isCode = false, text }: { readonly text: string; readonly isCode?: boolean }) => {
  const [isWhole, showWhole] = useState(false)
  const isLong = text.length > shownAtFirst
  const shown = isLong && !isWhole ? text.slice(0, shownAtFirst).toWellFormed() : text
  return (
    <div class={isCode ? "text code" : "text"} dir="auto">
      {isWhole && isLong ? shown : splitLinks(shown).map((part, index) => <TextPart key={index} {...part} />)}
      {isLong && (
        <button type="button" class="link" onClick={() => showWhole(!isWhole)}>
          {isWhole ? "Show less" : `… Show all ${formatNumber(text.length)} characters`}
        </button>
      )}
    </div>
  )
}

const TextPart = ({ isLink, text }: { readonly text: string; readonly isLink: boolean }) =>
  isLink ? (
    <a href={text} target="_blank" rel="noopener noreferrer nofollow">
      {text}
    </a>
  ) : (
    <>{text}</>
  )
