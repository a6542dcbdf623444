import { ByteSize, Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import * as Commands from "../../domain/Command.ts"
import { BodyLimit } from "../RequestValidation.ts"
import { Card, CardIds, Cards, ClaimOutlook, CompletedCard, Completions, Explanation, Stats } from "./answers.ts"
import { describeEndpoint, commandPayload, idempotencyHeader, jsonFields } from "./endpoint.ts"
import { problems } from "../problems.ts"
import { AwaitClaimable, CardId, ClaimFilter, ListOptions } from "../../index.ts"

const { cardAlreadyExists, cardIsClaimed, cardIsDone, cardNotFound, claimLost, commandIdConflict } = problems
const { dependencyCycle, dependencyNotFound, selfDependency } = problems

/** The longest that a claim can be made to wait for a card, in seconds. */
export const maxWaitSeconds = 60

const newCard = Schema.Struct(jsonFields(Commands.NewCard.fields)).annotate({ identifier: "NewCard" })

/** `BacklogService`: an endpoint for each method, named as the method is. Commands are posted, queries are gotten. */
export const BacklogGroup = HttpApiGroup.make("backlog")
  .add(
    HttpApiEndpoint.post("create", "/create", {
      headers: idempotencyHeader,
      payload: commandPayload(Commands.Create),
      success: Card,
      error: [cardAlreadyExists, selfDependency, dependencyCycle, commandIdConflict]
    }).annotateMerge(
      describeEndpoint("Creates a card", "The same `idempotencyKey` again answers the card that is there, unchanged.")
    ),
    HttpApiEndpoint.post("createMany", "/create-many", {
      headers: idempotencyHeader,
      payload: commandPayload(Commands.CreateMany, { cards: Schema.Array(newCard) }),
      success: Cards,
      error: [cardAlreadyExists, selfDependency, dependencyCycle, commandIdConflict]
    })
      .annotateMerge(describeEndpoint("Creates cards, all or none", "In any order; the body may have 32 MiB."))
      .annotate(BodyLimit, ByteSize.mebibytes(32)),
    HttpApiEndpoint.post("revise", "/revise", {
      headers: idempotencyHeader,
      payload: commandPayload(Commands.Revise),
      success: Card,
      error: [cardNotFound, commandIdConflict]
    }).annotateMerge(
      describeEndpoint("Changes title, body, phase, priority or acceptance", "Changes what is given; `null` clears.")
    ),
    HttpApiEndpoint.get("get", "/get", {
      query: { id: CardId },
      success: Card,
      error: cardNotFound
    }).annotateMerge(describeEndpoint("A card")),
    HttpApiEndpoint.get("list", "/list", {
      query: jsonFields(ListOptions.fields),
      success: Cards,
      error: cardNotFound
    }).annotateMerge(describeEndpoint("Cards in claim order", "`after` is the last card of the page before.")),
    HttpApiEndpoint.post("claim", "/claim", {
      headers: idempotencyHeader,
      query: { wait: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: maxWaitSeconds }))) },
      payload: commandPayload(Commands.Claim),
      success: [Card, HttpApiSchema.NoContent],
      error: commandIdConflict
    }).annotateMerge(
      describeEndpoint(
        "Takes the best claimable card, or the one named",
        "204 when there is nothing to take. With `wait` the answer comes as soon as there is something to take, and at the latest after so many seconds. The card's `claimToken` is what the holder shows from then on."
      )
    ),
    HttpApiEndpoint.post("claimMany", "/claim-many", {
      headers: idempotencyHeader,
      payload: commandPayload(Commands.ClaimMany),
      success: Cards,
      error: commandIdConflict
    }).annotateMerge(
      describeEndpoint("Takes the best claimable cards, `limit` at most", "The best first; none when there are none.")
    ),
    HttpApiEndpoint.post("renew", "/renew", {
      headers: idempotencyHeader,
      payload: commandPayload(Commands.Renew),
      success: Card,
      error: [cardNotFound, claimLost, commandIdConflict]
    }).annotateMerge(describeEndpoint("Extends a claim, from now on")),
    HttpApiEndpoint.post("release", "/release", {
      headers: idempotencyHeader,
      payload: commandPayload(Commands.Release),
      success: Card,
      error: [cardNotFound, claimLost, commandIdConflict]
    }).annotateMerge(
      describeEndpoint("Gives a card back", "With `retryAfterSeconds` it is not claimable for so long.")
    ),
    HttpApiEndpoint.post("reclaim", "/reclaim", {
      headers: idempotencyHeader,
      payload: commandPayload(Commands.Reclaim),
      success: CardIds,
      error: commandIdConflict
    }).annotateMerge(describeEndpoint("Takes back every expired claim, or the claim on one card, expired or not")),
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
    }).annotateMerge(describeEndpoint("Removes that dependency")),
    HttpApiEndpoint.post("block", "/block", {
      headers: idempotencyHeader,
      payload: commandPayload(Commands.Block),
      success: Card,
      error: [cardNotFound, cardIsDone, commandIdConflict]
    }).annotateMerge(describeEndpoint("Sets a card aside", "Ends its claim.")),
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
        "A claimed one with its current `token`, or with `force`; any other directly. `madeClaimable` names the cards that could be claimed because of it."
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
          "Completes cards, each with an outcome of its own",
          "In the order of the completions: the completed card, or the problem for which it was refused. Each completion may have a `commandId`. The body may have 32 MiB."
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
      describeEndpoint("The backlog in numbers")
    ),
    HttpApiEndpoint.get("explain", "/explain", {
      query: { id: CardId },
      success: Explanation,
      error: cardNotFound
    }).annotateMerge(describeEndpoint("Why a card can or cannot be claimed")),
    HttpApiEndpoint.get("whyNothingClaimable", "/why-nothing-claimable", {
      query: jsonFields(ClaimFilter.fields),
      success: ClaimOutlook
    }).annotateMerge(describeEndpoint("Why a claim among these cards finds nothing, and when that may change")),
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
        "Waits until a claim among these cards may find one",
        "`waitSeconds` at most, and says whether it may. Another may be faster: then wait again."
      )
    )
  )
  .annotateMerge(OpenApi.annotations({ title: "Backlog", description: "Cards, and the work on them." }))
