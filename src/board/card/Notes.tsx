import type { Card, CardNote, RecordedEvent } from "../api/types.ts"
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
    <Answered query={notes} what="the notes">
      {(all) => <NoteList notes={all} count={card.noteCount} />}
    </Answered>
  )
}

/** How many past notes are listed, as many as the server returns of the present ones. */
const maxListed = 100

/** The notes that a card had at a past moment, from its events until then. */
export const PastNotes = ({ events }: { readonly events: ReadonlyArray<RecordedEvent> }) => {
  const noted = events.filter(({ type }) => type === "CardNoted")
  const notes = noted.slice(-maxListed).map(toNote).reverse()
  return notes.length === 0 ? null : <NoteList notes={notes} count={noted.length} />
}

const toNote = ({ actor, data, occurredAt, redacted, version }: RecordedEvent): CardNote => ({
  version,
  text: redacted.includes("text") ? "[redacted]" : (data["text"] as string),
  actor,
  at: occurredAt,
  claim: (data["claim"] as CardNote["claim"] | undefined) ?? null
})

const NoteList = ({ count, notes }: { readonly notes: ReadonlyArray<CardNote>; readonly count: number }) => (
  <Section title="Notes" count={formatNumber(count)}>
    <ol class="notes">
      {notes.map((note) => (
        <li key={note.version}>
          <p class="hint">
            <b dir="auto">{note.actor}</b>
            {note.claim !== null && ` · token ${note.claim.token}`} · <LocalTime at={note.at} />
          </p>
          <LongText text={note.text} />
        </li>
      ))}
    </ol>
    {notes.length < count && (
      <p class="hint">
        Showing the last {formatNumber(notes.length)} of {formatNumber(count)}. The events below have all of them.
      </p>
    )}
  </Section>
)
