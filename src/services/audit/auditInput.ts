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

/** Which events a feed gives. */
export const EventOptions = Schema.Struct({
  /** Only events after this position; all when absent. */
  after: Schema.optional(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))),
  cardId: Schema.optional(CardId),
  /** Only events of this type. */
  type: Schema.optional(EventTypeFilter),
  actor: Schema.optional(Name),
  /** Whether to go on with events as they are appended; `false` when absent. */
  follow: Schema.optional(Schema.Boolean)
})

/** Which receipts of commands go: those older than so many days, and parts of days, by the database's clock. */
export const PruneReceipts = Schema.Struct({
  olderThanDays: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 36_500 }))
})

/** The input of `restored`. */
export const Restored = Schema.Struct({ actor: Name })

const Count = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10_000 }))

/** A function of the caller's; what it takes and answers can only be known when it is called. */
const functionLike = <F extends (...parameters: ReadonlyArray<never>) => unknown>() =>
  Schema.declare((value: unknown): value is F => typeof value === "function", { expected: "a function" })

/** Only what is small is given to the parser, which makes a text of whatever it does not take. */
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

/** Which redactions are listed. */
export const decodeErasureOptions = decodeInput(Schema.Struct({ pending: Schema.optional(Schema.Boolean) }))

/** The id of a card. */
export const decodeId = decodeInput(CardId)

/** The name of a consumer. */
export const decodeName = decodeInput(Name)

/** Why an event is parked. */
export const decodeReason = decodeInput(Reason)

/** A position in the log. */
export const decodePosition = decodeInput(Position)

/** A moment of the backlog. */
export const decodeAt = decodeInput(At)

/** A moment of a card. */
export const decodeCardAt = decodeInput(CardAt)

/** Which events a feed gives. */
export const decodeEventOptions = decodeInput(EventOptions)

/** What is to be erased. */
export const decodeRedact = decodeInput(Redact)

/** Who says that a backlog was restored. */
export const decodeRestored = decodeInput(Restored)

/** Which receipts go. */
export const decodePruneReceipts = decodeInput(PruneReceipts)

/** From where to where a checkpoint moves. */
export const decodeMove = decodeInput(
  Schema.Struct({
    from: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
    to: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
  }).check(Schema.makeFilter(({ from, to }) => to !== from, { expected: "a checkpoint that moves" }))
)

/** How a consumer takes events. */
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
