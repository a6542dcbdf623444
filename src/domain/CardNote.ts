import { Schema } from "effect"
import { Token, Version } from "./Card.ts"
import { Name, NoteText } from "./Text.ts"

/**
 * A note on a card: progress, a finding, a hand-over. `version` is that of its event, by which pages continue. `claim` is the
 * claim whose token its command had; `null` if the command had no token.
 */
export const CardNote = Schema.Struct({
  version: Version,
  text: NoteText,
  actor: Name,
  at: Schema.DateTimeUtcFromString,
  claim: Schema.NullOr(Schema.Struct({ owner: Name, token: Token }))
})

/** A note on a card. */
export interface CardNote extends Schema.Schema.Type<typeof CardNote> {}
