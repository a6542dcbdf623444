import { Effect, Option, Schema } from "effect"
import { requireValidToken, whileTokenValid } from "../../http/Caller.ts"
import { Shutdown } from "../../http/Shutdown.ts"
import { claimUntilFound } from "../../http/claimWaiting.ts"
import { BacklogService, type Card, InvalidInput } from "../../index.ts"
import { type Agent, requireOwnClaim } from "../Agent.ts"
import {
  cardSummary,
  claimedAnswer,
  join,
  lines,
  timeText,
  nothingClaimableAnswer,
  obstacleTexts,
  agentText
} from "../AgentText.ts"
import {
  agentTool,
  choiceParameters,
  claimParameters,
  commandIdParameter,
  string,
  ttlParameter,
  integer
} from "../AgentTool.ts"

export const releaseTool = agentTool(
  "backlog_release",
  {
    description: "Give a card that you hold back unfinished.",
    parameters: {
      ...claimParameters,
      reason: Schema.optional(string("What the next holder should know")),
      retryAfterSeconds: Schema.optional(integer("Nobody can claim it for so long"))
    }
  },
  Effect.fnUntraced(function* (input, agent) {
    yield* requireOwnClaim(agent, input)
    const card = yield* (yield* BacklogService).release({ ...input, actor: agent.actor })
    const said =
      card.notBefore === null
        ? agentText`${card.id} is given back.`
        : agentText`${card.id} is given back, not to be claimed before ${timeText(card.notBefore)}.`
    return { text: said, data: cardSummary(card, agent) }
  })
)

export const renewTool = agentTool(
  "backlog_renew",
  {
    description: "Extend your lease, from now on. Do it before the lease ends.",
    parameters: { ...claimParameters, ...ttlParameter },
    isIdempotent: true
  },
  Effect.fnUntraced(function* (input, agent) {
    yield* requireOwnClaim(agent, input)
    const card = yield* (yield* BacklogService).renew({ ...input, actor: agent.actor })
    const held = join(" until ", [
      agentText`You hold ${card.id} for ${card.claimTtlSeconds ?? 0} more seconds`,
      card.claimExpiresAt === null ? undefined : timeText(card.claimExpiresAt)
    ])
    return {
      text: agentText`${held}; the token is still ${card.claimToken ?? 0}.`,
      data: cardSummary(card, agent)
    }
  })
)

/**
 * Claims in one go, and gives back what was claimed when the call was cancelled meanwhile: nobody would hear of it, and
 * the card would wait for its lease to end. A claim under a `commandId` stays: asking again gets it.
 */
export const releaseOnInterrupt = <A, E, R>(
  claim: Effect.Effect<A, E, R>,
  cardsOf: (claimed: A) => ReadonlyArray<Card>,
  agent: Agent,
  commandId: string | undefined
): Effect.Effect<A, E, R | BacklogService> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.tap(claim, (claimed) => {
      const cards = commandId === undefined ? cardsOf(claimed) : []
      return Effect.onInterrupt(restore(Effect.yieldNow), () => releaseAll(cards, agent))
    })
  )

const releaseAll = (cards: ReadonlyArray<Card>, { actor }: Agent) =>
  Effect.forEach(
    cards,
    ({ claimToken, id }) =>
      Effect.flatMap(BacklogService, (backlog) =>
        claimToken === null
          ? Effect.void
          : backlog.release({ id, token: claimToken, actor, reason: "The call that claimed it was cancelled." })
      ),
    { discard: true }
  ).pipe(Effect.catchCause((cause) => Effect.logWarning("A cancelled claim could not be given back.", cause)))

/** Less than the 60 seconds after which clients give up. */
const maxWaitSeconds = 50

/** More cards than one agent works on at once. */
const maxCards = 20

export const claimTool = agentTool(
  "backlog_claim",
  {
    description:
      "Take the best claimable card, or the one with id, under a lease. The answer has the token that renew, release and complete need. Says why when there is none.",
    parameters: {
      id: Schema.optional(string()),
      ...choiceParameters,
      limit: Schema.optional(integer("Cards to take; default 1")),
      waitSeconds: Schema.optional(integer(`Wait for a card, ${maxWaitSeconds} at most`)),
      ...ttlParameter,
      ...commandIdParameter
    },
    showsCardText: true
  },
  Effect.fnUntraced(function* (input, agent) {
    const { commandId: once, id, limit = 1, minPriority, phase, ttlSeconds, waitSeconds = 0 } = input
    yield* requireRange("waitSeconds", waitSeconds, 0, maxWaitSeconds)
    yield* requireRange("limit", limit, 1, maxCards)
    if (id !== undefined && (waitSeconds > 0 || limit > 1)) {
      return yield* new InvalidInput({ problem: "waitSeconds and limit are for the best cards, and id names one" })
    }
    const backlog = yield* BacklogService
    const shutdown = yield* Shutdown
    const wish = { owner: agent.owner, actor: agent.actor, ttlSeconds, phase, minPriority, commandId: once }
    // Before the command, so that a card that does not exist yet does not use the id up.
    if (id !== undefined) yield* backlog.explain(id)
    const taken = releaseOnInterrupt(
      limit === 1 ? Effect.map(backlog.claim({ ...wish, id }), Option.toArray) : backlog.claimMany({ ...wish, limit }),
      (cards) => cards,
      agent,
      once
    )
    const cards = yield* claimUntilFound(
      Effect.andThen(requireValidToken, taken),
      (claimed) => claimed.length > 0,
      (options) =>
        whileTokenValid(Effect.raceFirst(backlog.awaitClaimable(options), Effect.as(shutdown.awaitShutdown, false))),
      wish,
      waitSeconds
    )
    if (cards.length > 0) return claimedAnswer(cards, agent)
    if (id === undefined || once !== undefined) return yield* nothingClaimableAnswer({ phase, minPriority }, once)
    const explanation = yield* backlog.explain(id)
    const why = explanation.claimable
      ? [agentText`Another caller is claiming it right now.`]
      : obstacleTexts(explanation, agent.owner)
    return {
      text: lines(agentText`Card ${id} cannot be claimed.`, ...why),
      data: { claimed: [], id, why: why.map(({ text: reason }) => reason) }
    }
  })
)

const requireRange = (name: string, value: number, least: number, most: number) =>
  value < least || value > most
    ? Effect.fail(new InvalidInput({ problem: `Expected ${least} to ${most}\n  at ["${name}"]` }))
    : Effect.void
