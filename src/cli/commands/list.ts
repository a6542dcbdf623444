import { Effect } from "effect"
import { BacklogService, type Card, ListOptions } from "../../index.ts"
import { decodeInput } from "../../services/decodeInput.ts"
import { oneOf, switchFlag, text, whole } from "../flags.ts"
import type { Page, Paint } from "../Page.ts"
import { encodeCards } from "../Reply.ts"
import { type Column, table } from "../table.ts"
import { verb } from "../verb.ts"

export const list = verb(
  "list",
  {
    about:
      "Lists cards in the order in which they are claimed. In the table, a card that is ready but cannot be claimed yet is shown as waiting.",
    brief: "List cards, best first",
    examples: [
      { command: "backlog list --ready --limit 5", description: "What can be claimed now" },
      { command: "backlog list --status claimed --json" }
    ]
  },
  {
    status: oneOf("status", ["ready", "claimed", "blocked", "done"], "Only cards with this status"),
    phase: text("phase", "Only cards of this phase", "PHASE"),
    ready: switchFlag("ready", "Only cards that can be claimed now"),
    limit: whole("limit", "How many at most (default: all)")
  },
  Effect.fnUntraced(function* ({ limit, phase, ready, status }) {
    const options = { status, phase, limit, readyOnly: ready ? true : undefined }
    yield* decodeOptions(options)
    return Effect.gen(function* () {
      const backlog = yield* BacklogService
      const cards = yield* backlog.list(options)
      return {
        data: () => encodeCards(cards),
        text: (page) =>
          Effect.map(
            ready || !cards.some((card) => card.status === "ready")
              ? Effect.succeed(cards)
              : backlog.list({ ...options, readyOnly: true }),
            (claimable) => describeList(cards, new Set(claimable.map((card) => card.id)), page)
          )
      }
    })
  })
)

const decodeOptions = decodeInput(ListOptions)

const describeList = (cards: ReadonlyArray<Card>, claimable: ReadonlySet<string>, page: Page): string => {
  if (cards.length === 0) return "No cards."
  const shown = (card: Card): string => (card.status === "ready" && !claimable.has(card.id) ? "waiting" : card.status)
  const paints: Readonly<Record<string, Paint>> = {
    ready: page.green,
    waiting: page.yellow,
    claimed: page.blue,
    blocked: page.red,
    done: page.dim
  }
  const columns: ReadonlyArray<Column<Card>> = [
    { title: "ID", text: (card) => card.id, atLeast: 12, paint: () => page.bold },
    { title: "TITLE", text: (card) => card.title, atLeast: 16 },
    { title: "STATUS", text: shown, paint: (card) => paints[shown(card)] ?? page.dim },
    { title: "PRIORITY", text: (card) => String(card.priority), align: "right" },
    { title: "PHASE", text: (card) => card.phase ?? "", atLeast: 6 },
    { title: "OWNER", text: (card) => card.claimOwner ?? "", atLeast: 6 },
    { title: "ATTEMPTS", text: (card) => (card.attempts === 0 ? "" : String(card.attempts)), align: "right" }
  ]
  const count = cards.length === 1 ? "1 card" : `${cards.length} cards`
  return [
    ...table(columns, cards, page),
    "",
    `${count}, ${cards.filter((c) => shown(c) === "ready").length} claimable`
  ].join("\n")
}
