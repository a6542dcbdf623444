import { Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { BacklogService, type Card, InvalidInput } from "../../index.ts"
import { cardSummary, lines, listed, words } from "../AgentText.ts"
import { agentTool, card, commandId, json, oneOf, text, texts, whole } from "../AgentTool.ts"
import { inTransaction } from "../../sql/inTransaction.ts"

export const reviseTool = agentTool(
  "backlog_revise",
  {
    about: "Change a card: what is given, all or nothing.",
    takes: {
      ...card,
      title: Schema.optional(text()),
      body: Schema.optional(text()),
      phase: Schema.optional(text()),
      priority: Schema.optional(whole()),
      acceptance: Schema.optional(json()),
      clear: Schema.optional(Schema.Array(oneOf(["body", "phase", "acceptance"]))),
      addDependsOn: Schema.optional(texts()),
      removeDependsOn: Schema.optional(texts())
    },
    repeatable: true
  },
  Effect.fnUntraced(function* ({ addDependsOn = [], clear = [], id, removeDependsOn = [], ...given }, agent) {
    const both = clear.find((part) => given[part] !== undefined)
    if (both !== undefined) return yield* new InvalidInput({ problem: `${both} is to be cleared, and is given` })
    const changes = { ...given, ...Object.fromEntries(clear.map((part) => [part, null])) }
    const isRevised = Object.values(changes).some((value) => value !== undefined)
    if (!isRevised && addDependsOn.length + removeDependsOn.length === 0) {
      return yield* new InvalidInput({ problem: "nothing is given that could be changed" })
    }
    const backlog = yield* BacklogService
    const { actor } = agent
    const commands: ReadonlyArray<ReturnType<(typeof backlog)["link" | "unlink" | "revise"]>> = [
      ...removeDependsOn.map((to) => backlog.unlink({ from: id, to, actor })),
      ...addDependsOn.map((to) => backlog.link({ from: id, to, actor })),
      ...(isRevised ? [backlog.revise({ id, ...changes, actor } as never)] : [])
    ]
    const revised = yield* inTransaction(yield* SqlClient.SqlClient)(Effect.all(commands))
    const last = revised.at(-1) as Card
    return {
      text:
        last.dependsOn.length === 0
          ? words`${id} is as asked.`
          : words`${id} is as asked; it depends on ${listed(last.dependsOn, 20)}.`,
      data: { ...cardSummary(last, agent), dependsOn: last.dependsOn.slice(0, 20) }
    }
  })
)

/** Ids of cards that are named in an answer. */
const named = 50

/** Dependencies that are looked up. */
const looked = 100

const newCard = Schema.Struct({
  id: text(),
  title: text(),
  body: Schema.optional(text("All that whoever works on it must know")),
  phase: Schema.optional(text()),
  priority: Schema.optional(whole("Greater is sooner; default 0")),
  dependsOn: Schema.optional(texts("Ids that must be done first, of this call or other")),
  acceptance: Schema.optional(json("How to tell that it is done: any JSON")),
  idempotencyKey: Schema.optional(text("Same key again: no new card"))
})

export const createTool = agentTool(
  "backlog_create",
  {
    about: "Create cards, all or none, in any order.",
    takes: { cards: Schema.Array(newCard), ...commandId }
  },
  Effect.fnUntraced(function* ({ cards, commandId: once }, { actor }) {
    const backlog = yield* BacklogService
    const created = yield* backlog.createMany({ cards: cards as never, commandId: once, actor })
    const missing = yield* missingDependencies(created)
    const ids = created.map(({ id }) => id)
    return {
      text: lines(
        created.length === 1
          ? words`Created 1 card: ${listed(ids, named)}.`
          : words`Created ${created.length} cards: ${listed(ids, named)}.`,
        missing.length === 0
          ? undefined
          : words`They wait for cards that do not exist: ${listed(missing, named)}. Create those, or take the dependencies away with backlog_revise.`
      ),
      data: {
        created: ids.length <= named ? ids : ids.length,
        ...(missing.length === 0 ? {} : { missing: missing.slice(0, named) })
      }
    }
  })
)

/** Dependencies that there are no cards for: more often a slip than a plan. */
const missingDependencies = Effect.fnUntraced(function* (cards: ReadonlyArray<Card>) {
  const backlog = yield* BacklogService
  const own = new Set(cards.map(({ id }) => id))
  const others = [...new Set(cards.flatMap(({ dependsOn }) => dependsOn))].filter((id) => !own.has(id))
  const found = yield* Effect.forEach(others.slice(0, looked), (id) => backlog.get(id), { concurrency: 8 })
  return others.filter((_, index) => found[index]?._tag === "None")
})
