import { DateTime } from "effect"

/** A comment of another tracker, or a note on a card. */
export interface Comment {
  readonly author: string | null
  readonly at: DateTime.Utc | null
  readonly text: string
}

/** Maximum characters of one note. UTF-8 has at most three bytes for each, and a note has at most 64 KiB. */
const maxNoteLength = 20_000

const header = /^(.{1,300}) wrote(?: at (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z))?:\n\n/

/**
 * The notes that a comment becomes: its text below a line with the author and the time, which a note has of its own. A comment
 * that is longer than a note can be becomes several.
 */
export const toNotes = ({ at, author, text }: Comment): ReadonlyArray<string> => {
  if (text === "") return []
  const name = (author ?? "")
    .replaceAll(/[\s\p{Cc}]+/gu, " ")
    .trim()
    .slice(0, 200)
    .toWellFormed()
  const title =
    name === "" && at === null
      ? ""
      : `${name === "" ? "Unknown" : name} wrote${at === null ? "" : ` at ${DateTime.formatIso(at)}`}:\n\n`
  const notes: Array<string> = []
  for (let from = 0; from < text.length;) {
    const end = from + maxNoteLength
    // Not between the halves of a character.
    const to = end < text.length && /[\udc00-\udfff]/.test(text.charAt(end)) ? end - 1 : end
    notes.push(`${title}${text.slice(from, to)}`)
    from = to
  }
  return notes
}

/** The comment that a note stands for: that of an imported note, or the note itself. */
export const toComment = (note: {
  readonly actor: string
  readonly at: DateTime.Utc
  readonly text: string
}): Comment => {
  const [title = "", author, at] = header.exec(note.text) ?? []
  return title === ""
    ? { author: note.actor, at: note.at, text: note.text }
    : {
        author: author ?? note.actor,
        at: at === undefined ? note.at : DateTime.makeUnsafe(at),
        text: note.text.slice(title.length)
      }
}
