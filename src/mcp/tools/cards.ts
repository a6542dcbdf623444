import { Effect, Schema } from "effect"
import { Revise } from "../../domain/Command.ts"
import { BacklogService, type Card, InvalidInput } from "../../index.ts"
import { decodeInput } from "../../services/decodeInput.ts"
import { requireOwnClaim } from "../Agent.ts"
import { cardSummary, lines, listIds, agentText } from "../AgentText.ts"
import {
  agentTool,
  cardParameter,
  commandIdParameter,
  jsonList,
  notBeforeParameter,
  oneOf,
  parseTime,
  string,
  strings,
  integer
} from "../AgentTool.ts"
import { CommandSequence, type Step } from "../CommandSequence.ts"

/** Maximum number of ids in an answer. */
const maxNamedIds = 50

/** Maximum number of dependencies that are checked for existence. */
const maxLookedUp = 100

const newCard = Schema.Struct({
  id: Schema.optional(string("Default: a generated id")),
  title: string(),
  body: Schema.optional(string("Everything a worker must know")),
  phase: Schema.optional(string()),
  labels: Schema.optional(strings()),
  priority: Schema.optional(integer("Higher is sooner; default 0")),
  dependsOn: Schema.optional(strings("Ids of cards that must be done first")),
  acceptance: Schema.optional(jsonList("Acceptance criteria; any JSON is accepted")),
  ...notBeforeParameter("ISO time; not claimable before"),
  idempotencyKey: Schema.optional(string("The same key returns the existing card"))
})

/**
 * Result: `created`, the ids, or their number above 50; `missing`, the ids of dependencies that do not exist, if there are
 * any.
 */
export const createTool = agentTool(
  "backlog_create",
  {
    description: "Create cards, in any order, all or nothing.",
    parameters: { cards: Schema.Array(newCard), ...commandIdParameter }
  },
  Effect.fnUntraced(function* ({ cards: given, commandId }, { actor }) {
    const backlog = yield* BacklogService
    const cards = yield* Effect.forEach(given, ({ notBefore, ...card }, index) =>
      Effect.map(parseTime(`cards"]["${index}"]["notBefore`, notBefore), (time) => ({ ...card, notBefore: time }))
    )
    const created = yield* backlog.createMany({ cards: cards as never, commandId, actor })
    const missing = yield* missingDependencies(created)
    const ids = created.map(({ id }) => id)
    return {
      text: lines(
        created.length === 1
          ? agentText`Created 1 card: ${listIds(ids, maxNamedIds)}.`
          : agentText`Created ${created.length} cards: ${listIds(ids, maxNamedIds)}.`,
        missing.length === 0
          ? undefined
          : agentText`They depend on cards that do not exist: ${listIds(missing, maxNamedIds)}. Create these cards, or remove the dependencies with backlog_revise.`
      ),
      data: {
        created: ids.length <= maxNamedIds ? ids : ids.length,
        ...(missing.length === 0 ? {} : { missing: missing.slice(0, maxNamedIds) })
      }
    }
  })
)

/** Dependencies without a card. They are more often a typing error than intended. */
const missingDependencies = Effect.fnUntraced(function* (cards: ReadonlyArray<Card>) {
  const backlog = yield* BacklogService
  const own = new Set(cards.map(({ id }) => id))
  const others = [...new Set(cards.flatMap(({ dependsOn }) => dependsOn))].filter((id) => !own.has(id))
  const found = yield* Effect.forEach(others.slice(0, maxLookedUp), (id) => backlog.get(id), { concurrency: 8 })
  return others.filter((_, index) => found[index]?._tag === "None")
})

/**
 * Result: the summary of the card: `id`, `title`, `status`, `priority`, and if there are any `phase`, `labels`, `noteCount`,
 * `owner`, `expiresAt`, `token` (of your own claim), `attempts`, `notBefore` and `completedAt`; and `dependsOn`, at most 20
 * ids.
 */
export const reviseTool = agentTool(
  "backlog_revise",
  {
    description: "Change the given fields of a card.",
    parameters: {
      ...cardParameter,
      title: Schema.optional(string()),
      body: Schema.optional(string()),
      phase: Schema.optional(string()),
      addLabels: Schema.optional(strings()),
      removeLabels: Schema.optional(strings()),
      priority: Schema.optional(integer()),
      ...notBeforeParameter("ISO time"),
      acceptance: Schema.optional(jsonList("Any JSON is accepted")),
      clear: Schema.optional(Schema.Array(oneOf(["body", "phase", "acceptance", "notBefore"]))),
      addDependsOn: Schema.optional(strings()),
      removeDependsOn: Schema.optional(strings())
    },
    isIdempotent: true
  },
  Effect.fnUntraced(function* ({ addDependsOn = [], clear = [], id, removeDependsOn = [], ...given }, agent) {
    const both = clear.find((part) => given[part] !== undefined)
    if (both !== undefined) return yield* new InvalidInput({ problem: `${both} is in clear, and it has a value` })
    const notBefore = yield* parseTime("notBefore", given.notBefore)
    const changes = { ...given, notBefore, ...Object.fromEntries(clear.map((part) => [part, null])) }
    const isRevised = Object.values(changes).some((value) => value !== undefined)
    if (!isRevised && addDependsOn.length + removeDependsOn.length === 0) {
      return yield* new InvalidInput({ problem: "no change is given" })
    }
    const backlog = yield* BacklogService
    const { actor } = agent
    const revision = { id, ...changes, actor }
    // Checked before the links change.
    yield* decodeRevise({ ...revision, _tag: "Revise" })
    const link = (to: string) => backlog.link({ from: id, to, actor })
    const unlink = (to: string) => backlog.unlink({ from: id, to, actor })
    const steps: ReadonlyArray<Step<Card, Effect.Error<ReturnType<(typeof backlog)["link" | "unlink" | "revise"]>>>> = [
      ...removeDependsOn.map((to) => ({ run: unlink(to), change: agentText`the dependency on ${to} is removed` })),
      ...addDependsOn.map((to) => ({ run: link(to), change: agentText`it depends on ${to}` })),
      ...(isRevised ? [{ run: backlog.revise(revision as never), change: agentText`its fields are changed` }] : [])
    ]
    const revised = yield* (yield* CommandSequence).run(steps)
    const last = revised.at(-1) as Card
    return {
      text:
        last.dependsOn.length === 0
          ? agentText`${id} is up to date.`
          : agentText`${id} is up to date; it depends on ${listIds(last.dependsOn, 20)}.`,
      data: { ...cardSummary(last, agent), dependsOn: last.dependsOn.slice(0, 20) }
    }
  })
)

/**
 * Result: the summary of the card: `id`, `title`, `status`, `priority`, and if there are any `phase`, `labels`, `noteCount`,
 * `owner`, `expiresAt`, `token` (of your own claim), `attempts`, `notBefore` and `completedAt`.
 */
export const noteTool = agentTool(
  "backlog_note",
  {
    description: "Write a note on any card: progress, a finding, a hand-over for the next holder.",
    parameters: {
      ...cardParameter,
      text: string(),
      token: Schema.optional(integer("Only if you still hold it")),
      ...commandIdParameter
    }
  },
  Effect.fnUntraced(function* (input, agent) {
    if (input.token !== undefined) yield* requireOwnClaim(agent, { id: input.id, token: input.token })
    const card = yield* (yield* BacklogService).note({ ...input, actor: agent.actor })
    return {
      text: agentText`${card.id} has ${card.noteCount} ${card.noteCount === 1 ? agentText`note` : agentText`notes`}.`,
      data: cardSummary(card, agent)
    }
  })
)

const decodeRevise = decodeInput(Revise)
