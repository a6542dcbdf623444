import { Effect, Option, Stream } from "effect"
import { Argument, type Command } from "effect/cli"
import {
  AuditService,
  type BacklogAt,
  BacklogService,
  type Card,
  InvalidInput,
  type ListInput,
  type PastListInput
} from "../../index.ts"
import { decodeListOptions } from "../../services/BacklogInput.ts"
import { encodeCard, encodeCards } from "../CommandOutput.ts"
import { defineCommand } from "../defineCommand.ts"
import { choiceFlag, integerFlag, repeatedChoiceFlag, repeatedFlag, switchFlag, textFlag } from "../flags.ts"
import { atFlag, describeBacklogMoment, parseMoment, parseTimeFlag, timeFlag } from "../moments.ts"
import { type Column, makeTableWriter } from "../table.ts"
import type { Paint, TextStyle } from "../terminalText.ts"

const filterFlags = {
  status: repeatedChoiceFlag(
    "status",
    ["ready", "claimed", "blocked", "done"],
    "Only cards with this status, or one of these"
  ),
  phase: repeatedFlag("phase", "Only cards in this phase, or in one of these", "PHASE"),
  labels: repeatedFlag("label", "Only cards with this label, and every other label that is given", "LABEL"),
  withoutLabels: repeatedFlag("without-label", "Only cards without this label", "LABEL"),
  owner: textFlag("owner", "Only cards that this owner holds", "OWNER"),
  minPriority: integerFlag("min-priority", "Only cards with at least this priority"),
  maxPriority: integerFlag("max-priority", "Only cards with at most this priority"),
  claimability: choiceFlag(
    "claimability",
    ["claimable", "waiting", "deferred", "expired"],
    "Only cards that are claimable, wait for dependencies, are deferred to a later time, or whose claim has expired"
  ),
  ready: switchFlag("ready", "Only claimable cards: the same as --claimability claimable"),
  changedSince: timeFlag("changed-since", "Only cards that were changed at this time or later"),
  order: choiceFlag("order", ["claim", "changed", "created", "completed"], "The order. Defaults to claim"),
  limit: integerFlag("limit", "Maximum number of cards. Defaults to all"),
  after: textFlag("after", "Only cards after this one in the order", "ID"),
  before: textFlag("before", "Only cards before this one in the order: the last ones", "ID")
}

type FilterFlags = Command.Command.Config.Infer<typeof filterFlags>

/** The options that the flags of a filter mean. */
const toOptions = Effect.fnUntraced(function* ({ changedSince, claimability, ready, ...flags }: FilterFlags) {
  if (ready && claimability !== undefined && claimability !== "claimable") {
    return yield* new InvalidInput({ problem: `give --ready or --claimability ${claimability}, not both` })
  }
  return {
    ...flags,
    claimability: ready ? ("claimable" as const) : claimability,
    changedSince: yield* parseTimeFlag("changed-since", changedSince)
  }
})

export const listCommand = defineCommand(
  "list",
  {
    description:
      "Lists cards in claim order. With --at it lists them at that moment. The table shows a ready card that cannot be claimed yet as waiting. --after and --limit read a long list page by page.",
    summary: "List cards",
    examples: [
      { command: "backlog list --ready --limit 5", description: "The claimable cards" },
      { command: "backlog list --status claimed --json" },
      { command: "backlog list --label rust --status ready --status blocked --order changed" },
      { command: "backlog list --ready --at 2026-01-22T12:00:00Z", description: "The cards that were claimable then" }
    ]
  },
  { ...filterFlags, at: atFlag("moment") },
  Effect.fnUntraced(function* ({ at: moment, ...flags }) {
    const options = yield* toOptions(flags)
    yield* decodeListOptions(options)
    const at = yield* parseMoment(moment)
    return Effect.gen(function* () {
      if (at === undefined) return yield* listCurrent(options)
      return listPast(yield* (yield* AuditService).backlogAt(at), options)
    })
  })
)

export const searchCommand = defineCommand(
  "search",
  {
    description:
      "Lists the cards whose id, title and body together contain all the words, or words that begin with them. Case is ignored. Only the first 100,000 characters of a body are searched.",
    summary: "Search cards by words",
    examples: [
      { command: "backlog search login error" },
      { command: "backlog search deploy --status done --order completed --limit 10" }
    ]
  },
  {
    words: Argument.String("words").pipe(
      Argument.withDescription("The words, or their beginnings"),
      Argument.atLeast(1)
    ),
    ...filterFlags
  },
  Effect.fnUntraced(function* ({ words, ...flags }) {
    const options = { ...(yield* toOptions(flags)), text: words.join(" ") }
    yield* decodeListOptions(options)
    return listCurrent(options)
  })
)

const listCurrent = Effect.fnUntraced(function* (options: Omit<ListInput, "fields">) {
  const backlog = yield* BacklogService
  const cards = yield* backlog.list(options)
  const claimable =
    options.claimability === "claimable" || !cards.some((card) => card.status === "ready")
      ? Effect.succeed(cards)
      : backlog.list({ ...options, claimability: "claimable" })
  return {
    data: () => encodeCards(cards),
    text: (style: TextStyle) =>
      Effect.map(claimable, (ready) => {
        const described = makeListWriter(Option.some(new Set(ready.map((card) => card.id))), style)
        return described.lines(cards) + described.end()
      })
  }
})

const listPast = (past: BacklogAt, options: PastListInput) => {
  const cards = past.cards(options)
  const statuses = [options.status ?? "ready"].flat()
  const claimable =
    options.claimability === "claimable" || !statuses.includes("ready")
      ? Effect.succeedNone
      : Effect.asSome(
          Stream.runFold(
            past.cards({ ...options, claimability: "claimable" }),
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
    { title: "LABELS", text: (card) => card.labels.join(", "), minWidth: 6 },
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
