import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Version } from "../../domain/Card.ts"
import { Redact } from "../../domain/Redaction.ts"
import { Name, Reason } from "../../domain/Text.ts"
import { Position } from "../../events/RecordedEvent.ts"
import {
  Anchor,
  BacklogAt,
  Card,
  CardDiff,
  Checkpoint,
  Density,
  Erasure,
  Explanation,
  Flow,
  GraphCards,
  Impact,
  ImportedLog,
  MadeAnchors,
  ndjson,
  Neighbourhood,
  ParkedEvents,
  streamProblems,
  RebuildProgress,
  RebuildReport,
  RecordedEvent,
  RedactedCard,
  RestoredBacklog,
  Verifications,
  VerifyProgress,
  VerifyReport
} from "./answers.ts"
import { severalValues } from "./BacklogGroup.ts"
import { describeEndpoint, commandPayload, idempotencyHeader, jsonFields } from "./endpoint.ts"
import { problems } from "../problems.ts"
import {
  CardId,
  CriticalPathOptions,
  DensityOptions,
  DependentsOptions,
  EventOptions,
  EventType,
  FlowOptions,
  NeighbourhoodOptions,
  ObservationsOptions,
  PastListOptions,
  PruneReceipts,
  RemovalProgress,
  RemovalReport,
  Restored
} from "../../index.ts"

const { cardNotFound, checkpointMoved, commandIdConflict, damagedEvent, momentNotReached, undecodableEvent } = problems

/** A moment: after the event at a position, at a time, or after that event with leases judged by that time. */
const moment = {
  position: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))),
  time: Schema.optionalKey(Schema.DateTimeUtcFromString)
}

/** A moment of a card, which can also be a version of the card. */
const cardMoment = { id: CardId, ...moment, version: Schema.optionalKey(Version) }

/** Problems that can end a stream of events. */
export const EventStreamProblem = Schema.Union([damagedEvent, momentNotReached, ...streamProblems])

/** The name of an event type. The service refuses an unknown one. */
const typeName = Name.annotate({
  description: `One of ${EventType.literals.join(", ")}; or a type of a newer version, if the log has an event of that type.`
})

/** Events as they are appended. An error is the last event, with the name `problem`. */
const eventStream = HttpApiSchema.StreamSse({
  events: Schema.Union([
    Schema.Struct({
      id: Schema.String,
      event: Schema.Literal("message"),
      data: Schema.fromJsonString(RecordedEvent)
    }),
    Schema.Struct({ event: Schema.Literal("problem"), data: Schema.fromJsonString(EventStreamProblem) })
  ])
})

/** Maximum timeout of the swap of tables, in milliseconds: the greatest that Postgres has, 24 days. */
export const maxSwapTimeoutMillis = 2 ** 31 - 1

/** Options of an operation that swaps tables. */
const swap = Schema.Struct({
  swapTimeoutMillis: Schema.optionalKey(
    Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: maxSwapTimeoutMillis }))
  )
})

/** A complete log: one line for its header, and one per event. */
const logFile = HttpApiSchema.StreamUint8Array({ contentType: "application/x-ndjson" })

/** The endpoints of `AuditService`, one per method and with its name. */
export const AuditGroup = HttpApiGroup.make("audit")
  .add(
    HttpApiEndpoint.get("history", "/history", {
      query: { id: CardId },
      success: ndjson(RecordedEvent, cardNotFound, damagedEvent),
      error: [cardNotFound, damagedEvent]
    }).annotateMerge(describeEndpoint("Returns the events of a card", "One line per event, in order.")),
    HttpApiEndpoint.get("cardAt", "/card-at", {
      query: cardMoment,
      success: Card,
      error: [cardNotFound, momentNotReached, damagedEvent, undecodableEvent]
    }).annotateMerge(
      describeEndpoint("Returns a card as of a moment", "`position`, `time` or `version` selects the moment.")
    ),
    HttpApiEndpoint.get("explainAt", "/explain-at", {
      query: cardMoment,
      success: Explanation,
      error: [cardNotFound, momentNotReached, damagedEvent, undecodableEvent]
    }).annotateMerge(describeEndpoint("Explains why a card could or could not be claimed at a moment")),
    HttpApiEndpoint.get("backlogAt", "/backlog-at", {
      query: moment,
      success: BacklogAt,
      error: [momentNotReached, damagedEvent, undecodableEvent]
    }).annotateMerge(describeEndpoint("Returns counts of the backlog as of a moment")),
    HttpApiEndpoint.get("backlogAtCards", "/backlog-at/cards", {
      query: { ...moment, ...jsonFields(PastListOptions.fields), ...severalValues },
      success: ndjson(Card, cardNotFound, damagedEvent, undecodableEvent),
      error: [cardNotFound, momentNotReached, damagedEvent, undecodableEvent]
    }).annotateMerge(
      describeEndpoint("Lists cards as of a moment", "One line per card. The same conditions and orders as for `list`.")
    ),
    HttpApiEndpoint.get("backlogAtDependents", "/backlog-at/dependents", {
      query: { ...moment, ...jsonFields(DependentsOptions.fields) },
      success: GraphCards,
      error: [cardNotFound, momentNotReached, damagedEvent, undecodableEvent]
    }).annotateMerge(
      describeEndpoint(
        "Returns the cards that depended on a card at a moment",
        "The same parameters as for `dependents`."
      )
    ),
    HttpApiEndpoint.get("backlogAtNeighbourhood", "/backlog-at/neighbourhood", {
      query: { ...moment, ...jsonFields(NeighbourhoodOptions.fields) },
      success: Neighbourhood,
      error: [cardNotFound, momentNotReached, damagedEvent, undecodableEvent]
    }).annotateMerge(
      describeEndpoint(
        "Returns the cards around a card at a moment, and the edges between them",
        "The same parameters as for `neighbourhood`."
      )
    ),
    HttpApiEndpoint.get("backlogAtImpact", "/backlog-at/impact", {
      query: { ...moment, id: CardId },
      success: Impact,
      error: [cardNotFound, momentNotReached, damagedEvent, undecodableEvent]
    }).annotateMerge(
      describeEndpoint(
        "Returns what completing a card at a moment would have made claimable, and how many cards waited for it"
      )
    ),
    HttpApiEndpoint.get("backlogAtCriticalPath", "/backlog-at/critical-path", {
      query: { ...moment, ...jsonFields(CriticalPathOptions.fields) },
      success: GraphCards,
      error: [momentNotReached, damagedEvent, undecodableEvent]
    }).annotateMerge(
      describeEndpoint(
        "Returns a longest chain of cards that were open at a moment, of which each depends on the one before"
      )
    ),
    HttpApiEndpoint.get("diff", "/diff", {
      query: {
        fromPosition: moment.position,
        fromTime: moment.time,
        toPosition: moment.position,
        toTime: moment.time
      },
      success: ndjson(CardDiff, damagedEvent, momentNotReached, undecodableEvent),
      error: [momentNotReached, damagedEvent, undecodableEvent]
    }).annotateMerge(
      describeEndpoint(
        "Lists the cards that changed between two moments",
        "One line per card. Without `toPosition` and `toTime`, until the end of the log."
      )
    ),
    HttpApiEndpoint.get("flow", "/flow", {
      query: {
        from: moment.time,
        to: moment.time,
        bucket: Schema.optionalKey(FlowOptions.fields.bucket.schema),
        by: Schema.optionalKey(FlowOptions.fields.by.schema)
      },
      success: Flow,
      error: momentNotReached
    }).annotateMerge(
      describeEndpoint(
        "Returns throughput, lead times, cycle times and the age of ready cards",
        "Counts what was created, claimed, completed, failed and expired from `from`, inclusive, to `to`, exclusive, in buckets of UTC. Without `to`, until now; without `from`, the 7 days before `to`. `bucket` defaults to `day`, and a range has at most 1,000 buckets. Times are in seconds."
      )
    ),
    HttpApiEndpoint.get("density", "/density", {
      query: jsonFields(DensityOptions.fields),
      success: Density,
      error: momentNotReached
    }).annotateMerge(
      describeEndpoint(
        "Returns when the events of a range of positions were recorded",
        "Divides the positions from `from` to `to` into `buckets` parts with equal numbers of events, and returns the first and the last event of each part with their times. Defaults to 100 parts of the whole log."
      )
    ),
    HttpApiEndpoint.get("events", "/events", {
      headers: { "last-event-id": Schema.optionalKey(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))) },
      query: { ...jsonFields(EventOptions.fields), type: Schema.optionalKey(typeName) },
      success: eventStream,
      error: [damagedEvent, momentNotReached]
    }).annotateMerge(
      describeEndpoint(
        "Streams events in the order of their positions, past and future",
        "Server-sent events, whose ids are positions. The stream begins after the position in the header `Last-Event-ID`, or else in `after`. With `follow=false` it ends at the end of the log. A position beyond the end of the log is refused with 404, because the log has been restored in the meantime."
      )
    ),
    HttpApiEndpoint.get("checkpoints", "/checkpoints", { success: Schema.Array(Checkpoint) }).annotateMerge(
      describeEndpoint("Returns the checkpoints of all consumers")
    ),
    HttpApiEndpoint.get("checkpoint", "/checkpoint", {
      query: { consumer: Name },
      success: Schema.NullOr(Checkpoint)
    }).annotateMerge(describeEndpoint("Returns the checkpoint of a consumer", "`null` if it has none.")),
    HttpApiEndpoint.post("advance", "/advance", {
      payload: Schema.Struct({
        consumer: Name,
        from: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
        to: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
      }),
      success: HttpApiSchema.NoContent,
      error: [checkpointMoved, momentNotReached]
    }).annotateMerge(
      describeEndpoint(
        "Moves a checkpoint that is still at `from`",
        "If two consumers have the same name, only one of them moves it. A checkpoint moves forward, at most to the end of the log. After a restore it can be ahead of the log, and can then be moved back."
      )
    ),
    HttpApiEndpoint.post("park", "/park", {
      payload: Schema.Struct({ consumer: Name, position: Position, reason: Reason }),
      success: HttpApiSchema.NoContent,
      error: momentNotReached
    }).annotateMerge(describeEndpoint("Parks an event that a consumer could not handle, with the reason")),
    HttpApiEndpoint.get("parked", "/parked", {
      query: { consumer: Schema.optionalKey(Name) },
      success: ParkedEvents
    }).annotateMerge(describeEndpoint("Lists the parked events of all consumers, or of one")),
    HttpApiEndpoint.post("unpark", "/unpark", {
      payload: Schema.Struct({ consumer: Name, position: Position }),
      success: Schema.Boolean
    }).annotateMerge(describeEndpoint("Removes an event from the parked events", "Returns `true` if it was parked.")),
    HttpApiEndpoint.post("verify", "/verify", {
      payload: Schema.Struct({ anchor: Schema.optionalKey(Anchor), actor: Schema.optionalKey(Name) }),
      success: ndjson(Schema.Struct({ progress: VerifyProgress }), Schema.Struct({ report: VerifyReport }))
    }).annotateMerge(
      describeEndpoint(
        "Verifies the log and the read model",
        "Lines with the progress, and then the report. `/verifications` lists the outcome, with the actor of the caller, or else with `actor`."
      )
    ),
    HttpApiEndpoint.get("verifications", "/verifications", {
      query: jsonFields(ObservationsOptions.fields),
      success: Verifications
    }).annotateMerge(
      describeEndpoint(
        "Lists the verifications that ended, the latest first",
        "At most the last 1,000. The list is not part of the log: it shows what programs reported, and proves nothing."
      )
    ),
    HttpApiEndpoint.get("anchor", "/anchor", {
      query: { actor: Schema.optionalKey(Name), record: Schema.optionalKey(Schema.Boolean) },
      success: Anchor
    }).annotateMerge(
      describeEndpoint(
        "Returns an anchor: the current end of the log, to be stored elsewhere",
        "`/anchors` lists it, with the actor of the caller, or else with `actor`, unless `record` is false."
      )
    ),
    HttpApiEndpoint.get("anchors", "/anchors", {
      query: jsonFields(ObservationsOptions.fields),
      success: MadeAnchors
    }).annotateMerge(
      describeEndpoint(
        "Lists the anchors that were made, the latest first",
        "At most the last 1,000. The list is not part of the log: an anchor proves something only if it is stored elsewhere."
      )
    ),
    HttpApiEndpoint.post("rebuild", "/rebuild", {
      payload: swap,
      success: ndjson(
        Schema.Struct({ progress: RebuildProgress }),
        Schema.Struct({ report: RebuildReport }),
        problems.rebuildBlocked,
        problems.rebuildRefused,
        problems.rebuildSuperseded,
        damagedEvent,
        undecodableEvent
      ),
      error: [
        problems.rebuildBlocked,
        problems.rebuildRefused,
        problems.rebuildSuperseded,
        damagedEvent,
        undecodableEvent
      ]
    }).annotateMerge(
      describeEndpoint("Rebuilds the read model from the log", "Lines with the progress, and then the report.")
    ),
    HttpApiEndpoint.post("redact", "/redact", {
      headers: idempotencyHeader,
      payload: commandPayload(Redact),
      success: RedactedCard,
      error: [cardNotFound, commandIdConflict, damagedEvent, undecodableEvent]
    }).annotateMerge(describeEndpoint("Erases parts of a card's events permanently")),
    HttpApiEndpoint.get("erasures", "/erasures", {
      query: jsonFields({ pending: Schema.optionalKey(Schema.Boolean) }),
      success: Schema.Array(Erasure)
    }).annotateMerge(
      describeEndpoint(
        "Lists redactions, and whether their bytes are still in the data files",
        "All of them, or those that are pending."
      )
    ),
    HttpApiEndpoint.post("removeErased", "/remove-erased", {
      payload: swap,
      success: ndjson(
        Schema.Struct({ progress: RemovalProgress }),
        Schema.Struct({ report: RemovalReport }),
        problems.removalPending
      ),
      error: [problems.removalPending]
    }).annotateMerge(
      describeEndpoint(
        "Removes the bytes of all redactions from the data files",
        "Lines with the progress, and then the report. The server's database role must own the tables."
      )
    ),
    HttpApiEndpoint.post("pruneReceipts", "/prune-receipts", {
      payload: Schema.Struct(PruneReceipts.fields),
      success: Schema.Int
    }).annotateMerge(describeEndpoint("Removes receipts of commands by age", "Returns how many.")),
    HttpApiEndpoint.get("exportLog", "/export-log", {
      success: logFile,
      error: damagedEvent
    }).annotateMerge(describeEndpoint("Exports the log", "One line for its header, and one per event.")),
    HttpApiEndpoint.post("restored", "/restored", {
      payload: commandPayload(Restored),
      success: RestoredBacklog
    }).annotateMerge(
      describeEndpoint(
        "Must be called after a restore from a backup",
        "Begins a new generation of tokens and ends all claims, so that no token of the lost part of the log is valid."
      )
    ),
    HttpApiEndpoint.post("importLog", "/import-log", {
      query: { actor: Schema.optionalKey(Name) },
      payload: logFile,
      success: ImportedLog,
      error: [problems.backlogNotEmpty, problems.logFileRefused, damagedEvent, undecodableEvent]
    }).annotateMerge(
      describeEndpoint(
        "Imports an exported log into an empty backlog, all or nothing",
        "The body is streamed and may have any length. `actor` is the actor of the events that end the claims in it."
      )
    )
  )
  .annotateMerge(
    OpenApi.annotations({ title: "Audit", description: "The history, past states, and the proof of both." })
  )
