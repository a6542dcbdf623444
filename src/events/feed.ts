import { type Duration, Effect, Option, PubSub, Stream } from "effect"
import type { EventLog, LogFailure } from "./EventLog.ts"
import { type MomentNotReached, requireReached } from "./MomentNotReached.ts"
import type { RecordedEvent } from "./RecordedEvent.ts"
import { toRecordedEvent } from "./StoredEvent.ts"
import type { EventFilter } from "./LogReader.ts"
import { withPromptAnswer } from "../sql/AnswerTimeout.ts"

/** Which events, from where on, and whether to wait for more. */
export interface FeedOptions extends EventFilter {
  /** Only events after this position; from the first on when it is 0. */
  readonly after: number
  /** Whether to go on with events as they are appended. */
  readonly follow: boolean
  /** How often to look without having been woken. */
  readonly pollInterval: Duration.Duration
}

/**
 * Events in the order of positions, those of the past and, with `follow`, those to come, each once. What is read is
 * always "after the last position", and positions become visible in order and without holes; so there is nothing to be
 * missed between past and present, and a wake-up that is lost costs no more than `pollInterval`. Fails with
 * `MomentNotReached` when the log ends before the position, also when that happens to a follower: after a restore, waiting
 * would skip the events that take the place of those it has seen.
 */
export const feed = (
  log: EventLog["Service"],
  options: FeedOptions
): Stream.Stream<RecordedEvent, LogFailure | MomentNotReached> => {
  const until = (after: number, upTo: number) => Stream.map(log.between(after, upTo, options), toRecordedEvent)
  if (!options.follow) {
    return Stream.unwrap(Effect.map(requireReached(log, options.after), (head) => until(options.after, head.position)))
  }
  return Stream.unwrap(
    Effect.gen(function* () {
      // Before the first look, so that nothing that is appended after it goes unheard.
      const commits = yield* log.subscribeCommits
      return Stream.flatten(
        Stream.paginate(options.after, (after) =>
          Effect.gen(function* () {
            const upTo = yield* awaitHeadAfter(log, after, commits, options.pollInterval)
            return [[until(after, upTo)], Option.some(upTo)] as const
          })
        )
      )
    })
  )
}

/** Waits until the log goes beyond a position, and returns where it ends then. */
export const awaitHeadAfter = Effect.fnUntraced(function* (
  log: EventLog["Service"],
  after: number,
  commits: PubSub.Subscription<void>,
  pollInterval: Duration.Duration
) {
  for (;;) {
    const { position } = yield* withPromptAnswer(requireReached(log, after))
    if (position > after) return position
    yield* Effect.timeoutOption(PubSub.take(commits), pollInterval)
  }
})
