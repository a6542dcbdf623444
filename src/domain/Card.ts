/*
 * Where a new field of a card goes, in this order:
 *
 *  1. here, in `Card`; a new kind of text in `domain/Text.ts`;
 *  2. `domain/Command.ts`: the commands that set it (`newCard`, `Revise`); `services/BacklogInput.ts`: their public inputs;
 *  3. `domain/Event.ts`: the events that record it. Their payloads are a storage format, so add an upcaster to
 *     `events/EventCodec.ts` (also `encodeFrequent`) and a file to `test/events/golden/`: see docs/evolution.md;
 *  4. `domain/decide.ts` (command → event) and `domain/evolve.ts` (event → card);
 *  5. a new file in `migrations/`: the column of `cards`; `projections/erasableColumns.ts`: whether a redaction erases it;
 *     in the same file the next versions of the functions that load and write it (docs/decisions/0040) and of their types,
 *     with their names in `services/schema/BacklogRoles.ts`;
 *  6. `projections/CardTables.ts` (read), `projections/lockAndLoad.ts` (load), `projections/cardLines.ts` and
 *     `projections/ReadModelBuilder.ts` (write), `projections/compareRows.ts` (verify);
 *  7. the surfaces: `cli/describeCard.ts`, `cli/describeEvent.ts`, `cli/commands/` with the flags in `cli/argv.ts`, `mcp/tools/cards.ts`,
 *     `mcp/AgentText.ts`, `import/`;
 *  8. the model of `testing/` (`step.ts`, `applyEvent.ts`, `checkLinearizability.ts`, `generateProgram.ts`, `arbitraries.ts`)
 *     and `test/support/` (`verifyBacklog.ts`, `plainCard.ts`, `goldenEvents.ts`), which check it;
 *  9. if it is a text that may be erased: `ErasablePart` in `domain/Event.ts` and `withoutTexts` in
 *     `projections/StreamCheck.ts`; if claims or lists filter by it: `projections/LockPlan.ts`, `lockAndLoad.ts`,
 *     `claimOutlookQueries.ts`, `listQueries.ts`, `PastBacklog.ts` and `testing/modelQueries.ts`.
 */
import { Schema } from "effect"
import { CardId } from "./CardId.ts"
import { Json } from "./Json.ts"
import { Body, Name, NoteText, Reason, Title } from "./Text.ts"

/** The status of a card. `ready` also includes cards that wait for dependencies. */
export const Status = Schema.Literals(["ready", "claimed", "blocked", "done"])

/** The status of a card. */
export type Status = typeof Status.Type

/** The priority of a card: a 32-bit integer of any sign. Greater priorities are claimed first. */
export const Priority = Schema.Finite.check(Schema.isInt32())

/** Maximum lease of a claim, in seconds: 30 days. */
export const maxTtlSeconds = 30 * 24 * 60 * 60

/** The lease of a claim, in seconds: 1 second to 30 days. */
export const TtlSeconds = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: maxTtlSeconds }))

/** The lease of a claim that does not specify one, in seconds. */
export const defaultTtlSeconds = 900

/** Maximum version of a card. */
export const maxVersion = 2 ** 31 - 1

/** The place of an event in its card's stream: 1, 2, 3 … */
export const Version = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: maxVersion }))

/** Maximum generation: generation plus version is an integer below 2^53. */
export const maxGeneration = 2 ** 53 - 2 ** 31

/** The generation of a backlog: 0 at first, greater after each restore and failover. */
export const Generation = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: maxGeneration }))

/** Maximum token: 2^53 - 1. */
export const maxToken = Number.MAX_SAFE_INTEGER

/** Identifies a claim: the generation of the backlog plus the version of the `CardClaimed` event. */
export const Token = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: maxToken }))

/** Maximum number of labels of a card, and of a filter. */
export const maxLabels = 32

/** Labels: at most 32, each a name. */
export const Labels = Schema.Array(Name).check(
  Schema.isMaxLength(maxLabels, { message: `must be at most ${maxLabels} labels` })
)

/** The last note on a card: its text, its author and its time. */
export const LastNote = Schema.Struct({ text: NoteText, actor: Name, at: Schema.DateTimeUtcFromString })

/** The last note on a card. */
export interface LastNote extends Schema.Schema.Type<typeof LastNote> {}

/**
 * A card, as all queries and commands return it. Absent values are `null`.
 *
 * - `claimToken` is the backlog's generation plus the version of the card's `CardClaimed` event. It only grows, is never reused,
 *   and is required to renew and release a claim, and to complete a claimed card without `force`.
 * - `claimTtlSeconds` is the lease in seconds. `claimExpiresAt` is a time of the database's clock.
 * - `attempts` is the number of claims on the card since its creation.
 * - `notBefore` is the time before which the card cannot be claimed.
 * - `dependsOn` and `labels` are in the order of their code points.
 * - `version` is the number of the card's events.
 */
export const Card = Schema.Struct({
  id: CardId,
  title: Title,
  body: Schema.NullOr(Body),
  phase: Schema.NullOr(Name),
  labels: Schema.Array(Name),
  priority: Priority,
  status: Status,
  dependsOn: Schema.Array(CardId),
  claimOwner: Schema.NullOr(Name),
  claimTtlSeconds: Schema.NullOr(TtlSeconds),
  claimedAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  claimExpiresAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  claimToken: Schema.NullOr(Token),
  attempts: Schema.Int,
  notBefore: Schema.NullOr(Schema.DateTimeUtcFromString),
  idempotencyKey: Schema.NullOr(Name),
  acceptance: Schema.NullOr(Json),
  result: Schema.NullOr(Json),
  blockedReason: Schema.NullOr(Reason),
  noteCount: Schema.Int,
  lastNote: Schema.NullOr(LastNote),
  createdAt: Schema.DateTimeUtcFromString,
  updatedAt: Schema.DateTimeUtcFromString,
  completedAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  version: Version
})

/** A card, as all queries and commands return it. */
export interface Card extends Schema.Schema.Type<typeof Card> {}

/** A claimed card with its claim, as the commands that claim and renew return it. Every `ClaimedCard` is a `Card`. */
export const ClaimedCard = Schema.Struct({
  ...Card.fields,
  status: Schema.Literal("claimed"),
  claimOwner: Name,
  claimTtlSeconds: TtlSeconds,
  claimedAt: Schema.DateTimeUtcFromString,
  claimExpiresAt: Schema.DateTimeUtcFromString,
  claimToken: Token
})

/** A claimed card with its claim. */
export interface ClaimedCard extends Schema.Schema.Type<typeof ClaimedCard> {}
