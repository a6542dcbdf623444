import { Effect, Schema } from "effect"
import { BacklogService, type ClaimFilter, type CompletedCard, InvalidInput } from "../../index.ts"
import { type Agent, requireOwnClaim } from "../Agent.ts"
import { claimedAnswer, lines, listIds, nothingClaimableAnswer, agentText, type ToolAnswer } from "../AgentText.ts"
import {
  agentTool,
  cardParameter,
  claimParameters,
  commandIdParameter,
  boolean,
  jsonObject,
  integer,
  string,
  strings
} from "../AgentTool.ts"
import { releaseOnInterrupt } from "./claims.ts"

/** Maximum number of ids in an answer. The rest are counted. */
const maxNamedIds = 20

/** What `backlog_claim` takes, where it is described. */
const nextClaimParameters = {
  phase: Schema.optional(string()),
  minPriority: Schema.optional(integer()),
  labels: Schema.optional(strings()),
  withoutLabels: Schema.optional(strings()),
  ttlSeconds: Schema.optional(integer()),
  maxAttempts: Schema.optional(integer())
}

const completionParameters = {
  result: Schema.optional(jsonObject("The result; any JSON is accepted")),
  claimNext: Schema.optional(boolean("Also claim the next card, as backlog_claim does")),
  ...nextClaimParameters,
  ...commandIdParameter
}

interface Completion {
  readonly id: string
  readonly token?: number | undefined
  readonly force?: boolean | undefined
  readonly result?: unknown
  readonly claimNext?: boolean | undefined
  readonly phase?: string | undefined
  readonly minPriority?: number | undefined
  readonly labels?: ReadonlyArray<string> | undefined
  readonly withoutLabels?: ReadonlyArray<string> | undefined
  readonly ttlSeconds?: number | undefined
  readonly maxAttempts?: number | undefined
  readonly commandId?: string | undefined
}

const completeCard = Effect.fnUntraced(function* (input: Completion, agent: Agent) {
  const { claimNext = false, commandId, force, id, maxAttempts, result, token, ttlSeconds, ...filter } = input
  if (!claimNext && [maxAttempts, ttlSeconds, ...Object.values(filter)].some((given) => given !== undefined)) {
    return yield* new InvalidInput({
      problem:
        'phase, minPriority, labels, withoutLabels, ttlSeconds and maxAttempts require claimNext\n  at ["claimNext"]'
    })
  }
  const backlog = yield* BacklogService
  const nextClaim = { owner: agent.owner, ...filter, ttlSeconds, maxAttempts }
  const done = yield* releaseOnInterrupt(
    backlog.complete({
      id,
      token,
      force,
      result: result as never,
      claimNext: claimNext ? nextClaim : undefined,
      commandId,
      actor: agent.actor
    }),
    ({ next }) => (next === null ? [] : [next]),
    agent,
    commandId
  )
  const next = claimNext ? yield* nextAnswer(done, agent, filter, commandId) : undefined
  return {
    text: lines(
      agentText`${done.id} is done.`,
      done.madeClaimable.length === 0
        ? undefined
        : agentText`Now claimable: ${listIds(done.madeClaimable, maxNamedIds)}.`,
      next?.text
    ),
    data: {
      id: done.id,
      status: done.status,
      madeClaimable: done.madeClaimable.slice(0, maxNamedIds),
      ...(done.madeClaimable.length > maxNamedIds ? { madeClaimableCount: done.madeClaimable.length } : {}),
      ...next?.data
    }
  }
})

const nextAnswer = (
  { next }: CompletedCard,
  agent: Agent,
  filter: ClaimFilter,
  commandId: string | undefined
): Effect.Effect<ToolAnswer, Effect.Error<ReturnType<typeof claimedAnswer>>, BacklogService> =>
  next === null ? nothingClaimableAnswer(filter, commandId) : claimedAnswer([next], agent)

/**
 * Result: `id`, `status`, and `madeClaimable`, at most 20 ids, with `madeClaimableCount` if there are more. With
 * `claimNext`, also the result of `backlog_claim`.
 */
export const completeTool = agentTool(
  "backlog_complete",
  {
    description: "Complete a card that you hold. Returns the cards that became claimable.",
    parameters: { ...claimParameters, ...completionParameters },
    isIdempotent: true,
    showsCardText: true
  },
  (input, agent) => Effect.andThen(requireOwnClaim(agent, input), completeCard(input, agent))
)

/**
 * Result: `id`, `status`, and `madeClaimable`, at most 20 ids, with `madeClaimableCount` if there are more. With
 * `claimNext`, also the result of `backlog_claim`.
 */
export const completeAnyTool = agentTool(
  "backlog_complete",
  {
    description: "Complete a card. A claimed card needs its token, or force. Returns the cards that became claimable.",
    parameters: {
      ...cardParameter,
      token: Schema.optional(integer("The claim's token")),
      force: Schema.optional(boolean("Override the holder")),
      ...completionParameters
    },
    isDestructive: true,
    isIdempotent: true,
    showsCardText: true
  },
  completeCard
)
