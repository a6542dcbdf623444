import { ByteSize, Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import * as Commands from "../../domain/Command.ts"
import { Card, CardIds, Cards, ClaimOutlook, CompletedCard, Completions, Explanation, Stats } from "./answers.ts"
import { BodyLimit, commandPayload, describeEndpoint, idempotencyHeader, jsonFields } from "./endpoint.ts"
import { problems } from "../problems.ts"
import { AwaitClaimable, CardId, ClaimFilter, ListOptions } from "../../index.ts"

const { cardAlreadyExists, cardIsClaimed, cardIsDone, cardNotFound, claimLost, commandIdConflict } = problems
const { dependencyCycle, dependencyNotFound, selfDependency } = problems

/** Maximum wait of a claim for a card, in seconds. */
export const maxWaitSeconds = 60

const newCard = Schema.Struct(jsonFields(Commands.NewCard.fields)).annotate({ identifier: "NewCard" })

/** The endpoints of `BacklogService`, one per method and with its name. Commands are POST, queries are GET. */
export const BacklogGroup = HttpApiGroup.make("backlog")
  .add(
    HttpApiEndpoint.post("create", "/create", {
      headers: idempotencyHeader,
      payload: commandPayload(Commands.Create),
      success: Card,
      error: [cardAlreadyExists, selfDependency, dependencyCycle, commandIdConflict]
    }).annotateMerge(
      describeEndpoint("Creates a card", "With the `idempotencyKey` of an existing card, returns that card unchanged.")
    ),
    HttpApiEndpoint.post("createMany", "/create-many", {
      headers: idempotencyHeader,
      payload: commandPayload(Commands.CreateMany, { cards: Schema.Array(newCard) }),
      success: Cards,
      error: [cardAlreadyExists, selfDependency, dependencyCycle, commandIdConflict]
    })
      .annotateMerge(describeEndpoint("Creates cards, all or nothing", "In any order. The body may have up to 32 MiB."))
      .annotate(BodyLimit, ByteSize.mebibytes(32)),
    HttpApiEndpoint.post("revise", "/revise", {
      headers: idempotencyHeader,
      payload: commandPayload(Commands.Revise),
      success: Card,
      error: [cardNotFound, commandIdConflict]
    }).annotateMerge(
      describeEndpoint(
        "Changes title, body, phase, priority or acceptance",
        "Changes the given fields; `null` clears a field."
      )
    ),
    HttpApiEndpoint.get("get", "/get", {
      query: { id: CardId },
      success: Card,
      error: cardNotFound
    }).annotateMerge(describeEndpoint("Returns a card")),
    HttpApiEndpoint.get("list", "/list", {
      query: jsonFields(ListOptions.fields),
      success: Cards,
      error: cardNotFound
    }).annotateMerge(describeEndpoint("Lists cards in claim order", "`after` is the last card of the previous page.")),
    HttpApiEndpoint.post("claim", "/claim", {
      headers: idempotencyHeader,
      query: { wait: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: maxWaitSeconds }))) },
      payload: commandPayload(Commands.Claim),
      success: [Card, HttpApiSchema.NoContent],
      error: commandIdConflict
    }).annotateMerge(
      describeEndpoint(
        "Claims the best claimable card, or the given one",
        "Returns 204 when there is nothing to claim. `wait` waits for a card, at most so many seconds. The holder passes the card's `claimToken` to renew, release and complete it."
      )
    ),
    HttpApiEndpoint.post("claimMany", "/claim-many", {
      headers: idempotencyHeader,
      payload: commandPayload(Commands.ClaimMany),
      success: Cards,
      error: commandIdConflict
    }).annotateMerge(
      describeEndpoint(
        "Claims the best claimable cards, at most `limit`",
        "Best first. Returns an empty list when there is nothing to claim."
      )
    ),
    HttpApiEndpoint.post("renew", "/renew", {
      headers: idempotencyHeader,
      payload: commandPayload(Commands.Renew),
      success: Card,
      error: [cardNotFound, claimLost, commandIdConflict]
    }).annotateMerge(describeEndpoint("Extends a claim, from the time of the request")),
    HttpApiEndpoint.post("release", "/release", {
      headers: idempotencyHeader,
      payload: commandPayload(Commands.Release),
      success: Card,
      error: [cardNotFound, claimLost, commandIdConflict]
    }).annotateMerge(describeEndpoint("Releases a card", "`retryAfterSeconds` delays the next claim.")),
    HttpApiEndpoint.post("reclaim", "/reclaim", {
      headers: idempotencyHeader,
      payload: commandPayload(Commands.Reclaim),
      success: CardIds,
      error: commandIdConflict
    }).annotateMerge(describeEndpoint("Reclaims every expired claim, or the claim on one card, expired or not")),
    HttpApiEndpoint.post("link", "/link", {
      headers: idempotencyHeader,
      payload: commandPayload(Commands.Link),
      success: Card,
      error: [cardNotFound, dependencyNotFound, selfDependency, dependencyCycle, commandIdConflict]
    }).annotateMerge(describeEndpoint("Makes card `from` depend on card `to`")),
    HttpApiEndpoint.post("unlink", "/unlink", {
      headers: idempotencyHeader,
      payload: commandPayload(Commands.Unlink),
      success: Card,
      error: [cardNotFound, commandIdConflict]
    }).annotateMerge(describeEndpoint("Removes the dependency of card `from` on card `to`")),
    HttpApiEndpoint.post("block", "/block", {
      headers: idempotencyHeader,
      payload: commandPayload(Commands.Block),
      success: Card,
      error: [cardNotFound, cardIsDone, claimLost, commandIdConflict]
    }).annotateMerge(
      describeEndpoint("Blocks a card", "Ends its claim. With `token`, only if that is the token of the current claim.")
    ),
    HttpApiEndpoint.post("unblock", "/unblock", {
      headers: idempotencyHeader,
      payload: commandPayload(Commands.Unblock),
      success: Card,
      error: [cardNotFound, cardIsDone, commandIdConflict]
    }).annotateMerge(describeEndpoint("Makes a blocked card ready again")),
    HttpApiEndpoint.post("complete", "/complete", {
      headers: idempotencyHeader,
      payload: commandPayload(Commands.Complete, {
        claimNext: Schema.optionalKey(
          Schema.Struct(jsonFields(Commands.Complete.fields.claimNext.schema.members[0].fields))
        )
      }),
      success: CompletedCard,
      error: [cardNotFound, claimLost, cardIsClaimed, commandIdConflict]
    }).annotateMerge(
      describeEndpoint(
        "Completes a card",
        "A claimed card requires its current `token`, or `force`. `madeClaimable` lists the cards that became claimable."
      )
    ),
    HttpApiEndpoint.post("completeMany", "/complete-many", {
      payload: commandPayload(Commands.CompleteMany, {
        completions: Schema.Array(Schema.Struct(jsonFields(Commands.CompleteMany.fields.completions.value.fields)))
      }),
      success: Completions
    })
      .annotateMerge(
        describeEndpoint(
          "Completes cards, each with its own outcome",
          "Returns the outcomes in the order of the completions: the completed card, or the problem for which it was refused. Each completion may have a `commandId`. The body may have up to 32 MiB."
        )
      )
      .annotate(BodyLimit, ByteSize.mebibytes(32)),
    HttpApiEndpoint.post("reopen", "/reopen", {
      headers: idempotencyHeader,
      payload: commandPayload(Commands.Reopen),
      success: Card,
      error: [cardNotFound, commandIdConflict]
    }).annotateMerge(describeEndpoint("Makes a done card ready again")),
    HttpApiEndpoint.get("stats", "/stats", { success: Stats }).annotateMerge(
      describeEndpoint("Returns counts of the backlog")
    ),
    HttpApiEndpoint.get("explain", "/explain", {
      query: { id: CardId },
      success: Explanation,
      error: cardNotFound
    }).annotateMerge(describeEndpoint("Explains why a card can or cannot be claimed")),
    HttpApiEndpoint.get("whyNothingClaimable", "/why-nothing-claimable", {
      query: jsonFields(ClaimFilter.fields),
      success: ClaimOutlook
    }).annotateMerge(describeEndpoint("Explains why a claim with this filter finds nothing, and when that may change")),
    HttpApiEndpoint.get("awaitClaimable", "/await-claimable", {
      query: {
        ...jsonFields(ClaimFilter.fields),
        waitSeconds: Schema.optionalKey(
          AwaitClaimable.fields.waitSeconds.schema.members[0].check(Schema.isLessThanOrEqualTo(maxWaitSeconds))
        )
      },
      success: Schema.Boolean
    }).annotateMerge(
      describeEndpoint(
        "Waits until a claim with this filter may find a card",
        "Waits at most `waitSeconds`. Returns whether there may be a card. Another caller may claim it first; then wait again."
      )
    )
  )
  .annotateMerge(OpenApi.annotations({ title: "Backlog", description: "Cards and the work on them." }))
