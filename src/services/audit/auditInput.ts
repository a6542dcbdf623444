import { Duration, Effect, Option, Schema } from "effect"
import { CardId } from "../../domain/CardId.ts"
import { Redact } from "../../domain/Redaction.ts"
import { Name, Reason } from "../../domain/Text.ts"
import { Anchor, AnchorRefused } from "../../events/Anchor.ts"
import { Position } from "../../events/RecordedEvent.ts"
import type { RebuildProgress } from "../../projections/rebuild.ts"
import type { RemovalProgress } from "../../projections/rewriteTables.ts"
import type { VerifyOptions } from "../../projections/verify.ts"
import { decodeInput } from "../decodeInput.ts"
import { EventTypeFilter } from "./EventTypeFilter.ts"
import { At, CardAt } from "./moments.ts"

/** The events of a feed. */
export const EventOptions = Schema.Struct({
  /** Only events after this position. Defaults to 0. */
  after: Schema.optional(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))),
  /** Only events of this card. Defaults to all cards. */
  cardId: Schema.optional(CardId),
  /** Only events of this type. Defaults to all types. */
  type: Schema.optional(EventTypeFilter),
  /** Only events of this actor. Defaults to all actors. */
  actor: Schema.optional(Name),
  /** Whether the feed continues with new events as they are appended. Defaults to false. */
  follow: Schema.optional(Schema.Boolean)
})

/** The receipts to remove: those older than a number of days, which may have a fraction, by the database's clock. */
export const PruneReceipts = Schema.Struct({
  olderThanDays: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 36_500 }))
})

/** The input of `restored`. */
export const Restored = Schema.Struct({ actor: Name })

const Count = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10_000 }))

/** A function of the caller. Its parameters and result cannot be checked before it is called. */
const functionLike = <F extends (...parameters: ReadonlyArray<never>) => unknown>() =>
  Schema.declare((value: unknown): value is F => typeof value === "function", { expected: "a function" })

/** Only strings and numbers reach the parser, because it converts a value that it refuses to text. */
const DurationInput = Schema.declare(
  (value: unknown): value is Duration.Input =>
    Duration.isDuration(value) ||
    (["string", "number", "bigint"].includes(typeof value) &&
      Option.isSome(Duration.fromInput(value as Duration.Input))),
  { expected: "a duration" }
)

const decodeKey = decodeInput(Schema.Struct({ privateKey: Schema.optional(Schema.String) }))

/** The options of `anchor`. */
export const decodeAnchorOptions = (options: unknown) =>
  Effect.mapError(decodeKey(options), ({ problem }) => new AnchorRefused({ problem }))

/** The options of `verify`. */
export const decodeVerifyOptions = decodeInput(
  Schema.Struct({
    anchor: Schema.optional(Schema.toType(Anchor)),
    onProgress: Schema.optional(functionLike<Exclude<VerifyOptions["onProgress"], undefined>>())
  })
)

/** The options of `rebuild`. */
export const decodeRebuildOptions = decodeInput(
  Schema.Struct({
    onProgress: Schema.optional(functionLike<(progress: RebuildProgress) => Effect.Effect<void>>()),
    swapTimeout: Schema.optional(DurationInput)
  })
)

/** The options of `removeErased`. */
export const decodeRemovalOptions = decodeInput(
  Schema.Struct({
    onProgress: Schema.optional(functionLike<(progress: RemovalProgress) => Effect.Effect<void>>()),
    swapTimeout: Schema.optional(DurationInput)
  })
)

/** The options of `erasures`. */
export const decodeErasureOptions = decodeInput(Schema.Struct({ pending: Schema.optional(Schema.Boolean) }))

/** The id of a card. */
export const decodeId = decodeInput(CardId)

/** The name of a consumer. */
export const decodeName = decodeInput(Name)

/** The reason for which an event is parked. */
export const decodeReason = decodeInput(Reason)

/** A position in the log. */
export const decodePosition = decodeInput(Position)

/** A moment of the backlog. */
export const decodeAt = decodeInput(At)

/** A moment of a card. */
export const decodeCardAt = decodeInput(CardAt)

/** The options of a feed. */
export const decodeEventOptions = decodeInput(EventOptions)

/** The input of `redact`. */
export const decodeRedact = decodeInput(Redact)

/** The input of `restored`. */
export const decodeRestored = decodeInput(Restored)

/** The input of `pruneReceipts`. */
export const decodePruneReceipts = decodeInput(PruneReceipts)

/** The positions between which a checkpoint moves. */
export const decodeMove = decodeInput(
  Schema.Struct({
    from: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
    to: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
  }).check(Schema.makeFilter(({ from, to }) => to !== from, { expected: "a checkpoint that moves" }))
)

/** The options of a consumer. */
export const decodeConsumer = decodeInput(
  Schema.Struct({
    consumer: Name,
    handler: functionLike(),
    cardId: EventOptions.fields.cardId,
    type: EventOptions.fields.type,
    actor: EventOptions.fields.actor,
    follow: EventOptions.fields.follow,
    batchSize: Schema.optional(Count),
    parkAfter: Schema.optional(Count)
  })
)
