import { DateTime, Schema } from "effect"
import { Priority, Token, TtlSeconds } from "./Card.ts"
import { CardId } from "./CardId.ts"
import { JsonInput } from "./Json.ts"
import { Body, Name, Reason, Title } from "./Text.ts"

/** Who causes a command's events, and what they belong to. */
const origin = {
  actor: Name,
  correlationId: Schema.optional(Name),
  causationId: Schema.optional(Name),
  commandId: Schema.optional(Name)
}

const earliest = Date.parse("0001-01-01T00:00:00.000Z")
const latest = Date.parse("9999-12-31T23:59:59.999Z")

/** Not so for a time that is none: NaN is neither before nor after anything. */
const isInCalendar = (milliseconds: number): boolean => milliseconds >= earliest && milliseconds <= latest

/** When something happened: what ISO-8601 and every supported database write with four digits for the year. */
const BusinessTime = Schema.DateTimeUtc.check(
  Schema.makeFilter((time) => isInCalendar(DateTime.toEpochMillis(time)), {
    expected: "a time in the years 1 to 9999"
  })
)

/** A card to be made. `occurredAt` is its business time (an import's), else the database's clock. */
const newCard = {
  id: CardId,
  title: Title,
  body: Schema.optional(Schema.NullOr(Body)),
  phase: Schema.optional(Schema.NullOr(Name)),
  priority: Schema.optional(Priority),
  status: Schema.optional(Schema.Literals(["ready", "blocked", "done"])),
  dependsOn: Schema.optional(Schema.Array(CardId)),
  acceptance: Schema.optional(Schema.NullOr(JsonInput)),
  idempotencyKey: Schema.optional(Schema.NullOr(Name)),
  blockedReason: Schema.optional(Schema.NullOr(Reason)),
  occurredAt: Schema.optional(BusinessTime)
}

const reasonOnlyWhenBlocked = Schema.makeFilter<{
  readonly status?: string | undefined
  readonly blockedReason?: string | null | undefined
}>(
  (card) =>
    card.blockedReason == null || card.status === "blocked"
      ? undefined
      : { path: ["blockedReason"], issue: "is for cards whose status is blocked" },
  { expected: "a reason for being blocked only on a blocked card" }
)

/** A card to be made. */
export const NewCard = Schema.Struct(newCard).check(reasonOnlyWhenBlocked)

/** A card to be made. */
export interface NewCard extends Schema.Schema.Type<typeof NewCard> {}

/** How many cards one `CreateMany` takes. */
export const maxCardsAtOnce = 200_000

const reason = Schema.optional(Schema.NullOr(Reason))

export const Create = Schema.TaggedStruct("Create", { ...newCard, ...origin }).check(reasonOnlyWhenBlocked)

export const CreateMany = Schema.TaggedStruct("CreateMany", {
  cards: Schema.Array(NewCard).check(Schema.isMaxLength(maxCardsAtOnce)),
  ...origin
})

/** Changes what is given, leaves what is not; `null` clears. */
export const Revise = Schema.TaggedStruct("Revise", {
  id: CardId,
  title: Schema.optional(Title),
  body: Schema.optional(Schema.NullOr(Body)),
  phase: Schema.optional(Schema.NullOr(Name)),
  priority: Schema.optional(Priority),
  acceptance: Schema.optional(Schema.NullOr(JsonInput)),
  ...origin
})

/** Filters the cards that a claim chooses among. */
export const ClaimFilter = Schema.Struct({
  phase: Schema.optional(Name),
  minPriority: Schema.optional(Priority)
})

/** Filters the cards that a claim chooses among. */
export interface ClaimFilter {
  /** Only cards of this phase. Defaults to all phases. */
  readonly phase?: string | undefined
  /** Only cards of this priority or a greater one. Defaults to all priorities. */
  readonly minPriority?: number | undefined
}

const claimRequest = {
  owner: Name,
  ttlSeconds: Schema.optional(TtlSeconds),
  ...ClaimFilter.fields
}

/** A claim of the best claimable card. */
export interface ClaimRequest extends ClaimFilter {
  /** Who holds the claim: the name of a worker. May differ from `actor`. */
  readonly owner: string
  /** How long the lease lasts, in seconds: 1 to 2,592,000 (30 days). Defaults to 900. */
  readonly ttlSeconds?: number | undefined
}

/** The best claimable card, or the one named. */
export const Claim = Schema.TaggedStruct("Claim", {
  ...claimRequest,
  id: Schema.optional(CardId),
  ...origin
}).check(
  Schema.makeFilter<ClaimFilter & { readonly id?: CardId | undefined }>(
    ({ id, minPriority, phase }) =>
      id === undefined || (phase === undefined && minPriority === undefined)
        ? undefined
        : {
            path: [phase === undefined ? "minPriority" : "phase"],
            issue: "chooses among cards, and the claim names one"
          },
    { expected: "a claim that chooses among cards, or names one" }
  )
)

/** How many cards one `ClaimMany` takes at most. */
export const maxClaimsAtOnce = 1000

/** The best claimable cards, so many at most. */
export const ClaimMany = Schema.TaggedStruct("ClaimMany", {
  ...claimRequest,
  limit: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: maxClaimsAtOnce })),
  ...origin
})

/** A renewal without a ttl keeps the claim's own. */
export const Renew = Schema.TaggedStruct("Renew", {
  id: CardId,
  token: Token,
  ttlSeconds: Schema.optional(TtlSeconds),
  ...origin
})

/** `retryAfterSeconds` is how long the card shall not be claimable. */
export const Release = Schema.TaggedStruct("Release", {
  id: CardId,
  token: Token,
  reason,
  retryAfterSeconds: Schema.optional(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 366 * 24 * 60 * 60 }))),
  ...origin
})

/** Every expired claim, or the claim on the card named, expired or not. */
export const Reclaim = Schema.TaggedStruct("Reclaim", { id: Schema.optional(CardId), ...origin })

/** `from` shall depend on `to`. */
export const Link = Schema.TaggedStruct("Link", { from: CardId, to: CardId, ...origin })

export const Unlink = Schema.TaggedStruct("Unlink", { from: CardId, to: CardId, ...origin })

export const Block = Schema.TaggedStruct("Block", { id: CardId, reason, ...origin })

export const Unblock = Schema.TaggedStruct("Unblock", { id: CardId, reason, ...origin })

const completion = {
  id: CardId,
  token: Schema.optional(Token),
  force: Schema.optional(Schema.Boolean),
  result: Schema.optional(Schema.NullOr(JsonInput))
}

/** `claimNext` claims the best claimable card in the same transaction, what this makes claimable included. */
export const Complete = Schema.TaggedStruct("Complete", {
  ...completion,
  claimNext: Schema.optional(Schema.Struct(claimRequest)),
  ...origin
})

/** How many cards one `CompleteMany` takes. */
export const maxCompletionsAtOnce = 1000

/** Completions with an outcome each: several commands, and none that refuses the others. */
export const CompleteMany = Schema.Struct({
  completions: Schema.Array(Schema.Struct({ ...completion, commandId: origin.commandId })).check(
    Schema.isMaxLength(maxCompletionsAtOnce)
  ),
  actor: origin.actor,
  correlationId: origin.correlationId,
  causationId: origin.causationId
})

export const Reopen = Schema.TaggedStruct("Reopen", { id: CardId, reason, ...origin })

/** What can be asked of the backlog. */
export const Command = Schema.Union([
  Create,
  CreateMany,
  Revise,
  Claim,
  ClaimMany,
  Renew,
  Release,
  Reclaim,
  Link,
  Unlink,
  Block,
  Unblock,
  Complete,
  Reopen
])

/** What can be asked of the backlog. */
export type Command = typeof Command.Type

/** The command with the tag `Tag`. */
export type CommandOf<Tag extends Command["_tag"]> = Extract<Command, { readonly _tag: Tag }>
