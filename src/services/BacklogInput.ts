import { type DateTime, Effect, Option, Schema } from "effect"
import { type Card, Labels, Priority, Status, Token, Version } from "../domain/Card.ts"
import { Claimability, ListOrder, type ListSelection } from "../domain/CardFilter.ts"
import { CardId } from "../domain/CardId.ts"
import { ClaimFilter, type ClaimRequest } from "../domain/Command.ts"
import { Name, SearchText } from "../domain/Text.ts"
import { decodeInput, InvalidInput } from "./decodeInput.ts"

/*
 * The inputs of the methods of `BacklogService`, as editors show them. Each interface equals the input of its
 * schema in `src/domain/Command.ts`, without `_tag`; `test/services/BacklogInput.test.ts` compares the two.
 *
 * Limits: ids, names and keys have 1 to 200 characters, no control characters and no surrounding white space. Titles have
 * 1 to 500 characters, bodies up to 1 MiB of UTF-8, notes up to 64 KiB, reasons up to 16 KiB. Acceptance criteria and results are JSON of up
 * to 1 MiB and 500 levels. No text contains NUL or a lone surrogate.
 */

/** The fields that every command has. */
export interface CommandOrigin {
  /** The worker, service or person that sends the command. Every event that the command causes records it. */
  readonly actor: string
  /** Groups the events of several commands, such as those of one request. Recorded with the events. Defaults to none. */
  readonly correlationId?: string | undefined
  /** The event or message that led to this command. Recorded with the events. Defaults to none. */
  readonly causationId?: string | undefined
  /**
   * Identifies this command, so that it is carried out at most once. When the same actor sends the same content with the
   * same id again, it gets the first answer, also a refusal. Other content under the same id fails with
   * `CommandIdConflict`. Set it when a command may be sent again because its answer was lost.
   *
   * A `commandId` belongs to one command of one actor, until `AuditService.pruneReceipts` removes its receipt. An
   * `idempotencyKey` belongs to a created card, is shared by all actors, and is permanent. Defaults to none: the command
   * is carried out each time that it is sent.
   */
  readonly commandId?: string | undefined
}

/** One card to create. */
export interface NewCardInput {
  /**
   * The id of the card. Must be unused; ids are never reused. Defaults to a generated id of 8 characters after
   * `GeneratedIdPrefix`, longer if that one is in use. With an `idempotencyKey` or a `commandId` it is derived from these, so
   * that a command that is sent again gets the same id.
   */
  readonly id?: string | undefined
  /** The title. */
  readonly title: string
  /** The description. Defaults to null: none. */
  readonly body?: string | null | undefined
  /** The phase, by which claims and lists can filter. Defaults to null: none. */
  readonly phase?: string | null | undefined
  /** The labels, by which claims and lists can filter: at most 32 names. Defaults to none. */
  readonly labels?: ReadonlyArray<string> | undefined
  /** A 32-bit integer. Claims take cards with a greater priority first. Defaults to 0. */
  readonly priority?: number | undefined
  /** The initial status. Defaults to `ready`. */
  readonly status?: "ready" | "blocked" | "done" | undefined
  /**
   * The ids of the cards that must be done before this card is claimable. Cards with these ids may be created later.
   * Defaults to no dependencies.
   */
  readonly dependsOn?: ReadonlyArray<string> | undefined
  /** The acceptance criteria, as any JSON. Defaults to null: none. */
  readonly acceptance?: Schema.Json | undefined
  /**
   * Identifies the card by a key of the caller's choice, such as an order number. If a card with this key exists, the
   * command returns that card as it is and ignores all other fields, whichever actor created the card.
   *
   * Set it to create one card for one external object, also from several programs. To retry a command, set `commandId`: it
   * repeats the first answer, and works with every command. Defaults to null: none.
   */
  readonly idempotencyKey?: string | null | undefined
  /** Why the card is blocked. Only with `status: "blocked"`. Defaults to null: none. */
  readonly blockedReason?: string | null | undefined
  /** The card is not claimable before this time. Only with the status `ready`. Defaults to null: claimable at once. */
  readonly notBefore?: DateTime.Utc | null | undefined
  /** When the card was created in the system that it is imported from. Defaults to the time of the database. */
  readonly occurredAt?: DateTime.Utc | undefined
}

/** The input of `BacklogService.create`. */
export interface CreateInput extends NewCardInput, CommandOrigin {}

/** The input of `BacklogService.createMany`. */
export interface CreateManyInput extends CommandOrigin {
  /** The cards to create, at most 200,000, in any order. */
  readonly cards: ReadonlyArray<NewCardInput>
}

/** The input of `BacklogService.revise`. Absent fields stay as they are. */
export interface ReviseInput extends CommandOrigin {
  /** The id of the card. */
  readonly id: string
  /** The new title. Defaults to no change. */
  readonly title?: string | undefined
  /** The new description; null removes it. Defaults to no change. */
  readonly body?: string | null | undefined
  /** The new phase; null removes it. Defaults to no change. */
  readonly phase?: string | null | undefined
  /** The new priority, a 32-bit integer. Defaults to no change. */
  readonly priority?: number | undefined
  /** The new acceptance criteria, as any JSON; null removes them. Defaults to no change. */
  readonly acceptance?: Schema.Json | undefined
  /** Labels to add. Those that the card has already are ignored. At most 32. Defaults to none. */
  readonly addLabels?: ReadonlyArray<string> | undefined
  /** Labels to remove. Those that the card does not have are ignored. At most 32. Defaults to none. */
  readonly removeLabels?: ReadonlyArray<string> | undefined
  /**
   * The card is not claimable before this time; null removes it. On a card that is blocked or done, it takes effect when the
   * card is ready again. On a claimed card it is refused with `CardIsClaimed`. Defaults to no change.
   */
  readonly notBefore?: DateTime.Utc | null | undefined
}

/** The input of `BacklogService.note`. */
export interface NoteInput extends CommandOrigin {
  /** The id of the card. */
  readonly id: string
  /** The text of the note: 1 character to 64 KiB of UTF-8. */
  readonly text: string
  /** The token of a claim, which must be the current one: `claimToken` of the claimed card. Defaults to no check. */
  readonly token?: number | undefined
}

/** The input of `BacklogService.claim`. An `id` cannot be combined with a filter. */
export interface ClaimInput extends ClaimRequest, CommandOrigin {
  /** The id of the card to claim. Defaults to the best claimable card. */
  readonly id?: string | undefined
}

/** The input of `BacklogService.claimMany`. */
export interface ClaimManyInput extends ClaimRequest, CommandOrigin {
  /** Maximum number of cards to claim: 1 to 1,000. */
  readonly limit: number
}

/** The input of `BacklogService.renew`. */
export interface RenewInput extends CommandOrigin {
  /** The id of the claimed card. */
  readonly id: string
  /** The token of the claim: `claimToken` of the claimed card. */
  readonly token: number
  /** Duration of the lease from now, in seconds: 1 to 2,592,000 (30 days). Defaults to the claim's current value. */
  readonly ttlSeconds?: number | undefined
  /** A note on the progress of the work: 1 character to 64 KiB of UTF-8. Defaults to null: none. */
  readonly note?: string | null | undefined
}

/** The input of `BacklogService.release`. */
export interface ReleaseInput extends CommandOrigin {
  /** The id of the claimed card. */
  readonly id: string
  /** The token of the claim: `claimToken` of the claimed card. */
  readonly token: number
  /** Why the card is released. Recorded with the event. Defaults to null: none. */
  readonly reason?: string | null | undefined
  /** Time for which the card is not claimable, in seconds: 0 to 31,622,400 (366 days). Defaults to 0: claimable at once. */
  readonly retryAfterSeconds?: number | undefined
  /**
   * Maximum number of failed attempts at the card: 1 to 1,000,000. With a `retryAfterSeconds` above 0 this attempt failed. If it
   * was the last one, the card is blocked instead, with a reason that lists how the attempts ended. Defaults to no limit.
   */
  readonly maxAttempts?: number | undefined
}

/** The input of `BacklogService.reclaim`. */
export interface ReclaimInput extends CommandOrigin {
  /** The id of the card whose claim ends, expired or not. Defaults to all cards with an expired claim. */
  readonly id?: string | undefined
}

/** The input of `BacklogService.link`. */
export interface LinkInput extends CommandOrigin {
  /** The id of the card that depends on the other. */
  readonly from: string
  /** The id of the card that must be done first. */
  readonly to: string
}

/** The input of `BacklogService.unlink`. */
export interface UnlinkInput extends CommandOrigin {
  /** The id of the card that depends on the other. */
  readonly from: string
  /** The id of the card that it no longer depends on. */
  readonly to: string
}

/** The input of `BacklogService.block`. */
export interface BlockInput extends CommandOrigin {
  /** The id of the card. */
  readonly id: string
  /**
   * The token of the claim that ends: `claimToken` of the claimed card. The holder of a claim passes it, so that it does not
   * end the claim of another worker. Defaults to none: any claim ends.
   */
  readonly token?: number | undefined
  /** Why the card is blocked: `blockedReason` of the card. Defaults to null: none. */
  readonly reason?: string | null | undefined
}

/** The input of `BacklogService.unblock`. */
export interface UnblockInput extends CommandOrigin {
  /** The id of the card. */
  readonly id: string
  /** Why the card is unblocked. Recorded with the event. Defaults to null: none. */
  readonly reason?: string | null | undefined
}

/** Which card to complete, and how. */
export interface CompletionInput extends Pick<CommandOrigin, "commandId"> {
  /** The id of the card. */
  readonly id: string
  /** The token of the claim: `claimToken` of the claimed card. Required for claimed cards, unless `force` is true. */
  readonly token?: number | undefined
  /** Completes the card also when another worker holds it, without comparing the token. Defaults to false. */
  readonly force?: boolean | undefined
  /** The result of the work, as any JSON. Defaults to null: none. */
  readonly result?: Schema.Json | undefined
}

/** The input of `BacklogService.complete`. */
export interface CompleteInput extends CompletionInput, CommandOrigin {
  /**
   * Claims the best claimable card in the same transaction. Cards that this completion makes claimable are included.
   * Defaults to no claim.
   */
  readonly claimNext?: ClaimRequest | undefined
}

/** The input of `BacklogService.completeMany`. */
export interface CompleteManyInput extends Omit<CommandOrigin, "commandId"> {
  /** The cards to complete, at most 1,000, in order. Each may have a `commandId` of its own. */
  readonly completions: ReadonlyArray<CompletionInput>
}

/** The input of `BacklogService.reopen`. */
export interface ReopenInput extends CommandOrigin {
  /** The id of the card. */
  readonly id: string
  /** Why the card is reopened. Recorded with the event. Defaults to null: none. */
  readonly reason?: string | null | undefined
}

/** The input of each command's method, by the tag of the command. */
export interface CommandInputs {
  readonly Create: CreateInput
  readonly CreateMany: CreateManyInput
  readonly Revise: ReviseInput
  readonly Note: NoteInput
  readonly Claim: ClaimInput
  readonly ClaimMany: ClaimManyInput
  readonly Renew: RenewInput
  readonly Release: ReleaseInput
  readonly Reclaim: ReclaimInput
  readonly Link: LinkInput
  readonly Unlink: UnlinkInput
  readonly Block: BlockInput
  readonly Unblock: UnblockInput
  readonly Complete: CompleteInput
  readonly Reopen: ReopenInput
}

/** The options of `BacklogService.list`. A card is listed if every condition is true. */
export interface ListInput extends ListSelection {
  /** Only cards that were changed at this time or later, by the time of recording. Defaults to all cards. */
  readonly changedSince?: DateTime.Utc | undefined
  /** Only cards after the card with this id, the last one of the previous page. Defaults to the first page. */
  readonly after?: string | undefined
  /** The last `limit` cards before the card with this id, the first one of the next page. Cannot be combined with `after`. */
  readonly before?: string | undefined
  /**
   * `summary` omits the fields `body`, `acceptance` and `result`, which may be long. Defaults to `all`.
   */
  readonly fields?: "all" | "summary" | undefined
}

const listConditions = {
  status: Schema.optional(Schema.Union([Status, Schema.Array(Status).check(Schema.isMinLength(1))])),
  claimability: Schema.optional(Claimability),
  phase: Schema.optional(Schema.Union([Name, Schema.Array(Name).check(Schema.isMinLength(1))])),
  labels: Schema.optional(Labels),
  withoutLabels: Schema.optional(Labels),
  owner: Schema.optional(Name),
  minPriority: Schema.optional(Priority),
  maxPriority: Schema.optional(Priority),
  changedSince: Schema.optional(Schema.DateTimeUtc),
  text: Schema.optional(SearchText),
  order: Schema.optional(ListOrder),
  limit: Schema.optional(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 2 ** 31 - 1 }))),
  after: Schema.optional(CardId),
  before: Schema.optional(CardId),
  fields: Schema.optional(Schema.Literals(["all", "summary"]))
}

const oneDirection = Schema.makeFilter<{ readonly after?: string | undefined; readonly before?: string | undefined }>(
  ({ after, before }) =>
    after === undefined || before === undefined
      ? undefined
      : { path: ["before"], issue: "is not allowed together with after" },
  { expected: "a page after a card or before one" }
)

/** The options of `BacklogService.list`. */
export const ListOptions = Schema.Struct(listConditions).check(oneDirection)

const { fields: _fields, text: _text, ...pastConditions } = listConditions

/** The options of `BacklogAt.list`: those of `BacklogService.list`, except for `text` and `fields`. */
export type PastListInput = Omit<ListInput, "text" | "fields">

/** The options of `BacklogAt.list`. */
export const PastListOptions = Schema.Struct(pastConditions).check(oneDirection)

/** Checks the options of `BacklogAt.list`. */
export const decodePastListOptions = decodeInput(PastListOptions)

/** Checks the options of `BacklogService.list`. */
export const decodeListOptions = decodeInput(ListOptions)

/** Checks a filter of claims. */
export const decodeClaimFilter = decodeInput(ClaimFilter)

/** The default of `waitSeconds` of `awaitClaimable` and `awaitClaimEnd`. */
export const defaultWaitSeconds = 30

const maxWaitSeconds = 3600

/** The options of `BacklogService.awaitClaimable`. */
export interface AwaitClaimableInput extends ClaimFilter {
  /** Maximum time to wait, in seconds: 0 to 3,600. With 0 it checks once. Defaults to 30. */
  readonly waitSeconds?: number | undefined
}

const waitSeconds = Schema.optional(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: maxWaitSeconds })))

/** The options of `BacklogService.awaitClaimable`. */
export const AwaitClaimable = Schema.Struct({ ...ClaimFilter.fields, waitSeconds })

/** Checks the options of `BacklogService.awaitClaimable`. */
export const decodeAwaitClaimable = decodeInput(AwaitClaimable)

/** The input of `BacklogService.awaitClaimEnd`. */
export interface AwaitClaimEndInput {
  /** The id of the claimed card. */
  readonly id: string
  /** The token of the claim: `claimToken` of the claimed card. */
  readonly token: number
  /** Maximum time to wait, in seconds: 0 to 3,600. With 0 it checks once. Defaults to 30. */
  readonly waitSeconds?: number | undefined
}

/** The input of `BacklogService.awaitClaimEnd`. */
export const AwaitClaimEnd = Schema.Struct({ id: CardId, token: Token, waitSeconds })

/** Checks the input of `BacklogService.awaitClaimEnd`. */
export const decodeAwaitClaimEnd = decodeInput(AwaitClaimEnd)

const pageLimit = Schema.optional(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1000 })))

/** Refuses a list by completion that continues at a card which has no time of completion. Its page would be empty, like the last one. */
export const refuseLostPlace = <E>(
  { after, before, order }: Pick<ListInput, "after" | "before" | "order">,
  read: Effect.Effect<Option.Option<Card>, E>
): Effect.Effect<void, E | InvalidInput> =>
  order !== "completed"
    ? Effect.void
    : Effect.flatMap(read, (card) =>
        Option.isSome(card) && card.value.status !== "done"
          ? Effect.fail(
              new InvalidInput({
                problem: `card ${JSON.stringify(card.value.id)} is not done any more, so the list by completion cannot continue at it: begin again\n  at ["${after === undefined && before !== undefined ? "before" : "after"}"]`
              })
            )
          : Effect.void
      )

/** The default number of rows in a page of notes, claims or dependents. */
export const defaultPageSize = 100

/** The input of `BacklogService.notes`. */
export interface NotesInput {
  /** The id of the card. */
  readonly id: string
  /** Maximum number of notes: 1 to 1,000. Defaults to 100. */
  readonly limit?: number | undefined
  /** Only notes before the one with this version, the last one of the previous page. Defaults to the first page. */
  readonly before?: number | undefined
}

/** The input of `BacklogService.notes`. */
export const NotesOptions = Schema.Struct({ id: CardId, limit: pageLimit, before: Schema.optional(Version) })

/** Checks the input of `BacklogService.notes`. */
export const decodeNotesOptions = decodeInput(NotesOptions)

/** The options of `BacklogService.claims`. */
export interface ClaimsInput {
  /** Only claims of this owner. Defaults to all owners. */
  readonly owner?: string | undefined
  /** Maximum number of claims: 1 to 1,000. Defaults to 100. */
  readonly limit?: number | undefined
  /** Only claims after this one, the last one of the previous page: its `expiresAt`. Requires `after`. */
  readonly afterExpiresAt?: DateTime.Utc | undefined
  /** The id of that claim's card. Requires `afterExpiresAt`. Defaults to the first page. */
  readonly after?: string | undefined
}

/** The options of `BacklogService.claims`. */
export const ClaimsOptions = Schema.Struct({
  owner: Schema.optional(Name),
  limit: pageLimit,
  afterExpiresAt: Schema.optional(Schema.DateTimeUtc),
  after: Schema.optional(CardId)
}).check(
  Schema.makeFilter(
    ({ after, afterExpiresAt }) =>
      (after === undefined) === (afterExpiresAt === undefined)
        ? undefined
        : { path: ["after"], issue: "must be given together with afterExpiresAt" },
    { expected: "both after and afterExpiresAt, or neither" }
  )
)

/** Checks the options of `BacklogService.claims`. */
export const decodeClaimsOptions = decodeInput(ClaimsOptions)

/** The input of `BacklogService.dependents`. */
export interface DependentsInput {
  /** The id of the card. */
  readonly id: string
  /** Maximum number of cards: 1 to 1,000. Defaults to 100. */
  readonly limit?: number | undefined
  /** Only cards after the one with this id, the last one of the previous page. Defaults to the first page. */
  readonly after?: string | undefined
}

/** The input of `BacklogService.dependents`. */
export const DependentsOptions = Schema.Struct({ id: CardId, limit: pageLimit, after: Schema.optional(CardId) })

/** Checks the input of `BacklogService.dependents`. */
export const decodeDependentsOptions = decodeInput(DependentsOptions)

/** The input of `BacklogService.neighbourhood`. */
export interface NeighbourhoodInput {
  /** The id of the card. */
  readonly id: string
  /** Maximum distance from the card, in edges: 0 to 10. Defaults to 1. */
  readonly hops?: number | undefined
  /** Maximum number of cards: 1 to 1,000. Defaults to 100. */
  readonly limit?: number | undefined
}

/** The input of `BacklogService.neighbourhood`. */
export const NeighbourhoodOptions = Schema.Struct({
  id: CardId,
  hops: Schema.optional(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 10 }))),
  limit: pageLimit
})

/** Checks the input of `BacklogService.neighbourhood`. */
export const decodeNeighbourhoodOptions = decodeInput(NeighbourhoodOptions)

/** The options of `BacklogService.criticalPath`. */
export interface CriticalPathInput {
  /** Only cards of this phase. Defaults to all phases. */
  readonly phase?: string | undefined
  /** Only cards with this label. Defaults to all cards. */
  readonly label?: string | undefined
}

/** The options of `BacklogService.criticalPath`. */
export const CriticalPathOptions = Schema.Struct({ phase: Schema.optional(Name), label: Schema.optional(Name) })

/** Checks the options of `BacklogService.criticalPath`. */
export const decodeCriticalPathOptions = decodeInput(CriticalPathOptions)
