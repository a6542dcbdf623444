import { Schema } from "effect"

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/**
 * The backlog in numbers. `waiting` counts ready cards with a dependency that is not done; `oldestReadyAgeSeconds` is
 * how long ago the oldest ready card was created, `null` when none is ready; `expiredClaimCount` counts claims whose
 * lease has run out and that nobody has taken over yet.
 */
export const Stats = Schema.Struct({
  counts: Schema.Struct({ ready: Count, claimed: Count, blocked: Count, done: Count }),
  total: Count,
  claimable: Count,
  waiting: Count,
  oldestReadyAgeSeconds: Schema.NullOr(Schema.Finite),
  expiredClaimCount: Count
})

/** The backlog in numbers. */
export interface Stats extends Schema.Schema.Type<typeof Stats> {}
