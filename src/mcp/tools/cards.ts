import { Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { BacklogService, type Card, InvalidInput } from "../../index.ts"
import { cardSummary, lines, listIds, agentText } from "../AgentText.ts"
import { agentTool, cardParameter, commandIdParameter, json, oneOf, string, strings, integer } from "../AgentTool.ts"
import { inTransaction } from "../../sql/inTransaction.ts"

export const reviseTool = agentTool(
  "backlog_revise",
  {
    description: "Change a card: what is given, all or nothing.",
    parameters: {
      ...cardParameter,
      title: Schema.optional(string()),
      body: Schema.optional(string()),
      phase: Schema.optional(string()),
      priority: Schema.optional(integer()),
      acceptance: Schema.optional(json()),
      clear: Schema.optional(Schema.Array(oneOf(["body", "phase", "acceptance"]))),
      addDependsOn: Schema.optional(strings()),
      removeDependsOn: Schema.optional(strings())
    },
    isIdempotent: true
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
          ? agentText`${id} is as asked.`
          : agentText`${id} is as asked; it depends on ${listIds(last.dependsOn, 20)}.`,
      data: { ...cardSummary(last, agent), dependsOn: last.dependsOn.slice(0, 20) }
    }
  })
)

/** Ids of cards that are named in an answer. */
const maxNamedIds = 50

/** Dependencies that are looked up. */
const maxLookedUp = 100

const newCard = Schema.Struct({
  id: string(),
  title: string(),
  body: Schema.optional(string("All that whoever works on it must know")),
  phase: Schema.optional(string()),
  priority: Schema.optional(integer("Greater is sooner; default 0")),
  dependsOn: Schema.optional(strings("Ids that must be done first, of this call or other")),
  acceptance: Schema.optional(json("How to tell that it is done: any JSON")),
  idempotencyKey: Schema.optional(string("Same key again: no new card"))
})

export const createTool = agentTool(
  "backlog_create",
  {
    description: "Create cards, all or none, in any order.",
    parameters: { cards: Schema.Array(newCard), ...commandIdParameter }
  },
  Effect.fnUntraced(function* ({ cards, commandId: once }, { actor }) {
    const backlog = yield* BacklogService
    const created = yield* backlog.createMany({ cards: cards as never, commandId: once, actor })
    const missing = yield* missingDependencies(created)
    const ids = created.map(({ id }) => id)
    return {
      text: lines(
        created.length === 1
          ? agentText`Created 1 card: ${listIds(ids, maxNamedIds)}.`
          : agentText`Created ${created.length} cards: ${listIds(ids, maxNamedIds)}.`,
        missing.length === 0
          ? undefined
          : agentText`They wait for cards that do not exist: ${listIds(missing, maxNamedIds)}. Create those, or take the dependencies away with backlog_revise.`
      ),
      data: {
        created: ids.length <= maxNamedIds ? ids : ids.length,
        ...(missing.length === 0 ? {} : { missing: missing.slice(0, maxNamedIds) })
      }
    }
  })
)

/** Dependencies that there are no cards for: more often a slip than a plan. */
const missingDependencies = Effect.fnUntraced(function* (cards: ReadonlyArray<Card>) {
  const backlog = yield* BacklogService
  const own = new Set(cards.map(({ id }) => id))
  const others = [...new Set(cards.flatMap(({ dependsOn }) => dependsOn))].filter((id) => !own.has(id))
  const found = yield* Effect.forEach(others.slice(0, maxLookedUp), (id) => backlog.get(id), { concurrency: 8 })
  return others.filter((_, index) => found[index]?._tag === "None")
})
