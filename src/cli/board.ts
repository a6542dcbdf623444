import { DateTime, Duration, Effect, Fiber, Option, Queue, Schema, Stream } from "effect"
import { encodeCards, encodeEvent } from "./CommandOutput.ts"
import { formatDuration, formatTime } from "./moments.ts"
import { describeEvent } from "./describeEvent.ts"
import { type Column, formatTable } from "./table.ts"
import { truncate, type TextStyle, type Paint } from "./terminalText.ts"
import { AuditService, BacklogService, type Card, type RecordedEvent, Stats } from "../index.ts"

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

/** How many claimed cards, next cards and events a board has at most. */
const boardLimits = { claimed: 100, claimable: 20, events: 20 }

/** The least time between two looks, so that a busy backlog is not looked at after every commit. */
const minReadInterval = Duration.millis(250)

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
export const isSameBoard = (left: Board, right: Board): boolean =>
  JSON.stringify(encodeBoard(withoutTimes(left))) === JSON.stringify(encodeBoard(withoutTimes(right)))

const withoutTimes = (board: Board): Board => ({
  ...board,
  at: DateTime.makeUnsafe(0),
  stats: { ...board.stats, oldestReadyAgeSeconds: null }
})

/** The board as it is now, given the last events. */
const readBoardWith = Effect.fnUntraced(function* (events: ReadonlyArray<RecordedEvent>) {
  const backlog = yield* BacklogService
  const { at, position } = yield* (yield* AuditService).anchor()
  return {
    at,
    position,
    stats: yield* backlog.stats,
    claimed: yield* backlog.list({ status: "claimed", limit: boardLimits.claimed }),
    claimable: yield* backlog.list({ readyOnly: true, limit: boardLimits.claimable }),
    events
  } satisfies Board
})

/** The last events, and the position up to which they were looked for. */
const readLatestEvents = Effect.gen(function* () {
  const audit = yield* AuditService
  const { position } = yield* audit.anchor()
  const events = yield* Stream.runCollect(audit.events({ after: Math.max(0, position - boardLimits.events) }))
  return { events: events.slice(-boardLimits.events), upTo: events.at(-1)?.position ?? position }
})

/** The board as it is now. */
export const readBoard = Effect.flatMap(readLatestEvents, ({ events }) => readBoardWith(events))

/**
 * The board again and again: as it is now, after every commit, and at least once in an `interval`, in which leases and
 * retry times pass without one.
 */
export const watchBoard = (interval: Duration.Duration) =>
  Stream.unwrap(
    Effect.gen(function* () {
      const audit = yield* AuditService
      const bell = yield* Queue.sliding<void>(1)
      const { events: found, upTo } = yield* readLatestEvents
      let latest = found
      const follower = yield* Effect.forkScoped(
        Stream.runForEachArray(audit.events({ after: upTo, follow: true }), (events) => {
          latest = [...latest, ...events].slice(-boardLimits.events)
          return Queue.offer(bell, undefined)
        })
      )
      const next = Queue.take(bell).pipe(
        Effect.timeoutOption(interval),
        Effect.andThen(Effect.sleep(minReadInterval)),
        // Not raced for: when following ends, it has failed.
        Effect.raceFirst(Fiber.join(follower))
      )
      return Stream.paginate(true, (isFirst) =>
        Effect.map(
          Effect.andThen(
            isFirst ? Effect.void : next,
            Effect.suspend(() => readBoardWith(latest))
          ),
          (board) => [[board], Option.some(false)] as const
        )
      )
    })
  )

/** A part of a board: a heading, and a table of which as many rows are shown as there is room for. */
interface Section {
  readonly heading: string
  readonly none: string
  /** How many there are, of which `lines` may have the first only. */
  readonly total: number
  /** A line of titles, and a line for each. */
  readonly lines: ReadonlyArray<string>
  readonly paint: (row: number) => Paint
}

/** Lines of a section beside its rows: an empty one, its heading, its titles. */
const linesPerSection = 3

/**
 * A board as lines, no wider than the page has columns and no more than `rows`. What a card or an event says is spelled
 * out where a terminal would obey it.
 */
export const describeBoard = (
  board: Board,
  style: TextStyle,
  rows = Number.POSITIVE_INFINITY
): ReadonlyArray<string> => {
  const { columns = Number.POSITIVE_INFINITY } = style
  const { stats } = board
  const head = [
    style.bold(truncate(`Backlog at position ${board.position}, ${formatTime(board.at)}`, columns)),
    truncate(
      [
        `${stats.counts.ready} ready (${stats.claimable} claimable, ${stats.waiting} waiting)`,
        `${stats.counts.claimed} claimed${stats.expiredClaimCount === 0 ? "" : ` (${stats.expiredClaimCount} run out)`}`,
        `${stats.counts.blocked} blocked`,
        `${stats.counts.done} done`,
        `${stats.total} in all`
      ].join("  "),
      columns
    )
  ]
  const sections = [claimedSection(board, style), nextSection(board, style), eventSection(board, style)]
  const room = distributeRows(
    sections.map(({ lines }) => Math.max(0, lines.length - 1)),
    rows - head.length - sections.length * linesPerSection
  )
  const lines = [
    ...head,
    ...sections.flatMap((section, index) => formatSection(section, room[index] ?? 0, style, columns))
  ]
  return lines.slice(0, Math.max(0, rows))
}

const formatSection = (section: Section, room: number, style: TextStyle, columns: number): ReadonlyArray<string> => {
  const [titles = "", ...lines] = section.lines
  const shown = lines.slice(0, room)
  const more = section.total > shown.length && section.total > 0 ? `  (${shown.length} of ${section.total})` : ""
  return [
    "",
    style.bold(truncate(`${section.heading}${more}`, columns)),
    style.dim(truncate(lines.length === 0 ? section.none : titles, columns)),
    ...shown.map((line, index) => section.paint(index)(truncate(line, columns)))
  ]
}

/** Shares rows out among those who want some, nobody more than it wants, as evenly as can be. */
const distributeRows = (wanted: ReadonlyArray<number>, available: number): ReadonlyArray<number> => {
  const given = wanted.map(() => 0)
  let left = available
  for (let isGiving = true; isGiving && left > 0;) {
    isGiving = false
    for (const [index, want] of wanted.entries()) {
      const has = given[index] ?? 0
      if (has >= want || left <= 0) continue
      const gift = left === Number.POSITIVE_INFINITY ? want - has : 1
      given[index] = has + gift
      left -= gift
      isGiving = true
    }
  }
  return given
}

/** A page without colours: a line is cut before it is painted. */
const withoutColors = (style: TextStyle): TextStyle => {
  const paint: Paint = (text) => text
  return { columns: style.columns, bold: paint, dim: paint, red: paint, green: paint, yellow: paint, blue: paint }
}

const id: Column<Card> = { title: "ID", text: (card) => card.id, minWidth: 8 }

const title: Column<Card> = { title: "TITLE", text: (card) => card.title, minWidth: 8 }

const claimedSection = ({ at, claimed, stats }: Board, style: TextStyle): Section => {
  const left = (card: Card): number =>
    card.claimExpiresAt === null ? 0 : (DateTime.toEpochMillis(card.claimExpiresAt) - DateTime.toEpochMillis(at)) / 1000
  return {
    heading: "Claimed",
    none: "Nobody holds a card.",
    total: stats.counts.claimed,
    lines: formatTable(
      [
        id,
        { title: "HOLDER", text: (card) => card.claimOwner ?? "", minWidth: 8 },
        { title: "LEFT", text: (card) => (left(card) > 0 ? formatDuration(left(card)) : "run out"), align: "right" },
        { title: "ATTEMPT", text: (card) => String(card.attempts), align: "right" },
        title
      ],
      claimed,
      withoutColors(style)
    ),
    paint: (row) => {
      const card = claimed[row]
      return card !== undefined && left(card) <= 0 ? style.red : style.blue
    }
  }
}

const nextSection = ({ claimable, stats }: Board, style: TextStyle): Section => ({
  heading: "Next",
  none: "Nothing can be claimed.",
  // Cards whose claim ran out can be claimed too, and are among the claimed ones.
  total: Math.max(claimable.length, stats.claimable),
  lines: formatTable(
    [
      id,
      { title: "PRIORITY", text: (card) => String(card.priority), align: "right" },
      { title: "PHASE", text: (card) => card.phase ?? "", minWidth: 6 },
      title
    ],
    claimable,
    withoutColors(style)
  ),
  paint: () => style.green
})

const eventSection = ({ events }: Board, style: TextStyle): Section => {
  const latest: ReadonlyArray<RecordedEvent> = events.toReversed()
  return {
    heading: "Latest",
    none: "Nothing has happened yet.",
    total: 0,
    lines: formatTable(
      [
        { title: "POSITION", text: (event) => String(event.position), align: "right" },
        { title: "WHEN", text: (event) => formatTime(event.recordedAt) },
        { title: "CARD", text: (event) => event.cardId, minWidth: 8 },
        { title: "WHO", text: (event) => event.actor, minWidth: 8 },
        { title: "WHAT", text: (event) => describeEvent(event), minWidth: 8 }
      ],
      latest,
      withoutColors(style)
    ),
    paint: () => (text) => text
  }
}
