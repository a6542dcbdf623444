import { Schema } from "effect"
import { Status } from "../domain/Card.ts"
import { CardId } from "../domain/CardId.ts"
import { Name } from "../domain/Text.ts"
import { decodeInput } from "./decodeInput.ts"

/** Which cards `list` gives, in claim order: every one unless told otherwise. */
export const ListOptions = Schema.Struct({
  status: Schema.optional(Status),
  phase: Schema.optional(Name),
  /** Only claimable cards. */
  readyOnly: Schema.optional(Schema.Boolean),
  /** How many at most. */
  limit: Schema.optional(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 2 ** 31 - 1 }))),
  /** Only cards after this one: the last of the page before. */
  after: Schema.optional(CardId)
})

/** Checks such options. */
export const decodeListOptions = decodeInput(ListOptions)
