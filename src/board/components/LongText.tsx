import { useState } from "preact/hooks"
import { formatNumber } from "./Times.tsx"
import { splitLinks } from "./splitLinks.ts"

/** How much of a text is shown at first. */
const firstCharacters = 2_000
const firstLines = 16

/** Returns the part of a text that is shown at first. */
const beginningOf = (text: string): string =>
  text.slice(0, firstCharacters).toWellFormed().split("\n").slice(0, firstLines).join("\n")

/**
 * Text that a caller wrote, as text: nothing in it is interpreted, except that http and https addresses become links. A long text
 * is shown in part at first, and the button says how long it is.
 */
export const LongText = ({ isCode = false, text }: { readonly text: string; readonly isCode?: boolean }) => {
  const [isWhole, showWhole] = useState(false)
  const beginning = beginningOf(text)
  const isLong = beginning.length < text.length
  const shown = isWhole ? text : beginning
  return (
    <div class={isCode ? "text code" : "text"} dir="auto">
      {splitLinks(shown).map((part, index) => (
        <TextPart key={index} {...part} />
      ))}
      {isLong && !isWhole && "\n"}
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
