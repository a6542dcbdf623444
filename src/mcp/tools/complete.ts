import { Effect, Schema } from "effect"
import { BacklogService, type CompletedCard, InvalidInput } from "../../index.ts"
import { type Agent, requireOwnClaim } from "../Agent.ts"
import { claimedAnswer, lines, listIds, nothingClaimableAnswer, agentText, type ToolAnswer } from "../AgentText.ts"
import {
  agentTool,
  attemptsParameter,
  cardParameter,
  choiceParameters,
  claimParameters,
  commandIdParameter,
  boolean,
  jsonObject,
  ttlParameter,
  integer
} from "../AgentTool.ts"
import { releaseOnInterrupt } from "./claims.ts"

/** Maximum number of ids in an answer. The rest are counted. */
const maxNamedIds = 20

const completionParameters = {
  result: Schema.optional(jsonObject("The result; any JSON is accepted")),
  claimNext: Schema.optional(boolean("Also claim the next card, as backlog_claim does")),
  ...choiceParameters,
  ...ttlParameter,
  ...attemptsParameter,
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
  readonly ttlSeconds?: number | undefined
  readonly maxAttempts?: number | undefined
  readonly commandId?: string | undefined
}

const completeCard = Effect.fnUntraced(function* (input: Completion, agent: Agent) {
  const { claimNext = false, commandId, force, id, maxAttempts, minPriority, phase, result, token, ttlSeconds } = input
  if (!claimNext && (maxAttempts ?? minPriority ?? phase ?? ttlSeconds) !== undefined) {
    return yield* new InvalidInput({
      problem: 'phase, minPriority, ttlSeconds and maxAttempts require claimNext\n  at ["claimNext"]'
    })
  }
  const backlog = yield* BacklogService
  const nextClaim = { owner: agent.owner, phase, minPriority, ttlSeconds, maxAttempts }
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
  const next = claimNext ? yield* nextAnswer(done, agent, { phase, minPriority }, commandId) : undefined
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
  filter: { readonly phase: string | undefined; readonly minPriority: number | undefined },
  commandId: string | undefined
) =>
  next === null ? nothingClaimableAnswer(filter, commandId) : Effect.succeed<ToolAnswer>(claimedAnswer([next], agent))

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
