import { Effect, Option, Schema } from "effect"
import { requireValidToken } from "../../http/Caller.ts"
import { claimUntilFound, makeAwaitClaimable } from "../../http/claimWaiting.ts"
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
  attemptsParameter,
  requireRange,
  choiceParameters,
  claimParameters,
  commandIdParameter,
  string,
  ttlParameter,
  integer
} from "../AgentTool.ts"

/** Below the 60 seconds after which clients end a call. */
export const maxWaitSeconds = 50

/** More cards than one agent works on at the same time. */
export const maxCards = 20

/**
 * Result: `claimed`, a list of cards with their texts and latest notes; if it is empty, `why`.
 */
export const claimTool = agentTool(
  "backlog_claim",
  {
    description:
      "Claim the best claimable card, or the card with id, under a lease. Returns the token that renew, release and complete require, or the reason why there is no card.",
    parameters: {
      id: Schema.optional(string()),
      ...choiceParameters,
      limit: Schema.optional(integer("Cards to claim; default 1")),
      waitSeconds: Schema.optional(integer(`Wait for a card; at most ${maxWaitSeconds}`)),
      ...ttlParameter,
      ...attemptsParameter,
      ...commandIdParameter
    },
    showsCardText: true
  },
  Effect.fnUntraced(function* (input, agent) {
    const { commandId, id, limit = 1, waitSeconds = 0, ...choice } = input
    yield* requireRange("waitSeconds", waitSeconds, 0, maxWaitSeconds)
    yield* requireRange("limit", limit, 1, maxCards)
    if (id !== undefined && (waitSeconds > 0 || limit > 1)) {
      return yield* new InvalidInput({ problem: "waitSeconds and limit cannot be combined with id" })
    }
    const backlog = yield* BacklogService
    const request = { owner: agent.owner, actor: agent.actor, ...choice, commandId }
    // Fails before the command if the card does not exist, so that the commandId is not used up.
    if (id !== undefined) yield* backlog.explain(id)
    const claim = releaseOnInterrupt(
      limit === 1
        ? Effect.map(backlog.claim({ ...request, id }), Option.toArray)
        : backlog.claimMany({ ...request, limit }),
      (cards) => cards,
      agent,
      commandId
    )
    const cards = yield* claimUntilFound(
      Effect.andThen(requireValidToken, claim),
      (claimed) => claimed.length > 0,
      yield* makeAwaitClaimable,
      request,
      waitSeconds
    )
    if (cards.length > 0) return yield* claimedAnswer(cards, agent)
    if (id === undefined || commandId !== undefined) {
      const { labels, minPriority, phase, withoutLabels } = choice
      return yield* nothingClaimableAnswer({ labels, minPriority, phase, withoutLabels }, commandId)
    }
    const explanation = yield* backlog.explain(id)
    const why = explanation.claimable
      ? [agentText`Another caller is claiming it now.`]
      : obstacleTexts(explanation, agent.owner)
    return {
      text: lines(agentText`Card ${id} cannot be claimed.`, ...why),
      data: { claimed: [], id, why: why.map(({ text: reason }) => reason) }
    }
  })
)

/**
 * Claims without interruption, and releases the cards if the call was canceled meanwhile. The agent would not learn of the
 * claim, and the cards would be blocked until it expires. A claim with a `commandId` is kept: a retry returns it.
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
          : backlog.release({ id, token: claimToken, actor, reason: "The call that claimed it was canceled." })
      ),
    { discard: true }
  ).pipe(Effect.catchCause((cause) => Effect.logWarning("The cards of a canceled call could not be released.", cause)))

/**
 * Result: the summary of the card: `id`, `title`, `status`, `priority`, and if there are any `phase`, `labels`, `noteCount`,
 * `owner`, `expiresAt`, `token` (of your own claim), `attempts`, `notBefore` and `completedAt`.
 */
export const renewTool = agentTool(
  "backlog_renew",
  {
    description: "Extend your claim, from now on. Call it before the claim expires.",
    parameters: { ...claimParameters, ...ttlParameter, note: Schema.optional(string("What you are doing")) }
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
 * Result: the summary of the card: `id`, `title`, `status`, `priority`, and if there are any `phase`, `labels`, `noteCount`,
 * `owner`, `expiresAt`, `token` (of your own claim), `attempts`, `notBefore` and `completedAt`.
 */
export const releaseTool = agentTool(
  "backlog_release",
  {
    description: "Release a card that you hold, unfinished.",
    parameters: {
      ...claimParameters,
      reason: Schema.optional(string("What the next holder should know")),
      retryAfterSeconds: Schema.optional(integer("Claimable again after this; counts as a failed attempt")),
      ...attemptsParameter
    }
  },
  Effect.fnUntraced(function* (input, agent) {
    yield* requireOwnClaim(agent, input)
    const card = yield* (yield* BacklogService).release({ ...input, actor: agent.actor })
    const text =
      card.status === "blocked"
        ? agentText`${card.id} is blocked: its attempts are used up.`
        : card.notBefore === null
          ? agentText`${card.id} is released.`
          : agentText`${card.id} is released. It cannot be claimed before ${timeText(card.notBefore)}.`
    return { text, data: cardSummary(card, agent) }
  })
)
