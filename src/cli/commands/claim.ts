import { Effect, Option } from "effect"
import { NothingClaimable } from "../commandErrors.ts"
import { makeCardOutput, encodeCard, makeOutput } from "../CommandOutput.ts"
import { formatTime } from "../moments.ts"
import { describeCommandResult, describeOutlook, formatCardTitle, describeObstacles } from "../describeCard.ts"
import {
  claimFilterFlags,
  idArgument,
  optionalArgument,
  requiredTextFlag,
  requiredIntegerFlag,
  textFlag,
  integerFlag
} from "../flags.ts"
import { escapeLine } from "../terminalText.ts"
import { commandInput, defineBacklogCommand } from "../defineCommand.ts"
import { BacklogService, type Card, type ClaimFilter, type ClaimManyInput, InvalidInput } from "../../index.ts"

export const claimCommand = defineBacklogCommand(
  "claim",
  {
    description:
      "Takes the best card that can be claimed, of one phase or from a priority on if asked, or the card ID, for a time. The answer has the claim's token: show it to renew, release or complete. Ends with 3 when there is nothing to take, and says why.",
    summary: "Take the best card, or a certain one",
    examples: [
      { command: "backlog claim --owner worker-1" },
      { command: "backlog claim --owner worker-1 --phase test --min-priority 5" },
      { command: "backlog claim --owner worker-1 --limit 5", description: "The five best" },
      { command: "backlog claim build --owner worker-1 --ttl 3600", description: "One card, for an hour" }
    ]
  },
  {
    id: optionalArgument("id", "The card to claim. Defaults to the best claimable card"),
    owner: requiredTextFlag("owner", "Who is going to work on it", "OWNER"),
    ttl: integerFlag("ttl", "How long the claim lasts (default: 900)", "SECONDS"),
    ...claimFilterFlags,
    limit: integerFlag("limit", "Takes the best cards, so many at most; the answer is a list")
  },
  Effect.fnUntraced(function* ({ id, limit, minPriority, owner, phase, ttl }) {
    const choice = { phase, minPriority }
    if (limit !== undefined) {
      if (id !== undefined) return yield* new InvalidInput({ problem: "give an ID or --limit, not both" })
      return claimMany(yield* commandInput("ClaimMany", { owner, ttlSeconds: ttl, limit, ...choice }), choice)
    }
    const input = yield* commandInput("Claim", { owner, ttlSeconds: ttl, id, ...choice })
    return Effect.gen(function* () {
      const backlog = yield* BacklogService
      // Before the command, so that a card that does not exist yet does not use the id up.
      if (id !== undefined && input.commandId !== undefined) yield* backlog.explain(id)
      const claimed = yield* backlog.claim(input)
      if (Option.isNone(claimed)) return yield* failNothingClaimable(id, choice, input.commandId)
      const card = claimed.value
      return {
        data: () => encodeCard(card),
        text: (style) =>
          Effect.map(describeCommandResult(card, input, style), (described) => `${describeClaim(card)}\n${described}`)
      }
    })
  })
)

const claimMany = (input: ClaimManyInput, choice: ClaimFilter) =>
  Effect.gen(function* () {
    const cards = yield* (yield* BacklogService).claimMany(input)
    if (cards.length === 0) return yield* failNothingClaimable(undefined, choice, input.commandId)
    return makeOutput(
      () => cards.map((card) => encodeCard(card)),
      (style) => cards.map((card) => `${formatCardTitle(card, style)}  token ${card.claimToken}`).join("\n")
    )
  })

const describeClaim = (card: Card): string =>
  `${escapeLine(card.claimOwner ?? "")} has it, with token ${card.claimToken}, for ${card.claimTtlSeconds} seconds:`

const failNothingClaimable = (id: string | undefined, choice: ClaimFilter, commandId: string | undefined) => {
  if (commandId !== undefined) return nothingWasClaimable(id, commandId)
  return id === undefined ? noClaimableCard(choice) : cardNotClaimable(id)
}

/** Says nothing of now: the command may have been carried out long ago, and the same answer is to be given again. */
const nothingWasClaimable = (id: string | undefined, commandId: string) => {
  const what = id === undefined ? "There was nothing to claim" : `Card ${JSON.stringify(id)} could not be claimed`
  return new NothingClaimable({
    id: id ?? null,
    obstacles: [],
    outlook: null,
    message: `${what} when command ${JSON.stringify(commandId)} was carried out. To try again, give another id.`
  })
}

const noClaimableCard = Effect.fnUntraced(function* (choice: ClaimFilter) {
  const outlook = yield* (yield* BacklogService).whyNothingClaimable(choice)
  return yield* new NothingClaimable({ id: null, obstacles: [], outlook, message: describeOutlook(outlook, choice) })
})

const cardNotClaimable = Effect.fnUntraced(function* (id: string) {
  const explanation = yield* (yield* BacklogService).explain(id)
  const why = explanation.claimable
    ? ["Somebody else is changing it just now: try again."]
    : describeObstacles(explanation)
  return yield* new NothingClaimable({
    id,
    obstacles: explanation.obstacles,
    outlook: null,
    message: `Card ${JSON.stringify(id)} cannot be claimed. ${why.join(" ")}`
  })
})

export const renewCommand = defineBacklogCommand(
  "renew",
  {
    description:
      "Extends a claim: it lasts --ttl seconds from now, as long as it was made for when --ttl is not given.",
    summary: "Extend a claim",
    examples: [{ command: "backlog renew build --token 2" }, { command: "backlog renew build --token 2 --ttl 3600" }]
  },
  {
    id: idArgument(),
    token: requiredIntegerFlag("token", "The claim's token"),
    ttl: integerFlag("ttl", "How long it lasts from now", "SECONDS")
  },
  Effect.fnUntraced(function* ({ id, token, ttl }) {
    const input = yield* commandInput("Renew", { id, token, ttlSeconds: ttl })
    return Effect.gen(function* () {
      const backlog = yield* BacklogService
      const card = yield* backlog.renew(input)
      return makeCardOutput(
        card,
        () =>
          `${escapeLine(card.claimOwner ?? "")} has ${escapeLine(card.id)} until ${
            card.claimExpiresAt === null ? "" : formatTime(card.claimExpiresAt)
          }.`
      )
    })
  })
)

export const releaseCommand = defineBacklogCommand(
  "release",
  {
    description: "Gives a claimed card back, so that others can take it: at once, or after --retry-after seconds.",
    summary: "Give a claimed card back",
    examples: [
      {
        command: 'backlog release build --token 2 --reason "the tests need a server" --retry-after 600',
        description: "Not to be tried again for ten minutes"
      }
    ]
  },
  {
    id: idArgument(),
    token: requiredIntegerFlag("token", "The claim's token"),
    reason: textFlag("reason", "Why", "TEXT"),
    retryAfter: integerFlag("retry-after", "How long nobody shall take it", "SECONDS")
  },
  Effect.fnUntraced(function* ({ id, reason, retryAfter, token }) {
    const input = yield* commandInput("Release", { id, token, reason, retryAfterSeconds: retryAfter })
    return Effect.gen(function* () {
      const backlog = yield* BacklogService
      const card = yield* backlog.release(input)
      return makeCardOutput(
        card,
        () =>
          `${escapeLine(card.id)} is free again${
            card.notBefore === null ? "" : `, to be taken from ${formatTime(card.notBefore)} on`
          }.`
      )
    })
  })
)

export const reclaimCommand = defineBacklogCommand(
  "reclaim",
  {
    description:
      "Takes back every claim that has run out, or the claim on the card ID, run out or not. Claims that have run out are taken over without this too.",
    summary: "Take back claims",
    examples: [{ command: "backlog reclaim" }, { command: "backlog reclaim build" }]
  },
  { id: optionalArgument("id", "The card whose claim to reclaim, expired or not. Defaults to all expired claims") },
  Effect.fnUntraced(function* ({ id }) {
    const input = yield* commandInput("Reclaim", { id })
    return Effect.gen(function* () {
      const backlog = yield* BacklogService
      // A card that is not claimed and one that does not exist both give nothing: the second is a mistake. Before the
      // command, so that a card that does not exist yet does not use a command's id up.
      if (id !== undefined) yield* backlog.explain(id)
      const ids = yield* backlog.reclaim(input)
      return makeOutput(
        () => ids,
        () => (ids.length === 0 ? "There was no claim to take back." : `Taken back: ${ids.map(escapeLine).join(", ")}.`)
      )
    })
  })
)
