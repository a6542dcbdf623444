import { Schema } from "effect"
import { Obstacle } from "../index.ts"

/** There is no card to take, or the one asked for cannot be taken now. */
export class NothingClaimable extends Schema.TaggedError<NothingClaimable>()("NothingClaimable", {
  /** The card that was asked for, `null` when any would have done. */
  id: Schema.NullOr(Schema.String),
  /** What stands between that card and a claim. */
  obstacles: Schema.Array(Obstacle),
  message: Schema.String
}) {}
