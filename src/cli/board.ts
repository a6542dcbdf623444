import { DateTime, Duration, Effect, Fiber, Option, Queue, Schema, Stream } from "effect"
import { AuditService, BacklogService, type Card, type RecordedEvent, Stats } from "../index.ts"
import { encodeCards, encodeEvent } from "./Reply.ts"

/** How many claimed cards, next cards and events a board has at most. */
const most = { claimed: 100, claimable: 20, events: 20 }

/** The least time between two looks, so that a busy backlog is not looked at after every commit. */
const pause = Duration.millis(250)

/** The backlog as somebody watches it. */
export interface Board {
  /** By the database's clock. */
  readonly at: DateTime.Utc
  readonly position: number
  readonly stats: Stats
  /** The claimed cards, the best first. */
  readonly claimed: ReadonlyArray<Card>
  /** What would be claimed next, the best first. */
  readonly claimable: ReadonlyArray<Card>
  /** What happened last, the last of it last. */
  readonly events: ReadonlyArray<RecordedEvent>
}

/** A board as JSON. */
export const encodeBoard = ({ at, claimable, claimed, events, position, stats }: Board) => ({
  at: DateTime.formatIso(at),
  position,
  stats: encodeStats(stats),
  claimed: encodeCards(claimed),
  claimable: encodeCards(claimable),
  events: events.map((event) => encodeEvent(event))
})

const encodeStats = Schema.encodeSync(Stats)

/** Whether a board says the same as another, but for the time. */
export const saysTheSame = (left: Board, right: Board): boolean =>
  JSON.stringify(encodeBoard(timeless(left))) === JSON.stringify(encodeBoard(timeless(right)))

const timeless = (board: Board): Board => ({
  ...board,
  at: DateTime.makeUnsafe(0),
  stats: { ...board.stats, oldestReadyAgeSeconds: null }
})

/** The board as it is now, given the last events. */
const boardWith = Effect.fnUntraced(function* (events: ReadonlyArray<RecordedEvent>) {
  const backlog = yield* BacklogService
  const { at, position } = yield* (yield* AuditService).anchor()
  return {
    at,
    position,
    stats: yield* backlog.stats,
    claimed: yield* backlog.list({ status: "claimed", limit: most.claimed }),
    claimable: yield* backlog.list({ readyOnly: true, limit: most.claimable }),
    events
  } satisfies Board
})

/** The last events, and the position up to which they were looked for. */
const lastEvents = Effect.gen(function* () {
  const audit = yield* AuditService
  const { position } = yield* audit.anchor()
  const events = yield* Stream.runCollect(audit.events({ after: Math.max(0, position - most.events) }))
  return { events: events.slice(-most.events), upTo: events.at(-1)?.position ?? position }
})

/** The board as it is now. */
export const boardNow = Effect.flatMap(lastEvents, ({ events }) => boardWith(events))

/**
 * The board again and again: as it is now, after every commit, and at least once in an `interval`, in which leases and
 * retry times pass without one.
 */
export const boards = (interval: Duration.Duration) =>
  Stream.unwrap(
    Effect.gen(function* () {
      const audit = yield* AuditService
      const bell = yield* Queue.sliding<void>(1)
      const { events: found, upTo } = yield* lastEvents
      let latest = found
      const follower = yield* Effect.forkScoped(
        Stream.runForEachArray(audit.events({ after: upTo, follow: true }), (events) => {
          latest = [...latest, ...events].slice(-most.events)
          return Queue.offer(bell, undefined)
        })
      )
      const next = Queue.take(bell).pipe(
        Effect.timeoutOption(interval),
        Effect.andThen(Effect.sleep(pause)),
        // Not raced for: when following ends, it has failed.
        Effect.raceFirst(Fiber.join(follower))
      )
      return Stream.paginate(true, (isFirst) =>
        Effect.map(
          Effect.andThen(
            isFirst ? Effect.void : next,
            Effect.suspend(() => boardWith(latest))
          ),
          (board) => [[board], Option.some(false)] as const
        )
      )
    })
  )
