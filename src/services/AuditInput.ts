import { type DateTime, Duration, Effect, Option, Schema, SchemaGetter } from "effect"
import { CardId } from "../domain/CardId.ts"
import type { ErasablePart } from "../domain/Event.ts"
import { FlowBucketSize, FlowGrouping } from "../domain/Flow.ts"
import { Redact } from "../domain/Redaction.ts"
import { Name, Reason } from "../domain/Text.ts"
import { Anchor, AnchorRefused } from "../events/Anchor.ts"
import { maxDensityBuckets } from "../events/Density.ts"
import { Position, type RecordedEvent } from "../events/RecordedEvent.ts"
import type { RebuildProgress } from "../projections/rebuild.ts"
import type { RemovalProgress } from "../projections/rewriteTables.ts"
import type { VerifyOptions } from "../projections/verify.ts"
import { requireEffect } from "../sql/requireEffect.ts"
import type { CommandOrigin } from "./BacklogInput.ts"
import { decodeInput } from "./decodeInput.ts"
import { EventTypeFilter } from "./audit/EventTypeFilter.ts"
import { At, CardAt, Time } from "./audit/moments.ts"

/*
 * The inputs of the methods of `AuditService`, as editors show them, and the schemas that check them.
 * `test/services/BacklogInput.test.ts` compares the two.
 */

/**
 * A moment of the backlog. `position` is the state after the event at that position; 0 is before the first. `time` is the
 * state after the last event that was recorded by then. With both, it is the state after the event, and leases and retry
 * times are judged as of `time`.
 */
export type MomentInput =
  | { readonly position: number }
  | { readonly time: DateTime.Utc }
  | { readonly position: number; readonly time: DateTime.Utc }

/** A moment of one card: a moment of the backlog, or the state after the card's own event number `version`. */
export type CardMomentInput = MomentInput | { readonly version: number }

/** The input of `AuditService.diff`. */
export interface DiffInput {
  /** The earlier moment. */
  readonly from: MomentInput
  /** The later moment. Defaults to the end of the log. */
  readonly to?: MomentInput | undefined
}

/** The options of `AuditService.flow`. */
export interface FlowInput {
  /** The beginning of the range, inclusive. Defaults to 7 days before `to`. */
  readonly from?: DateTime.Utc | undefined
  /** The end of the range, exclusive. Defaults to now, so that all recorded events are before it. */
  readonly to?: DateTime.Utc | undefined
  /**
   * The size of the buckets into which the range is divided. They begin at full minutes, full hours, midnight UTC, or on
   * Mondays at midnight UTC. A range has at most 1,000 buckets. Defaults to "day".
   */
  readonly bucket?: FlowBucketSize | undefined
  /**
   * Groups the figures by the phase or by each label that the card has now, or by the owner that the event names. Defaults to
   * no groups.
   */
  readonly by?: FlowGrouping | undefined
}

/** The options of `AuditService.events`. */
export interface EventsInput {
  /** Only events after this position. Defaults to 0: from the first event. */
  readonly after?: number | undefined
  /** Only events of the card with this id. Defaults to all cards. */
  readonly cardId?: string | undefined
  /**
   * Only events of this type. `{ other }` names a type that only a newer version of this package knows. Defaults to all
   * types.
   */
  readonly type?: EventTypeFilter | undefined
  /** Only events of this actor. Defaults to all actors. */
  readonly actor?: string | undefined
  /** Whether the stream continues with events as they are committed. Defaults to false. */
  readonly follow?: boolean | undefined
}

/** The options of `AuditService.consume`. */
export interface ConsumeInput<E, R> extends Omit<EventsInput, "after"> {
  /** The name of the consumer, under which its checkpoint is stored. */
  readonly consumer: string
  /** Handles one event. What it writes to this database commits together with the checkpoint. */
  readonly handler: (event: RecordedEvent) => Effect.Effect<void, E, R>
  /** Maximum number of events in one transaction: 1 to 10,000. Defaults to 100. */
  readonly batchSize?: number | undefined
  /**
   * Number of attempts, 1 to 10,000, after which an event whose handler fails or has a defect is parked with the reason.
   * Defaults to no parking: the failure ends the consumer.
   */
  readonly parkAfter?: number | undefined
}

/** The options of `AuditService.anchor`. */
export interface AnchorInput {
  /** An Ed25519 private key in PEM format, with which the anchor is signed. Defaults to none: the anchor is unsigned. */
  readonly privateKey?: string | undefined
  /** The actor that makes the anchor, for the list of `anchors`. Defaults to unknown. */
  readonly actor?: string | undefined
  /** Whether the anchor is added to the list of `anchors`. Defaults to true. */
  readonly record?: boolean | undefined
}

/** The options of `AuditService.density`. */
export interface DensityInput {
  /** The first position of the range, 1 or more. Defaults to 1. */
  readonly from?: number | undefined
  /** The last position of the range. Defaults to the end of the log. */
  readonly to?: number | undefined
  /** The number of parts into which the range is divided: 1 to 1,000. Defaults to 100. */
  readonly buckets?: number | undefined
}

/** The options of `AuditService.verifications` and `AuditService.anchors`. */
export interface ObservationsInput {
  /** Maximum number of items: 1 to 1,000. Defaults to 100. */
  readonly limit?: number | undefined
}

/** The options of `AuditService.rebuild`. */
export interface RebuildInput {
  /** Receives the progress. Defaults to none. */
  readonly onProgress?: ((progress: RebuildProgress) => Effect.Effect<void>) | undefined
  /** Maximum time to try to lock the tables for the swap. Defaults to 1 minute. */
  readonly swapTimeout?: Duration.Input | undefined
}

/** The input of `AuditService.redact`. */
export interface RedactInput extends CommandOrigin {
  /** The id of the card. */
  readonly id: string
  /** The parts of its events to erase, one or more. */
  readonly parts: ReadonlyArray<ErasablePart>
  /** Only in the card's event with this version. Defaults to all events of the card, except redactions. */
  readonly version?: number | undefined
  /** Why they are erased, 1 character to 16 KiB. Recorded with the event. */
  readonly reason: string
}

/** The options of `AuditService.erasures`. */
export interface ErasuresInput {
  /** Only redactions whose bytes are still in the data files. Defaults to false. */
  readonly pending?: boolean | undefined
}

/** The input of `AuditService.pruneReceipts`. */
export interface PruneReceiptsInput {
  /** Removes receipts that are older than this, in days: 0 to 36,500, fractions included. */
  readonly olderThanDays: number
}

/** The input of `AuditService.restored`. */
export interface RestoredInput {
  /** The actor that restored the backlog. The events that end its claims record it. */
  readonly actor: string
}

/** The options of `AuditService.importLog`. */
export interface ImportLogInput {
  /** The actor that imports the log. The events that end its claims record it. Defaults to "import". */
  readonly actor?: string | undefined
  /** Receives the number of imported events and the total. Defaults to none. */
  readonly onProgress?: ((done: number, total: number) => Effect.Effect<void>) | undefined
}

/** The options of `AuditService.flow`. */
export const FlowOptions = Schema.Struct({
  from: Schema.optional(Time),
  to: Schema.optional(Time),
  bucket: Schema.optional(FlowBucketSize),
  by: Schema.optional(FlowGrouping)
})

/** The options of `AuditService.events`. */
export const EventOptions = Schema.Struct({
  after: Schema.optional(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))),
  cardId: Schema.optional(CardId),
  type: Schema.optional(EventTypeFilter),
  actor: Schema.optional(Name),
  follow: Schema.optional(Schema.Boolean)
})

/** The options of `AuditService.density`. */
export const DensityOptions = Schema.Struct({
  from: Schema.optional(Position),
  to: Schema.optional(Position),
  buckets: Schema.optional(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: maxDensityBuckets })))
})

/** The options of `AuditService.verifications` and `AuditService.anchors`. */
export const ObservationsOptions = Schema.Struct({
  limit: Schema.optional(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1000 })))
})

/** The input of `AuditService.pruneReceipts`. */
export const PruneReceipts = Schema.Struct({
  olderThanDays: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 36_500 }))
})

/** The input of `AuditService.restored`. */
export const Restored = Schema.Struct({ actor: Name })

const Count = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10_000 }))

/** A function of the caller's, whose results are checked when it is called. Its parameters cannot be checked. */
const EffectfulFunction = <F extends (...parameters: ReadonlyArray<never>) => Effect.Effect<unknown, unknown, unknown>>(
  name: string
) =>
  Schema.declare((value: unknown): value is F => typeof value === "function", { expected: "a function" }).pipe(
    Schema.decode({
      decode: SchemaGetter.transform((call: F) => requireEffect(name, call) as F),
      encode: SchemaGetter.passthrough()
    })
  )

/** Large values do not reach the parser, which formats every value that it refuses. */
const DurationInput = Schema.declare(
  (value: unknown): value is Duration.Input =>
    Duration.isDuration(value) ||
    (["string", "number", "bigint"].includes(typeof value) &&
      Option.isSome(Duration.fromInput(value as Duration.Input))),
  { expected: "a duration" }
)

const decodeAnchorInput = decodeInput(
  Schema.Struct({
    privateKey: Schema.optional(Schema.String),
    actor: Schema.optional(Name),
    record: Schema.optional(Schema.Boolean)
  })
)

/** Checks the options of `anchor`. */
export const decodeAnchorOptions = (options: unknown) =>
  Effect.mapError(decodeAnchorInput(options), ({ problem }) => new AnchorRefused({ problem }))

/** Checks the options of `verify`. */
export const decodeVerifyOptions = decodeInput(
  Schema.Struct({
    anchor: Schema.optional(Schema.toType(Anchor)),
    actor: Schema.optional(Name),
    onProgress: Schema.optional(EffectfulFunction<Exclude<VerifyOptions["onProgress"], undefined>>("onProgress"))
  })
)

/** Checks the options of `rebuild`. */
export const decodeRebuildOptions = decodeInput(
  Schema.Struct({
    onProgress: Schema.optional(EffectfulFunction<(progress: RebuildProgress) => Effect.Effect<void>>("onProgress")),
    swapTimeout: Schema.optional(DurationInput)
  })
)

/** Checks the options of `removeErased`. */
export const decodeRemovalOptions = decodeInput(
  Schema.Struct({
    onProgress: Schema.optional(EffectfulFunction<(progress: RemovalProgress) => Effect.Effect<void>>("onProgress")),
    swapTimeout: Schema.optional(DurationInput)
  })
)

/** Checks the options of `erasures`. */
export const decodeErasureOptions = decodeInput(Schema.Struct({ pending: Schema.optional(Schema.Boolean) }))

/** Checks the options of `density`. */
export const decodeDensityOptions = decodeInput(DensityOptions)

/** Checks the options of `verifications` and `anchors`. */
export const decodeObservationsOptions = decodeInput(ObservationsOptions)

/** Checks the id of a card. */
export const decodeId = decodeInput(CardId)

/** Checks the name of a consumer. */
export const decodeName = decodeInput(Name)

/** Checks the reason why an event is parked. */
export const decodeReason = decodeInput(Reason)

/** Checks a position in the log. */
export const decodePosition = decodeInput(Position)

/** Checks a moment of the backlog. */
export const decodeAt = decodeInput(At)

/** Checks the moments of `diff`. */
export const decodeDiff = decodeInput(Schema.Struct({ from: At, to: Schema.optional(At) }))

/** Checks the options of `flow`. */
export const decodeFlow = decodeInput(FlowOptions)

/** Checks a moment of a card. */
export const decodeCardAt = decodeInput(CardAt)

/** Checks the options of `events`. */
export const decodeEventOptions = decodeInput(EventOptions)

/** Checks the input of `redact`. */
export const decodeRedact = decodeInput(Redact)

/** Checks the input of `restored`. */
export const decodeRestored = decodeInput(Restored)

/** Checks the input of `pruneReceipts`. */
export const decodePruneReceipts = decodeInput(PruneReceipts)

/** Checks the positions between which a checkpoint moves. */
export const decodeMove = decodeInput(
  Schema.Struct({
    from: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
    to: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
  }).check(Schema.makeFilter(({ from, to }) => to !== from, { expected: "a checkpoint that moves" }))
)

/** Checks the options of `consume`. */
export const decodeConsumer = decodeInput(
  Schema.Struct({
    consumer: Name,
    handler: EffectfulFunction<(event: RecordedEvent) => Effect.Effect<void, unknown, unknown>>("handler"),
    cardId: EventOptions.fields.cardId,
    type: EventOptions.fields.type,
    actor: EventOptions.fields.actor,
    follow: EventOptions.fields.follow,
    batchSize: Schema.optional(Count),
    parkAfter: Schema.optional(Count)
  })
)
