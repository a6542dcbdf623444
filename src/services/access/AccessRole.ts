import { Schema } from "effect"

/**
 * What the holder of a token may do: a `worker` reads, claims, and renews, releases and completes its own claims; an
 * `orchestrator` does everything but erase; an `auditor` reads, verifies, anchors and erases.
 */
export const AccessRole = Schema.Literals(["worker", "orchestrator", "auditor"])

/** What the holder of a token may do. */
export type AccessRole = typeof AccessRole.Type
