import { Schema } from "effect"
import { ClaimOutlook, Obstacle } from "../index.ts"

/** There is no card to take, or the one asked for cannot be taken now. */
export class NothingClaimable extends Schema.TaggedError<NothingClaimable>()("NothingClaimable", {
  /** The card that was asked for, `null` when any would have done. */
  id: Schema.NullOr(Schema.String),
  /** What stands between that card and a claim. */
  obstacles: Schema.Array(Obstacle),
  /** Why there was nothing among all that could have been taken; `null` when a card was named, or none knows any more. */
  outlook: Schema.NullOr(ClaimOutlook),
  message: Schema.String
}) {}
