import { Effect, Option, Stream } from "effect"
import { AuditService, type BacklogAt, BacklogService, type Card, ListOptions } from "../../index.ts"
import { decodeInput } from "../../services/decodeInput.ts"
import { encodeCard, encodeCards } from "../CommandOutput.ts"
import { defineCommand } from "../defineCommand.ts"
import { choiceFlag, integerFlag, switchFlag, textFlag } from "../flags.ts"
import { atFlag, describeBacklogMoment, parseMoment } from "../moments.ts"
import { type Column, makeTableWriter } from "../table.ts"
import type { Paint, TextStyle } from "../terminalText.ts"

export const listCommand = defineCommand(
  "list",
  {
    description:
      "Lists cards in claim order. With --at it lists them at that moment. The table shows a ready card that cannot be claimed yet as waiting.",
    summary: "List cards in claim order",
    examples: [
      { command: "backlog list --ready --limit 5", description: "The claimable cards" },
      { command: "backlog list --status claimed --json" },
      { command: "backlog list --ready --at 2026-01-22T12:00:00Z", description: "The cards that were claimable then" }
    ]
  },
  {
    status: choiceFlag("status", ["ready", "claimed", "blocked", "done"], "Only cards with this status"),
    phase: textFlag("phase", "Only cards in this phase", "PHASE"),
    ready: switchFlag("ready", "Only claimable cards"),
    limit: integerFlag("limit", "Maximum number of cards. Defaults to all"),
    at: atFlag("moment")
  },
  Effect.fnUntraced(function* ({ limit, phase, ready, status, ...flags }) {
    const options = { status, phase, limit, readyOnly: ready ? true : undefined }
    yield* decodeOptions(options)
    const at = yield* parseMoment(flags.at)
    return Effect.gen(function* () {
      if (at === undefined) return yield* listCurrent(options)
      return listPast(yield* (yield* AuditService).backlogAt(at), options)
    })
  })
)

type Options = typeof ListOptions.Encoded

const decodeOptions = decodeInput(ListOptions)

const listCurrent = Effect.fnUntraced(function* (options: Options) {
  const backlog = yield* BacklogService
  const cards = yield* backlog.list(options)
  const claimable =
    options.readyOnly === true || !cards.some((card) => card.status === "ready")
      ? Effect.succeed(cards)
      : backlog.list({ ...options, readyOnly: true })
  return {
    data: () => encodeCards(cards),
    text: (style: TextStyle) =>
      Effect.map(claimable, (ready) => {
        const described = makeListWriter(Option.some(new Set(ready.map((card) => card.id))), style)
        return described.lines(cards) + described.end()
      })
  }
})

const listPast = (past: BacklogAt, options: Options) => {
  const cards = past.cards(options)
  const claimable =
    options.readyOnly === true || (options.status ?? "ready") !== "ready"
      ? Effect.succeedNone
      : Effect.asSome(
          Stream.runFold(
            past.cards({ ...options, readyOnly: true }),
            () => new Set<string>(),
            (ids, card) => ids.add(card.id)
          )
        )
  const lines = (style: TextStyle) =>
    Stream.unwrap(
      Effect.map(claimable, (ids) => {
        const described = makeListWriter(ids, style, `${describeBacklogMoment(past)}\n\n`)
        return Stream.mapArray(cards, (chunk) => [described.lines(chunk)]).pipe(
          Stream.concat(Stream.suspend(() => Stream.succeed(described.end())))
        )
      })
    )
  return { items: Stream.map(cards, (card) => encodeCard(card)), documents: "one" as const, text: lines }
}

/**
 * Formats cards as lines of a table, chunk by chunk, between the text `before` and a line with counts. Without `claimable`
 * all ready cards count as claimable.
 */
const makeListWriter = (claimable: Option.Option<ReadonlySet<string>>, style: TextStyle, before = "") => {
  const shown = (card: Card): string =>
    card.status === "ready" && Option.isSome(claimable) && !claimable.value.has(card.id) ? "waiting" : card.status
  const paints: Readonly<Record<string, Paint>> = {
    ready: style.green,
    waiting: style.yellow,
    claimed: style.blue,
    blocked: style.red,
    done: style.dim
  }
  const columns: ReadonlyArray<Column<Card>> = [
    { title: "ID", text: (card) => card.id, minWidth: 12, paint: () => style.bold },
    { title: "TITLE", text: (card) => card.title, minWidth: 16 },
    { title: "STATUS", text: shown, paint: (card) => paints[shown(card)] ?? style.dim },
    { title: "PRIORITY", text: (card) => String(card.priority), align: "right" },
    { title: "PHASE", text: (card) => card.phase ?? "", minWidth: 6 },
    { title: "OWNER", text: (card) => card.claimOwner ?? "", minWidth: 6 },
    { title: "ATTEMPTS", text: (card) => (card.attempts === 0 ? "" : String(card.attempts)), align: "right" }
  ]
  const rows = makeTableWriter(columns, style)
  const counts = { all: 0, claimable: 0 }
  return {
    lines: (cards: ReadonlyArray<Card>): string => {
      if (cards.length === 0) return ""
      const begin = counts.all === 0 ? before : ""
      counts.all += cards.length
      counts.claimable += cards.filter((card) => shown(card) === "ready").length
      return `${begin}${rows(cards).join("\n")}\n`
    },
    end: (): string =>
      counts.all === 0
        ? `${before}No cards.\n`
        : `\n${counts.all === 1 ? "1 card" : `${counts.all} cards`}, ${counts.claimable} claimable\n`
  }
}
