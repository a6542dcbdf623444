import { Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { inTransaction } from "../../sql/inTransaction.ts"
import { BacklogService, type Card, InvalidInput } from "../../index.ts"
import { agentTool } from "../AgentTool.ts"
import { cardSummary } from "../cardAnswer.ts"
import { card, json, oneOf, text, texts, whole } from "../parameters.ts"
import { listed, words } from "../words.ts"

export const revise = agentTool(
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
