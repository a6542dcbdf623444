import { Schema } from "effect"

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/**
 * The counts of a backlog. `waiting` counts the ready cards with a dependency that is not done. `oldestReadyAgeSeconds` is
 * the age of the oldest ready card, `null` when none is ready. `expiredClaimCount` counts the claims that have expired and
 * are not reclaimed yet.
 */
export const Stats = Schema.Struct({
  counts: Schema.Struct({ ready: Count, claimed: Count, blocked: Count, done: Count }),
  total: Count,
  claimable: Count,
  waiting: Count,
  oldestReadyAgeSeconds: Schema.NullOr(Schema.Finite),
  expiredClaimCount: Count
})

/** The counts of a backlog. */
export interface Stats extends Schema.Schema.Type<typeof Stats> {}
