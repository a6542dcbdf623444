import { DateTime, Duration, Effect, Fiber, Option, Queue, Schema, Stream } from "effect"
import { AuditService, BacklogService, type Card, type RecordedEvent, Stats } from "../index.ts"
import { encodeCards, encodeEvent } from "./CommandOutput.ts"
import { describeEvent } from "./describeEvent.ts"
import { formatDuration, formatTime } from "./moments.ts"
import { type Column, formatTable } from "./table.ts"
import { type Paint, type TextStyle, truncate } from "./terminalText.ts"

/** The state of a backlog that `watch` shows. */
export interface Board {
  /** The time of the database's clock. */
  readonly at: DateTime.Utc
  readonly position: number
  readonly stats: Stats
  /** The claimed cards, in claim order. */
  readonly claimed: ReadonlyArray<Card>
  /** The cards that would be claimed next, in claim order. */
  readonly claimable: ReadonlyArray<Card>
  /** The latest events, the newest last. */
  readonly events: ReadonlyArray<RecordedEvent>
}

/** Maximum number of claimed cards, claimable cards and events on a board. */
const boardLimits = { claimed: 100, claimable: 20, events: 20 }

/** Minimum time between two reads, so that a busy backlog is not read after every commit. */
const minReadInterval = Duration.millis(250)

/** Encodes a board as JSON. */
export const encodeBoard = ({ at, claimable, claimed, events, position, stats }: Board) => ({
  at: DateTime.formatIso(at),
  position,
  stats: encodeStats(stats),
  claimed: encodeCards(claimed),
  claimable: encodeCards(claimable),
  events: events.map((event) => encodeEvent(event))
})

const encodeStats = Schema.encodeSync(Stats)

/** Returns whether two boards differ only in their times. */
export const isSameBoard = (left: Board, right: Board): boolean =>
  JSON.stringify(encodeBoard(withoutTimes(left))) === JSON.stringify(encodeBoard(withoutTimes(right)))

const withoutTimes = (board: Board): Board => ({
  ...board,
  at: DateTime.makeUnsafe(0),
  stats: { ...board.stats, oldestReadyAgeSeconds: null }
})

/** Reads the current board, except for the latest events. */
const readBoardWith = Effect.fnUntraced(function* (events: ReadonlyArray<RecordedEvent>) {
  const backlog = yield* BacklogService
  const { at, position } = yield* (yield* AuditService).anchor({ record: false })
  return {
    at,
    position,
    stats: yield* backlog.stats,
    claimed: yield* backlog.list({ status: "claimed", limit: boardLimits.claimed }),
    claimable: yield* backlog.list({ claimability: "claimable", limit: boardLimits.claimable }),
    events
  } satisfies Board
})

/** Reads the latest events, and the position up to which they were read. */
const readLatestEvents = Effect.gen(function* () {
  const audit = yield* AuditService
  const { position } = yield* audit.anchor({ record: false })
  const events = yield* Stream.runCollect(audit.events({ after: Math.max(0, position - boardLimits.events) }))
  return { events: events.slice(-boardLimits.events), upTo: events.at(-1)?.position ?? position }
})

/** Reads the current board. */
export const readBoard = Effect.flatMap(readLatestEvents, ({ events }) => readBoardWith(events))

/**
 * A stream of boards: the current one, then one after each commit, and at least one per `interval`, because leases
 * expire and retry times pass without a commit.
 */
export const watchBoard = (interval: Duration.Duration) =>
  Stream.unwrap(
    Effect.gen(function* () {
      const audit = yield* AuditService
      const changes = yield* Queue.sliding<void>(1)
      const { events: found, upTo } = yield* readLatestEvents
      let latest = found
      const follower = yield* Effect.forkScoped(
        Stream.runForEachArray(audit.events({ after: upTo, follow: true }), (events) => {
          latest = [...latest, ...events].slice(-boardLimits.events)
          return Queue.offer(changes, undefined)
        })
      )
      const next = Queue.take(changes).pipe(
        Effect.timeoutOption(interval),
        Effect.andThen(Effect.sleep(minReadInterval)),
        // The follower ends only by failing.
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

/** A part of a board: a heading, and a table that shows the rows that fit. */
interface Section {
  readonly heading: string
  readonly none: string
  /** Total number of rows. `lines` may contain only the first of them. */
  readonly total: number
  /** A line of column titles, then a line for each row. */
  readonly lines: ReadonlyArray<string>
  readonly paint: (row: number) => Paint
}

/** Lines of a section other than its rows: an empty line, the heading, the titles. */
const linesPerSection = 3

/**
 * Formats a board as lines that fit the style's width, at most `rows` of them. Control characters in texts of cards and
 * events are escaped.
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
        `${stats.counts.claimed} claimed${stats.expiredClaimCount === 0 ? "" : ` (${stats.expiredClaimCount} expired)`}`,
        `${stats.counts.blocked} blocked`,
        `${stats.counts.done} done`,
        `${stats.total} total`
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

/** Distributes rows as evenly as possible, giving no section more than it wants. */
const distributeRows = (wanted: ReadonlyArray<number>, available: number): ReadonlyArray<number> => {
  const given = wanted.map(() => 0)
  let left = available
  for (let isGiving = true; isGiving && left > 0;) {
    isGiving = false
    for (const [index, want] of wanted.entries()) {
      const has = given[index] ?? 0
      if (has >= want || left <= 0) continue
      const amount = left === Number.POSITIVE_INFINITY ? want - has : 1
      given[index] = has + amount
      left -= amount
      isGiving = true
    }
  }
  return given
}

/** A style without colors, for lines that are truncated before they are colored. */
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
    none: "No card is claimed.",
    total: stats.counts.claimed,
    lines: formatTable(
      [
        id,
        { title: "HOLDER", text: (card) => card.claimOwner ?? "", minWidth: 8 },
        { title: "LEFT", text: (card) => (left(card) > 0 ? formatDuration(left(card)) : "expired"), align: "right" },
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
  none: "No card is claimable.",
  // Cards with an expired claim are claimable too, and are listed among the claimed cards.
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
    none: "There are no events yet.",
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
