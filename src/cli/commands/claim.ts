import { Effect, Option } from "effect"
import { BacklogService, type Card, type ClaimFilter, type Input, InvalidInput } from "../../index.ts"
import { choiceFlags } from "../choiceFlags.ts"
import { checked, commandVerb } from "../commandVerb.ts"
import { describedAnswer, named } from "../describeCard.ts"
import { obstacles } from "../describeExplanation.ts"
import { describeOutlook } from "../describeOutlook.ts"
import { requiredText, text, whole } from "../flags.ts"
import { NothingClaimable } from "../NothingClaimable.ts"
import { encodeCard, reply } from "../Reply.ts"
import { oneLine } from "../terminalText.ts"

export const claim = commandVerb(
  "claim",
  {
    about:
      "Takes the best card that can be claimed, of one phase or from a priority on if asked, or the one that --id names, for a time. The answer has the claim's token: show it to renew, release or complete. Ends with 3 when there is nothing to take, and says why.",
    brief: "Take the best card, or a certain one",
    examples: [
      { command: "backlog claim --owner worker-1" },
      { command: "backlog claim --owner worker-1 --phase test --min-priority 5" },
      { command: "backlog claim --owner worker-1 --limit 5", description: "The five best" },
      { command: "backlog claim --owner worker-1 --ttl 3600 --id build", description: "A certain card, for an hour" }
    ]
  },
  {
    owner: requiredText("owner", "Who is going to work on it", "OWNER"),
    ttl: whole("ttl", "How long the claim lasts (default: 900)", "SECONDS"),
    ...choiceFlags,
    id: text("id", "The card to take", "ID"),
    limit: whole("limit", "Takes the best cards, so many at most; the answer is a list")
  },
  Effect.fnUntraced(function* ({ id, limit, minPriority, owner, phase, ttl }) {
    const choice = { phase, minPriority }
    if (limit !== undefined) {
      if (id !== undefined)
        return yield* new InvalidInput({ problem: "--limit takes the best cards, and --id names one" })
      return claimMany(yield* checked("ClaimMany", { owner, ttlSeconds: ttl, limit, ...choice }), choice)
    }
    const input = yield* checked("Claim", { owner, ttlSeconds: ttl, id, ...choice })
    return Effect.gen(function* () {
      const backlog = yield* BacklogService
      // Before the command, so that a card that does not exist yet does not use the id up.
      if (id !== undefined && input.commandId !== undefined) yield* backlog.explain(id)
      const claimed = yield* backlog.claim(input)
      if (Option.isNone(claimed)) return yield* nothing(id, choice, input.commandId)
      const card = claimed.value
      return {
        data: () => encodeCard(card),
        text: (page) => Effect.map(describedAnswer(card, input, page), (described) => `${took(card)}\n${described}`)
      }
    })
  })
)

const claimMany = (input: Input<"ClaimMany">, choice: ClaimFilter) =>
  Effect.gen(function* () {
    const cards = yield* (yield* BacklogService).claimMany(input)
    if (cards.length === 0) return yield* nothing(undefined, choice, input.commandId)
    return reply(
      () => cards.map((card) => encodeCard(card)),
      (page) => cards.map((card) => `${named(card, page)}  token ${card.claimToken}`).join("\n")
    )
  })

const took = (card: Card): string =>
  `${oneLine(card.claimOwner ?? "")} has it, with token ${card.claimToken}, for ${card.claimTtlSeconds} seconds:`

const nothing = (id: string | undefined, choice: ClaimFilter, commandId: string | undefined) => {
  if (commandId !== undefined) return noneThen(id, commandId)
  return id === undefined ? noneAmong(choice) : notThatOne(id)
}

/** Says nothing of now: the command may have been carried out long ago, and the same answer is to be given again. */
const noneThen = (id: string | undefined, commandId: string) => {
  const what = id === undefined ? "There was nothing to claim" : `Card ${JSON.stringify(id)} could not be claimed`
  return new NothingClaimable({
    id: id ?? null,
    obstacles: [],
    outlook: null,
    message: `${what} when command ${JSON.stringify(commandId)} was carried out. To try again, give another id.`
  })
}

const noneAmong = Effect.fnUntraced(function* (choice: ClaimFilter) {
  const outlook = yield* (yield* BacklogService).whyNothingClaimable(choice)
  return yield* new NothingClaimable({ id: null, obstacles: [], outlook, message: describeOutlook(outlook, choice) })
})

const notThatOne = Effect.fnUntraced(function* (id: string) {
  const explanation = yield* (yield* BacklogService).explain(id)
  const why = explanation.claimable ? ["Somebody else is changing it just now: try again."] : obstacles(explanation)
  return yield* new NothingClaimable({
    id,
    obstacles: explanation.obstacles,
    outlook: null,
    message: `Card ${JSON.stringify(id)} cannot be claimed. ${why.join(" ")}`
  })
})
