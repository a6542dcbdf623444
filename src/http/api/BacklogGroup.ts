import { ByteSize, Schema, SchemaTransformation } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Status } from "../../domain/Card.ts"
import * as Commands from "../../domain/Command.ts"
import { Name } from "../../domain/Text.ts"
import {
  ActiveClaims,
  Card,
  CardIds,
  CardNotes,
  Cards,
  GraphCards,
  Impact,
  ListedCards,
  Neighbourhood,
  ClaimedCard,
  ClaimOutlook,
  CompletedCard,
  Completions,
  Explanation,
  Stats
} from "./answers.ts"
import { BodyLimit, commandPayload, describeEndpoint, idempotencyHeader, jsonFields, withChecksOf } from "./endpoint.ts"
import { problems } from "../problems.ts"
import {
  AwaitClaimEnd,
  CardId,
  ClaimFilter,
  ClaimsOptions,
  CriticalPathOptions,
  DependentsOptions,
  ListOptions,
  NeighbourhoodOptions,
  NotesOptions
} from "../../index.ts"

const { cardAlreadyExists, cardIsClaimed, cardIsDone, cardNotFound, claimLost, commandIdConflict } = problems
const { dependencyCycle, dependencyNotFound, selfDependency, tooManyLabels } = problems

/** Maximum time that a request waits for a card, in seconds. Proxies time out after 60 seconds without a response. */
export const maxWaitSeconds = 50

/** The maximum of versions up to 0.9, whose clients may still send it. */
const acceptedWaitSeconds = 60

/** The time that a request waits for a card, in seconds. A longer accepted time is shortened to the maximum. */
const WaitSeconds = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: acceptedWaitSeconds })).pipe(
  Schema.decodeTo(
    Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: maxWaitSeconds })),
    SchemaTransformation.transform({
      decode: (seconds) => Math.min(seconds, maxWaitSeconds),
      encode: (seconds) => seconds
    })
  )
)

const newCard = withChecksOf(Commands.NewCard, Schema.Struct(jsonFields(Commands.NewCard.fields))).annotate({
  identifier: "NewCard"
})

const time = Schema.optionalKey(Schema.DateTimeUtcFromString)

/** The conditions of a list in a query, where a name that occurs several times has several values. */
export const severalValues = {
  status: Schema.optionalKey(Schema.Array(Status)),
  phase: Schema.optionalKey(Schema.Array(Name)),
  changedSince: time
}

/** The endpoints of `BacklogService`, one per method and with its name. Commands are POST, queries are GET. */
export const BacklogGroup = HttpApiGroup.make("backlog")
  .add(
    HttpApiEndpoint.post("create", "/create", {
      headers: idempotencyHeader,
      payload: commandPayload(Commands.Create),
      success: Card,
      error: [cardAlreadyExists, selfDependency, dependencyCycle, commandIdConflict]
    }).annotateMerge(
      describeEndpoint(
        "Creates a card",
        "Without an `id` the card gets a generated one. With the `idempotencyKey` of an existing card, returns that card unchanged."
      )
    ),
    HttpApiEndpoint.post("createMany", "/create-many", {
      headers: idempotencyHeader,
      payload: commandPayload(Commands.CreateMany, {
        cards: Schema.Array(newCard).check(Schema.isMaxLength(Commands.maxCardsAtOnce))
      }),
      success: Cards,
      error: [cardAlreadyExists, selfDependency, dependencyCycle, commandIdConflict]
    })
      .annotateMerge(describeEndpoint("Creates cards, all or nothing", "In any order. The body may have up to 32 MiB."))
      .annotate(BodyLimit, ByteSize.mebibytes(32)),
    HttpApiEndpoint.post("revise", "/revise", {
      headers: idempotencyHeader,
      payload: commandPayload(Commands.Revise),
      success: Card,
      error: [cardNotFound, tooManyLabels, cardIsClaimed, commandIdConflict]
    }).annotateMerge(
      describeEndpoint(
        "Changes title, body, phase, priority, acceptance, labels or notBefore",
        "Changes the given fields; `null` clears a field. A claimed card's `notBefore` cannot be set."
      )
    ),
    HttpApiEndpoint.post("note", "/note", {
      headers: idempotencyHeader,
      payload: commandPayload(Commands.Note),
      success: Card,
      error: [cardNotFound, claimLost, commandIdConflict]
    }).annotateMerge(
      describeEndpoint("Appends a note to a card", "With `token`, only if that is the token of the current claim.")
    ),
    HttpApiEndpoint.get("get", "/get", {
      query: { id: CardId },
      success: Card,
      error: cardNotFound
    }).annotateMerge(describeEndpoint("Returns a card")),
    HttpApiEndpoint.get("list", "/list", {
      query: { ...jsonFields(ListOptions.fields), ...severalValues },
      success: ListedCards,
      error: cardNotFound
    }).annotateMerge(
      describeEndpoint(
        "Lists and searches cards",
        "In claim order, unless `order` says otherwise. `after` is the last card of the previous page, `before` the first of the next one. `status`, `phase`, `labels` and `withoutLabels` can occur several times. With `fields=summary` the cards have no `body`, `acceptance` and `result`."
      )
    ),
    HttpApiEndpoint.get("notes", "/notes", {
      query: jsonFields(NotesOptions.fields),
      success: CardNotes,
      error: cardNotFound
    }).annotateMerge(
      describeEndpoint(
        "Returns the notes on a card, the last one first",
        "`before` is the last version of the previous page."
      )
    ),
    HttpApiEndpoint.get("claims", "/claims", {
      query: { ...jsonFields(ClaimsOptions.fields), afterExpiresAt: time },
      success: ActiveClaims
    }).annotateMerge(
      describeEndpoint(
        "Returns who holds which card",
        "The claim that expires first at the beginning. `after` and `afterExpiresAt` are of the last claim of the previous page."
      )
    ),
    HttpApiEndpoint.get("dependents", "/dependents", {
      query: jsonFields(DependentsOptions.fields),
      success: GraphCards,
      error: cardNotFound
    }).annotateMerge(
      describeEndpoint(
        "Returns the cards that depend on a card",
        "By id. `after` is the last card of the previous page."
      )
    ),
    HttpApiEndpoint.get("neighbourhood", "/neighbourhood", {
      query: jsonFields(NeighbourhoodOptions.fields),
      success: Neighbourhood,
      error: cardNotFound
    }).annotateMerge(
      describeEndpoint(
        "Returns the cards around a card, and the edges between them",
        "At most `limit` cards, at most `hops` edges away. `omitted` says where neighbors were left out."
      )
    ),
    HttpApiEndpoint.get("impact", "/impact", {
      query: { id: CardId },
      success: Impact,
      error: cardNotFound
    }).annotateMerge(
      describeEndpoint("Returns what completing a card would make claimable, and how many cards wait for it")
    ),
    HttpApiEndpoint.get("criticalPath", "/critical-path", {
      query: jsonFields(CriticalPathOptions.fields),
      success: GraphCards
    }).annotateMerge(describeEndpoint("Returns a longest chain of open cards of which each depends on the one before")),
    HttpApiEndpoint.post("claim", "/claim", {
      headers: idempotencyHeader,
      query: { wait: Schema.optionalKey(WaitSeconds) },
      payload: commandPayload(Commands.Claim),
      success: [ClaimedCard, HttpApiSchema.NoContent],
      error: commandIdConflict
    }).annotateMerge(
      describeEndpoint(
        "Claims the best claimable card, or the given one",
        "Returns 204 when there is nothing to claim. `wait` is the maximum time to wait for a card, in seconds. The holder passes the card's `claimToken` to renew, release and complete it."
      )
    ),
    HttpApiEndpoint.post("claimMany", "/claim-many", {
      headers: idempotencyHeader,
      payload: commandPayload(Commands.ClaimMany),
      success: Schema.Array(ClaimedCard),
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
      success: ClaimedCard,
      error: [cardNotFound, claimLost, commandIdConflict]
    }).annotateMerge(
      describeEndpoint("Extends a claim, from the time of the request", "`note` appends a note to the card.")
    ),
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
        completions: Schema.Array(
          Schema.Struct(jsonFields(Commands.CompleteMany.fields.completions.value.fields))
        ).check(Schema.isMaxLength(Commands.maxCompletionsAtOnce))
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
      query: { ...jsonFields(ClaimFilter.fields), waitSeconds: Schema.optionalKey(WaitSeconds) },
      success: Schema.Boolean
    }).annotateMerge(
      describeEndpoint(
        "Waits until a claim with this filter may find a card",
        "Waits at most `waitSeconds`. Returns whether there may be a card. Another caller may claim it first; then wait again."
      )
    ),
    HttpApiEndpoint.get("awaitClaimEnd", "/await-claim-end", {
      query: { ...jsonFields(AwaitClaimEnd.fields), waitSeconds: Schema.optionalKey(WaitSeconds) },
      success: Schema.Boolean
    }).annotateMerge(
      describeEndpoint(
        "Waits until a claim has ended",
        "Waits at most `waitSeconds`. Returns whether the claim has ended: another caller blocked or completed the card, or reclaimed the claim."
      )
    )
  )
  .annotateMerge(OpenApi.annotations({ title: "Backlog", description: "Cards and the work on them." }))
