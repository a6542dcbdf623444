import { DateTime, Schema } from "effect"
import { Labels, Priority, Token, TtlSeconds } from "./Card.ts"
import { CardId } from "./CardId.ts"
import { JsonInput } from "./Json.ts"
import { Body, Name, NoteText, Reason, Title } from "./Text.ts"

/**
 * The origin of a command: the `actor` that causes its events; `correlationId` and `causationId` to trace it; a `commandId`
 * that makes the command safe to retry, because a repeated command returns the outcome that its receipt stores.
 */
const origin = {
  actor: Name,
  correlationId: Schema.optional(Name),
  causationId: Schema.optional(Name),
  commandId: Schema.optional(Name)
}

const earliest = Date.parse("0001-01-01T00:00:00.000Z")
const latest = Date.parse("9999-12-31T23:59:59.999Z")

/** False for NaN, the number of an invalid time. */
const isInCalendar = (milliseconds: number): boolean => milliseconds >= earliest && milliseconds <= latest

/** A business time, in the years that ISO-8601 and all supported databases write with four digits. */
const BusinessTime = Schema.DateTimeUtc.check(
  Schema.makeFilter((time) => isInCalendar(DateTime.toEpochMillis(time)), {
    expected: "a time in the years 1 to 9999"
  })
)

/**
 * The fields of a new card. Without `id` the card gets a generated one. `occurredAt` is its business time, which imports set.
 * Defaults to the database's time.
 */
const newCard = {
  id: Schema.optional(CardId),
  title: Title,
  body: Schema.optional(Schema.NullOr(Body)),
  phase: Schema.optional(Schema.NullOr(Name)),
  labels: Schema.optional(Labels),
  priority: Schema.optional(Priority),
  status: Schema.optional(Schema.Literals(["ready", "blocked", "done"])),
  dependsOn: Schema.optional(Schema.Array(CardId)),
  acceptance: Schema.optional(Schema.NullOr(JsonInput)),
  idempotencyKey: Schema.optional(Schema.NullOr(Name)),
  blockedReason: Schema.optional(Schema.NullOr(Reason)),
  notBefore: Schema.optional(Schema.NullOr(BusinessTime)),
  occurredAt: Schema.optional(BusinessTime)
}

const reasonOnlyWhenBlocked = Schema.makeFilter<{
  readonly status?: string | undefined
  readonly blockedReason?: string | null | undefined
}>(
  (card) =>
    card.blockedReason == null || card.status === "blocked"
      ? undefined
      : { path: ["blockedReason"], issue: "is only allowed when the status is blocked" },
  {
    expected: "a blockedReason only on a blocked card",
    toJsonSchema: () => ({
      if: { properties: { blockedReason: { type: "string" } }, required: ["blockedReason"] },
      // oxlint-disable-next-line unicorn/no-thenable -- A keyword of JSON Schema.
      then: { properties: { status: { enum: ["blocked"] } }, required: ["status"] }
    })
  }
)

const notBeforeOnlyWhenReady = Schema.makeFilter<{
  readonly status?: string | undefined
  readonly notBefore?: DateTime.Utc | null | undefined
}>(
  (card) =>
    card.notBefore == null || card.status === undefined || card.status === "ready"
      ? undefined
      : { path: ["notBefore"], issue: "is only allowed when the status is ready" },
  {
    expected: "a notBefore only on a ready card",
    toJsonSchema: () => ({
      if: { properties: { notBefore: { type: "string" } }, required: ["notBefore"] },
      // oxlint-disable-next-line unicorn/no-thenable -- A keyword of JSON Schema.
      then: { properties: { status: { enum: ["ready"] } } }
    })
  }
)

/** Input for creating one card. */
export const NewCard = Schema.Struct(newCard).check(reasonOnlyWhenBlocked, notBeforeOnlyWhenReady)

/** Input for creating one card. */
export interface NewCard extends Schema.Schema.Type<typeof NewCard> {}

/** Maximum number of cards of one `CreateMany`. */
export const maxCardsAtOnce = 200_000

const reason = Schema.optional(Schema.NullOr(Reason))

/** Creates a card. Returns the existing card, without an event, if its `idempotencyKey` is in use. */
export const Create = Schema.TaggedStruct("Create", { ...newCard, ...origin }).check(
  reasonOnlyWhenBlocked,
  notBeforeOnlyWhenReady
)

/** Creates cards in any order, all or none. */
export const CreateMany = Schema.TaggedStruct("CreateMany", {
  cards: Schema.Array(NewCard).check(Schema.isMaxLength(maxCardsAtOnce)),
  ...origin
})

/** Changes the fields that are given, and adds and removes labels. `null` clears a field. */
export const Revise = Schema.TaggedStruct("Revise", {
  id: CardId,
  title: Schema.optional(Title),
  body: Schema.optional(Schema.NullOr(Body)),
  phase: Schema.optional(Schema.NullOr(Name)),
  priority: Schema.optional(Priority),
  acceptance: Schema.optional(Schema.NullOr(JsonInput)),
  addLabels: Schema.optional(Labels),
  removeLabels: Schema.optional(Labels),
  notBefore: Schema.optional(Schema.NullOr(BusinessTime)),
  ...origin
})

/** Appends a note to a card. With `token`, only if that is the token of the current claim. */
export const Note = Schema.TaggedStruct("Note", {
  id: CardId,
  text: NoteText,
  token: Schema.optional(Token),
  ...origin
})

/** Limits the cards that a claim may take. */
export const ClaimFilter = Schema.Struct({
  phase: Schema.optional(Name),
  minPriority: Schema.optional(Priority),
  labels: Schema.optional(Labels),
  withoutLabels: Schema.optional(Labels)
})

/** Limits the cards that a claim may take. */
export interface ClaimFilter {
  /** Only cards of this phase. Defaults to all phases. */
  readonly phase?: string | undefined
  /** Only cards of this priority or a greater one. Defaults to all priorities. */
  readonly minPriority?: number | undefined
  /** Only cards that have all of these labels. At most 32. Defaults to all cards. */
  readonly labels?: ReadonlyArray<string> | undefined
  /** Only cards that have none of these labels. At most 32. Defaults to all cards. */
  readonly withoutLabels?: ReadonlyArray<string> | undefined
}

/** Maximum number of attempts that a claim or a release can specify. */
const maxMaxAttempts = 1_000_000

const maxAttempts = Schema.optional(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: maxMaxAttempts })))

const claimRequest = {
  owner: Name,
  ttlSeconds: Schema.optional(TtlSeconds),
  maxAttempts,
  ...ClaimFilter.fields
}

/** A claim of the best claimable card. */
export interface ClaimRequest extends ClaimFilter {
  /** The holder of the claim: the name of a worker. May differ from `actor`. */
  readonly owner: string
  /** Duration of the lease in seconds: 1 to 2,592,000 (30 days). Defaults to 900. */
  readonly ttlSeconds?: number | undefined
  /**
   * Maximum number of failed attempts at a card: 1 to 1,000,000. A card that has reached it is blocked instead of claimed, with a
   * reason that lists how the attempts ended. An attempt failed when its lease expired, or when its claim was released with
   * `retryAfterSeconds`. Counts the attempts since the card was last unblocked or reopened. Defaults to no limit.
   */
  readonly maxAttempts?: number | undefined
}

const filterFields = ["phase", "minPriority", "labels", "withoutLabels"] as const

/** Claims the best claimable card that matches the filter, or the card `id`. */
export const Claim = Schema.TaggedStruct("Claim", {
  ...claimRequest,
  id: Schema.optional(CardId),
  ...origin
}).check(
  Schema.makeFilter<ClaimFilter & { readonly id?: CardId | undefined }>(
    (claim) => {
      const filter = claim.id === undefined ? undefined : filterFields.find((field) => claim[field] !== undefined)
      return filter === undefined ? undefined : { path: [filter], issue: "is not allowed in a claim by id" }
    },
    {
      expected: "a claim by id, or with a filter",
      toJsonSchema: () => ({
        not: { required: ["id"], anyOf: filterFields.map((field) => ({ required: [field] })) }
      })
    }
  )
)

/** Maximum number of cards of one `ClaimMany`. */
export const maxClaimsAtOnce = 1000

/** Claims up to `limit` cards, the best first. */
export const ClaimMany = Schema.TaggedStruct("ClaimMany", {
  ...claimRequest,
  limit: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: maxClaimsAtOnce })),
  ...origin
})

/** Extends a claim from now. `ttlSeconds` defaults to the lease of the claim. `note` appends a note to the card. */
export const Renew = Schema.TaggedStruct("Renew", {
  id: CardId,
  token: Token,
  ttlSeconds: Schema.optional(TtlSeconds),
  note: Schema.optional(Schema.NullOr(NoteText)),
  ...origin
})

/**
 * Ends a claim. The card is not claimable for `retryAfterSeconds`, which defaults to 0. With `retryAfterSeconds` the attempt
 * failed, and if it was the last of `maxAttempts`, the card is blocked instead.
 */
export const Release = Schema.TaggedStruct("Release", {
  id: CardId,
  token: Token,
  reason,
  retryAfterSeconds: Schema.optional(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 366 * 24 * 60 * 60 }))),
  maxAttempts,
  ...origin
})

/** Ends all expired claims, or the claim on the card `id`, expired or not. */
export const Reclaim = Schema.TaggedStruct("Reclaim", { id: Schema.optional(CardId), ...origin })

/** Makes the card `from` depend on the card `to`. */
export const Link = Schema.TaggedStruct("Link", { from: CardId, to: CardId, ...origin })

export const Unlink = Schema.TaggedStruct("Unlink", { from: CardId, to: CardId, ...origin })

/** Blocks a card and ends its claim. With `token`, only if that is the token of the current claim. */
export const Block = Schema.TaggedStruct("Block", { id: CardId, token: Schema.optional(Token), reason, ...origin })

export const Unblock = Schema.TaggedStruct("Unblock", { id: CardId, reason, ...origin })

const completion = {
  id: CardId,
  token: Schema.optional(Token),
  force: Schema.optional(Schema.Boolean),
  result: Schema.optional(Schema.NullOr(JsonInput))
}

/**
 * Completes a card. `claimNext` also claims the best claimable card in the same transaction; the cards that become claimable
 * by the completion are included.
 */
export const Complete = Schema.TaggedStruct("Complete", {
  ...completion,
  claimNext: Schema.optional(Schema.Struct(claimRequest)),
  ...origin
})

/** Maximum number of completions of one `CompleteMany`. */
export const maxCompletionsAtOnce = 1000

/** Several completions. Each has its own outcome, and a refused one does not affect the others. */
export const CompleteMany = Schema.Struct({
  completions: Schema.Array(Schema.Struct({ ...completion, commandId: origin.commandId })).check(
    Schema.isMaxLength(maxCompletionsAtOnce)
  ),
  actor: origin.actor,
  correlationId: origin.correlationId,
  causationId: origin.causationId
})

export const Reopen = Schema.TaggedStruct("Reopen", { id: CardId, reason, ...origin })

/** A command of the backlog. */
export const Command = Schema.Union([
  Create,
  CreateMany,
  Revise,
  Note,
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

/** A command of the backlog. */
export type Command = typeof Command.Type

/** The command with the tag `Tag`. */
export type CommandOf<Tag extends Command["_tag"]> = Extract<Command, { readonly _tag: Tag }>

/** A new card with its id. */
export type IdentifiedCard = NewCard & { readonly id: CardId }

/** A command whose new cards all have ids: the form that is decided. */
export type IdentifiedCommand =
  | Exclude<Command, { readonly _tag: "Create" | "CreateMany" }>
  | (CommandOf<"Create"> & { readonly id: CardId })
  | (Omit<CommandOf<"CreateMany">, "cards"> & { readonly cards: ReadonlyArray<IdentifiedCard> })
