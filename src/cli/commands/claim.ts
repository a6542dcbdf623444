import { Effect, Option } from "effect"
import { BacklogService, type Card, type ClaimFilter, type ClaimManyInput, InvalidInput } from "../../index.ts"
import { NothingClaimable } from "../commandErrors.ts"
import { encodeCard, makeCardOutput, makeOutput } from "../CommandOutput.ts"
import { commandInput, defineBacklogCommand } from "../defineCommand.ts"
import { describeCommandResult, describeObstacles, describeOutlook, formatCardTitle } from "../describeCard.ts"
import {
  claimFilterFlags,
  idArgument,
  integerFlag,
  optionalArgument,
  maxAttemptsFlag,
  requiredIntegerFlag,
  requiredTextFlag,
  textFlag
} from "../flags.ts"
import { formatTime } from "../moments.ts"
import { readTextFlag } from "../readInput.ts"
import { escapeLine } from "../terminalText.ts"

export const claimCommand = defineBacklogCommand(
  "claim",
  {
    description:
      "Claims the best claimable card, or the card ID, for --ttl seconds, and prints the claim's token, which renew, release and complete require. --phase, --min-priority, --label and --without-label limit which cards are considered. With --max-attempts it blocks each card at which so many attempts failed, and claims the next one. With --limit it claims several cards. If nothing is claimable, it prints why and exits with code 3.",
    summary: "Claim the best card, or one card",
    examples: [
      { command: "backlog claim --owner worker-1" },
      { command: "backlog claim --owner worker-1 --phase test --min-priority 5" },
      { command: "backlog claim --owner worker-1 --label rust --without-label blocked-by-legal" },
      { command: "backlog claim --owner worker-1 --limit 5", description: "The best five cards" },
      { command: "backlog claim build --owner worker-1 --ttl 3600", description: "One card, for an hour" }
    ]
  },
  {
    id: optionalArgument("id", "The card to claim. Defaults to the best claimable card"),
    owner: requiredTextFlag("owner", "Owner of the claim", "OWNER"),
    ttl: integerFlag("ttl", "Duration of the claim in seconds. Defaults to 900", "SECONDS"),
    ...claimFilterFlags,
    maxAttempts: maxAttemptsFlag,
    limit: integerFlag("limit", "Claim up to N cards and print a list")
  },
  Effect.fnUntraced(function* ({ id, limit, maxAttempts, owner, ttl, ...choice }) {
    if (limit !== undefined) {
      if (id !== undefined) return yield* new InvalidInput({ problem: "give an ID or --limit, not both" })
      return claimMany(
        yield* commandInput("ClaimMany", { owner, ttlSeconds: ttl, maxAttempts, limit, ...choice }),
        choice
      )
    }
    const input = yield* commandInput("Claim", { owner, ttlSeconds: ttl, maxAttempts, id, ...choice })
    return Effect.gen(function* () {
      const backlog = yield* BacklogService
      // Checked first, so that a card that does not exist yet does not use up the command id.
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
  `${escapeLine(card.claimOwner ?? "")} claimed it with token ${card.claimToken} for ${card.claimTtlSeconds} seconds:`

const failNothingClaimable = (id: string | undefined, choice: ClaimFilter, commandId: string | undefined) => {
  if (commandId !== undefined) return nothingWasClaimable(id, commandId)
  return id === undefined ? noClaimableCard(choice) : cardNotClaimable(id)
}

/** Describes no current state: a retry must print what the first run printed, whatever happened since. */
const nothingWasClaimable = (id: string | undefined, commandId: string) => {
  const what = id === undefined ? "There was nothing to claim" : `Card ${JSON.stringify(id)} could not be claimed`
  return new NothingClaimable({
    id: id ?? null,
    obstacles: [],
    outlook: null,
    message: `${what} when command ${JSON.stringify(commandId)} ran. To try again, use another command id.`
  })
}

const noClaimableCard = Effect.fnUntraced(function* (choice: ClaimFilter) {
  const outlook = yield* (yield* BacklogService).whyNothingClaimable(choice)
  return yield* new NothingClaimable({ id: null, obstacles: [], outlook, message: describeOutlook(outlook, choice) })
})

const cardNotClaimable = Effect.fnUntraced(function* (id: string) {
  const explanation = yield* (yield* BacklogService).explain(id)
  const why = explanation.claimable ? ["Another command is changing it: try again."] : describeObstacles(explanation)
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
      "Extends a claim to --ttl seconds from now. Without --ttl it uses the claim's original duration. With --note it also writes a note on the progress.",
    summary: "Extend a claim",
    examples: [
      { command: "backlog renew build --token 2" },
      { command: 'backlog renew build --token 2 --note "the tests run"' }
    ]
  },
  {
    id: idArgument(),
    token: requiredIntegerFlag("token", "Token of the claim"),
    ttl: integerFlag("ttl", "Duration from now in seconds. Defaults to the claim's original duration", "SECONDS"),
    note: textFlag("note", "A note on the progress. - reads standard input", "TEXT")
  },
  Effect.fnUntraced(function* ({ id, note, token, ttl }) {
    const input = yield* commandInput("Renew", { id, token, ttlSeconds: ttl, note: yield* readTextFlag("note", note) })
    return Effect.gen(function* () {
      const backlog = yield* BacklogService
      const card = yield* backlog.renew(input)
      return makeCardOutput(
        card,
        () =>
          `${escapeLine(card.claimOwner ?? "")} holds ${escapeLine(card.id)} until ${
            card.claimExpiresAt === null ? "" : formatTime(card.claimExpiresAt)
          }.`
      )
    })
  })
)

export const releaseCommand = defineBacklogCommand(
  "release",
  {
    description:
      "Releases a claimed card. Without --retry-after it returns to its place in the claim order and is claimable at once. With it, the attempt counts as failed, and the card is claimable after so many seconds; if it was the last of --max-attempts, the card is blocked.",
    summary: "Release a claimed card",
    examples: [
      {
        command: 'backlog release build --token 2 --reason "the tests need a server" --retry-after 600',
        description: "Not claimable for ten minutes"
      }
    ]
  },
  {
    id: idArgument(),
    token: requiredIntegerFlag("token", "Token of the claim"),
    reason: textFlag("reason", "Reason for the release", "TEXT"),
    retryAfter: integerFlag("retry-after", "Seconds until the card is claimable again. Defaults to 0", "SECONDS"),
    maxAttempts: maxAttemptsFlag
  },
  Effect.fnUntraced(function* ({ id, maxAttempts, reason, retryAfter, token }) {
    const input = yield* commandInput("Release", { id, token, reason, retryAfterSeconds: retryAfter, maxAttempts })
    return Effect.gen(function* () {
      const backlog = yield* BacklogService
      const card = yield* backlog.release(input)
      return makeCardOutput(card, () =>
        card.status === "blocked"
          ? `${escapeLine(card.id)} is blocked: its attempts are used up.`
          : `${escapeLine(card.id)} is released${
              card.notBefore === null ? "" : `, and claimable from ${formatTime(card.notBefore)}`
            }.`
      )
    })
  })
)

export const reclaimCommand = defineBacklogCommand(
  "reclaim",
  {
    description:
      "Reclaims every expired claim, or the claim on the card ID, expired or not. A claim command also reclaims expired claims, so this is needed only to end a claim early or to see a card as ready.",
    summary: "Reclaim expired claims",
    examples: [{ command: "backlog reclaim" }, { command: "backlog reclaim build" }]
  },
  { id: optionalArgument("id", "The card whose claim to reclaim, expired or not. Defaults to all expired claims") },
  Effect.fnUntraced(function* ({ id }) {
    const input = yield* commandInput("Reclaim", { id })
    return Effect.gen(function* () {
      const backlog = yield* BacklogService
      // The command returns nothing both for an unclaimed card and for a missing one, which is an error here. Checked
      // first, so that a card that does not exist yet does not use up the command id.
      if (id !== undefined) yield* backlog.explain(id)
      const ids = yield* backlog.reclaim(input)
      return makeOutput(
        () => ids,
        () => (ids.length === 0 ? "There was no claim to reclaim." : `Reclaimed: ${ids.map(escapeLine).join(", ")}.`)
      )
    })
  })
)
