import { Effect, Schema } from "effect"
import { BacklogService, type Card } from "../../index.ts"
import { agentTool } from "../AgentTool.ts"
import { commandId, json, text, texts, whole } from "../parameters.ts"
import { lines, listed, words } from "../words.ts"

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

export const create = agentTool(
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
