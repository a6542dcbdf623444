import { Data } from "effect"
import type { SqlError } from "effect/sql"

/**
 * A batch that the database did not carry out, or may have carried out: when the connection breaks while it commits,
 * nobody here can tell, and trying again could do everything twice.
 */
export class BatchFailed extends Data.TaggedError("BatchFailed")<{
  readonly error: SqlError.SqlError
  readonly mayHaveCommitted: boolean
  /** Whether the server left the batch without an answer: each command alone would wait for as long again. */
  readonly timedOut: boolean
}> {}
