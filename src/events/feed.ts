import { type Duration, Effect, Option, PubSub, Stream } from "effect"
import type { EventLog, LogFailure } from "./EventLog.ts"
import type { MomentNotReached } from "./MomentNotReached.ts"
import type { ReadGate } from "./ReadGate.ts"
import type { RecordedEvent } from "./RecordedEvent.ts"
import { toRecordedEvent } from "./StoredEvent.ts"
import type { EventFilter } from "./LogReader.ts"
import { withPromptAnswer } from "../sql/AnswerTimeout.ts"

/** Options of a feed of events. */
export interface FeedOptions extends EventFilter {
  /** Only events after this position; 0 for all events. */
  readonly after: number
  /** Whether to continue with new events as they are appended. */
  readonly follow: boolean
  /** Interval of polls when no commit notification arrives. */
  readonly pollInterval: Duration.Duration
}

/**
 * Streams events in the order of positions, each once: the past events and, with `follow`, the new ones. Each read is "after
 * the last position", and positions become visible in order and without gaps, so no event is missed between past and
 * present. A lost commit notification delays an event by at most `pollInterval`. Fails with `MomentNotReached` when the log
 * ends before the position, also later while following: after a restore, waiting would skip the events that replace those
 * already seen.
 */
export const feed = (
  log: EventLog["Service"],
  gate: ReadGate["Service"],
  options: FeedOptions
): Stream.Stream<RecordedEvent, LogFailure | MomentNotReached> => {
  const read = (after: number, upTo: number) => Stream.map(log.between(after, upTo, options), toRecordedEvent)
  if (!options.follow) {
    return Stream.unwrap(Effect.map(gate.requireReached(options.after), (head) => read(options.after, head.position)))
  }
  return Stream.unwrap(
    Effect.gen(function* () {
      // Subscribes before the first read, so that no later commit is missed.
      const commits = yield* log.subscribeCommits
      return Stream.flatten(
        Stream.paginate(options.after, (after) =>
          Effect.gen(function* () {
            const upTo = yield* awaitHeadAfter(gate, after, commits, options.pollInterval)
            return [[read(after, upTo)], Option.some(upTo)] as const
          })
        )
      )
    })
  )
}

/** Waits until the log extends beyond a position, and returns its end. */
export const awaitHeadAfter = Effect.fnUntraced(function* (
  gate: ReadGate["Service"],
  after: number,
  commits: PubSub.Subscription<void>,
  pollInterval: Duration.Duration
) {
  for (;;) {
    const { position } = yield* withPromptAnswer(gate.requireReached(after))
    if (position > after) return position
    yield* Effect.timeoutOption(PubSub.take(commits), pollInterval)
  }
})
