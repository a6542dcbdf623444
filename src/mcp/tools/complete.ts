import { Effect, Schema } from "effect"
import { BacklogService, type CompletedCard, InvalidInput } from "../../index.ts"
import type { Agent } from "../Agent.ts"
import { agentTool, type Told } from "../AgentTool.ts"
import { claimedAnswer, nothingAnswer } from "../claimed.ts"
import { heldOnlyIfHeard } from "../giveBack.ts"
import { ownClaim } from "../ownClaims.ts"
import { card, choice, claim, commandId, flag, json, ttl, whole } from "../parameters.ts"
import { lines, listed, words } from "../words.ts"

/** Ids of cards that are named; of others it is said how many they are. */
const named = 20

const completion = {
  result: Schema.optional(json("What came of it: any JSON")),
  claimNext: Schema.optional(flag("Also take the best card next, as backlog_claim does")),
  ...choice,
  ...ttl,
  ...commandId
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
  readonly commandId?: string | undefined
}

const completed = Effect.fnUntraced(function* (input: Completion, agent: Agent) {
  const { claimNext = false, commandId: once, force, id, minPriority, phase, result, token, ttlSeconds } = input
  if (!claimNext && (minPriority ?? phase ?? ttlSeconds) !== undefined) {
    return yield* new InvalidInput({
      problem: 'phase, minPriority and ttlSeconds say more of claimNext, which is missing\n  at ["claimNext"]'
    })
  }
  const backlog = yield* BacklogService
  const wish = { owner: agent.owner, phase, minPriority, ttlSeconds }
  const done = yield* heldOnlyIfHeard(
    backlog.complete({
      id,
      token,
      force,
      result: result as never,
      claimNext: claimNext ? wish : undefined,
      commandId: once,
      actor: agent.actor
    }),
    ({ next }) => (next === null ? [] : [next]),
    agent,
    once
  )
  const next = claimNext ? yield* nextAnswer(done, agent, { phase, minPriority }, once) : undefined
  return {
    text: lines(
      words`${done.id} is done.`,
      done.madeClaimable.length === 0
        ? undefined
        : words`Claimable because of it: ${listed(done.madeClaimable, named)}.`,
      next?.text
    ),
    data: {
      id: done.id,
      status: done.status,
      madeClaimable: done.madeClaimable.slice(0, named),
      ...(done.madeClaimable.length > named ? { madeClaimableCount: done.madeClaimable.length } : {}),
      ...next?.data
    }
  }
})

const nextAnswer = (
  { next }: CompletedCard,
  agent: Agent,
  among: { readonly phase: string | undefined; readonly minPriority: number | undefined },
  once: string | undefined
) => (next === null ? nothingAnswer(among, once) : Effect.succeed<Told>(claimedAnswer([next], agent)))

export const complete = agentTool(
  "backlog_complete",
  {
    about: "Finish a card that you hold. Says which cards that made claimable.",
    takes: { ...claim, ...completion },
    repeatable: true,
    showsText: true
  },
  (input, agent) => Effect.andThen(ownClaim(agent, input), completed(input, agent))
)

export const completeAny = agentTool(
  "backlog_complete",
  {
    about: "Finish a card; a claimed one needs its token, or force. Says which cards that made claimable.",
    takes: {
      ...card,
      token: Schema.optional(whole("The claim's token")),
      force: Schema.optional(flag("Overrule the holder")),
      ...completion
    },
    destroys: true,
    repeatable: true,
    showsText: true
  },
  completed
)
