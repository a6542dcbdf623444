import type { Card } from "../api/types.ts"
import { Answered } from "../components/Condition.tsx"
import { LongText } from "../components/LongText.tsx"
import { formatNumber, LocalTime } from "../components/Times.tsx"
import { useNotes } from "./cardQueries.ts"
import { Section } from "./Section.tsx"

/** The notes on a card, the last one first. */
export const Notes = ({ card }: { readonly card: Card }) => {
  const notes = useNotes(card.id)
  if (card.noteCount === 0) return null
  return (
    <Section title="Notes" count={formatNumber(card.noteCount)}>
      <Answered query={notes} what="the notes">
        {(all) => (
          <>
            <ol class="notes">
              {all.map((note) => (
                <li key={note.version}>
                  <p class="hint">
                    <b dir="auto">{note.actor}</b>
                    {note.claim !== null && ` · token ${note.claim.token}`} · <LocalTime at={note.at} />
                  </p>
                  <LongText text={note.text} />
                </li>
              ))}
            </ol>
            {all.length < card.noteCount && (
              <p class="hint">
                Showing the last {formatNumber(all.length)} of {formatNumber(card.noteCount)}. The events below have all
                of them.
              </p>
            )}
          </>
        )}
      </Answered>
    </Section>
  )
}
