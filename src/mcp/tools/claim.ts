import { Effect, Option, Schema } from "effect"
import { stillValid, whileValid } from "../../http/Caller.ts"
import { Shutdown } from "../../http/Shutdown.ts"
import { foundWithin } from "../../http/claimWaiting.ts"
import { BacklogService, InvalidInput } from "../../index.ts"
import { agentTool } from "../AgentTool.ts"
import { claimedAnswer, nothingAnswer } from "../claimed.ts"
import { heldOnlyIfHeard } from "../giveBack.ts"
import { obstacles } from "../obstacles.ts"
import { choice, commandId, text, ttl, whole } from "../parameters.ts"
import { lines, words } from "../words.ts"

/** Less than the 60 seconds after which clients give up. */
const longestWait = 50

/** More cards than one agent works on at once. */
const mostAtOnce = 20

export const claim = agentTool(
  "backlog_claim",
  {
    about:
      "Take the best claimable card, or the one with id, under a lease. The answer has the token that renew, release and complete need. Says why when there is none.",
    takes: {
      id: Schema.optional(text()),
      ...choice,
      limit: Schema.optional(whole("Cards to take; default 1")),
      waitSeconds: Schema.optional(whole(`Wait for a card, ${longestWait} at most`)),
      ...ttl,
      ...commandId
    },
    showsText: true
  },
  Effect.fnUntraced(function* (input, agent) {
    const { commandId: once, id, limit = 1, minPriority, phase, ttlSeconds, waitSeconds = 0 } = input
    yield* inBounds("waitSeconds", waitSeconds, 0, longestWait)
    yield* inBounds("limit", limit, 1, mostAtOnce)
    if (id !== undefined && (waitSeconds > 0 || limit > 1)) {
      return yield* new InvalidInput({ problem: "waitSeconds and limit are for the best cards, and id names one" })
    }
    const backlog = yield* BacklogService
    const shutdown = yield* Shutdown
    const wish = { owner: agent.owner, actor: agent.actor, ttlSeconds, phase, minPriority, commandId: once }
    // Before the command, so that a card that does not exist yet does not use the id up.
    if (id !== undefined) yield* backlog.explain(id)
    const taken = heldOnlyIfHeard(
      limit === 1 ? Effect.map(backlog.claim({ ...wish, id }), Option.toArray) : backlog.claimMany({ ...wish, limit }),
      (cards) => cards,
      agent,
      once
    )
    const cards = yield* foundWithin(
      Effect.andThen(stillValid, taken),
      (claimed) => claimed.length > 0,
      (options) => whileValid(Effect.raceFirst(backlog.awaitClaimable(options), Effect.as(shutdown.begun, false))),
      wish,
      waitSeconds
    )
    if (cards.length > 0) return claimedAnswer(cards, agent)
    if (id === undefined || once !== undefined) return yield* nothingAnswer({ phase, minPriority }, once)
    const explanation = yield* backlog.explain(id)
    const why = explanation.claimable
      ? [words`Another caller is claiming it right now.`]
      : obstacles(explanation, agent.owner)
    return {
      text: lines(words`Card ${id} cannot be claimed.`, ...why),
      data: { claimed: [], id, why: why.map(({ text: reason }) => reason) }
    }
  })
)

const inBounds = (name: string, value: number, least: number, most: number) =>
  value < least || value > most
    ? Effect.fail(new InvalidInput({ problem: `Expected ${least} to ${most}\n  at ["${name}"]` }))
    : Effect.void
