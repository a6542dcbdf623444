import { Effect, Schema } from "effect"
import { BacklogService, CardNote } from "../../index.ts"
import { decodeNotesOptions } from "../../services/BacklogInput.ts"
import { makeCardOutput, makeOutput } from "../CommandOutput.ts"
import { commandInput, defineBacklogCommand, defineCommand } from "../defineCommand.ts"
import { idArgument, integerFlag, requiredTextFlag } from "../flags.ts"
import { formatTime } from "../moments.ts"
import { readTextFlag } from "../readInput.ts"
import { escapeLine, escapeLines } from "../terminalText.ts"

export const noteCommand = defineBacklogCommand(
  "note",
  {
    description:
      "Writes a note on a card: progress, a finding, or a hand-over for the next worker. Any existing card can have notes. With --token it does so only if that is the token of the current claim.",
    summary: "Write a note on a card",
    examples: [
      { command: 'backlog note build --text "the tests need a server"' },
      { command: 'backlog note build --token 2 --text "half done"', description: "By its holder" },
      { command: "backlog note build --text - < findings.md" }
    ]
  },
  {
    id: idArgument(),
    text: requiredTextFlag("text", "The note. - reads standard input", "TEXT"),
    token: integerFlag("token", "Token of the current claim. Defaults to no check")
  },
  Effect.fnUntraced(function* ({ id, text, token }) {
    const input = yield* commandInput("Note", { id, text: (yield* readTextFlag("text", text)) ?? "", token })
    return Effect.flatMap(BacklogService, (backlog) =>
      Effect.map(backlog.note(input), (card) =>
        makeCardOutput(
          card,
          () => `${escapeLine(card.id)} has ${card.noteCount === 1 ? "1 note" : `${card.noteCount} notes`}.`
        )
      )
    )
  })
)

export const notesCommand = defineCommand(
  "notes",
  {
    description: "Prints the notes on a card, the last one first.",
    summary: "Print the notes on a card",
    examples: [
      { command: "backlog notes build" },
      { command: "backlog notes build --limit 20 --before 17", description: "The page after the note with version 17" }
    ]
  },
  {
    id: idArgument(),
    limit: integerFlag("limit", "Maximum number of notes: 1 to 1000. Defaults to 100"),
    before: integerFlag("before", "Only notes before the one with this version", "VERSION")
  },
  Effect.fnUntraced(function* (flags) {
    const input = yield* decodeNotesOptions(flags)
    return Effect.gen(function* () {
      const notes = yield* (yield* BacklogService).notes(input)
      return makeOutput(
        () => encodeNotes(notes),
        (style) =>
          notes.length === 0
            ? "No notes."
            : notes
                .map(
                  ({ actor, at, claim, text, version }) =>
                    `${style.bold(`${formatTime(at)}  ${escapeLine(actor)}`)}${
                      claim === null ? "" : ` under the claim of ${escapeLine(claim.owner)}`
                    }${style.dim(`  version ${version}`)}\n${escapeLines(text)}`
                )
                .join("\n\n")
      )
    })
  })
)

const encodeNotes = Schema.encodeSync(Schema.Array(CardNote))
