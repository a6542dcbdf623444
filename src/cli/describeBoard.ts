import { DateTime } from "effect"
import type { Card, RecordedEvent } from "../index.ts"
import type { Board } from "./board.ts"
import { describeEvent } from "./describeEvent.ts"
import type { Page, Paint } from "./Page.ts"
import { type Column, table } from "./table.ts"
import { fitted } from "./terminalText.ts"
import { duration, moment } from "./times.ts"

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
const around = 3

/**
 * A board as lines, no wider than the page has columns and no more than `rows`. What a card or an event says is spelled
 * out where a terminal would obey it.
 */
export const describeBoard = (board: Board, page: Page, rows = Number.POSITIVE_INFINITY): ReadonlyArray<string> => {
  const { columns = Number.POSITIVE_INFINITY } = page
  const { stats } = board
  const head = [
    page.bold(fitted(`Backlog at position ${board.position}, ${moment(board.at)}`, columns)),
    fitted(
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
  const sections = [claimedSection(board, page), nextSection(board, page), eventSection(board, page)]
  const room = share(
    sections.map(({ lines }) => Math.max(0, lines.length - 1)),
    rows - head.length - sections.length * around
  )
  const lines = [...head, ...sections.flatMap((section, index) => described(section, room[index] ?? 0, page, columns))]
  return lines.slice(0, Math.max(0, rows))
}

const described = (section: Section, room: number, page: Page, columns: number): ReadonlyArray<string> => {
  const [titles = "", ...lines] = section.lines
  const shown = lines.slice(0, room)
  const more = section.total > shown.length && section.total > 0 ? `  (${shown.length} of ${section.total})` : ""
  return [
    "",
    page.bold(fitted(`${section.heading}${more}`, columns)),
    page.dim(fitted(lines.length === 0 ? section.none : titles, columns)),
    ...shown.map((line, index) => section.paint(index)(fitted(line, columns)))
  ]
}

/** Shares rows out among those who want some, nobody more than it wants, as evenly as can be. */
const share = (wanted: ReadonlyArray<number>, available: number): ReadonlyArray<number> => {
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
const plain = (page: Page): Page => {
  const paint: Paint = (text) => text
  return { columns: page.columns, bold: paint, dim: paint, red: paint, green: paint, yellow: paint, blue: paint }
}

const id: Column<Card> = { title: "ID", text: (card) => card.id, atLeast: 8 }
const title: Column<Card> = { title: "TITLE", text: (card) => card.title, atLeast: 8 }

const claimedSection = ({ at, claimed, stats }: Board, page: Page): Section => {
  const left = (card: Card): number =>
    card.claimExpiresAt === null ? 0 : (DateTime.toEpochMillis(card.claimExpiresAt) - DateTime.toEpochMillis(at)) / 1000
  return {
    heading: "Claimed",
    none: "Nobody holds a card.",
    total: stats.counts.claimed,
    lines: table(
      [
        id,
        { title: "HOLDER", text: (card) => card.claimOwner ?? "", atLeast: 8 },
        { title: "LEFT", text: (card) => (left(card) > 0 ? duration(left(card)) : "run out"), align: "right" },
        { title: "ATTEMPT", text: (card) => String(card.attempts), align: "right" },
        title
      ],
      claimed,
      plain(page)
    ),
    paint: (row) => {
      const card = claimed[row]
      return card !== undefined && left(card) <= 0 ? page.red : page.blue
    }
  }
}

const nextSection = ({ claimable, stats }: Board, page: Page): Section => ({
  heading: "Next",
  none: "Nothing can be claimed.",
  // Cards whose claim ran out can be claimed too, and are among the claimed ones.
  total: Math.max(claimable.length, stats.claimable),
  lines: table(
    [
      id,
      { title: "PRIORITY", text: (card) => String(card.priority), align: "right" },
      { title: "PHASE", text: (card) => card.phase ?? "", atLeast: 6 },
      title
    ],
    claimable,
    plain(page)
  ),
  paint: () => page.green
})

const eventSection = ({ events }: Board, page: Page): Section => {
  const latest: ReadonlyArray<RecordedEvent> = events.toReversed()
  return {
    heading: "Latest",
    none: "Nothing has happened yet.",
    total: 0,
    lines: table(
      [
        { title: "POSITION", text: (event) => String(event.position), align: "right" },
        { title: "WHEN", text: (event) => moment(event.recordedAt) },
        { title: "CARD", text: (event) => event.cardId, atLeast: 8 },
        { title: "WHO", text: (event) => event.actor, atLeast: 8 },
        { title: "WHAT", text: (event) => describeEvent(event), atLeast: 8 }
      ],
      latest,
      plain(page)
    ),
    paint: () => (text) => text
  }
}
