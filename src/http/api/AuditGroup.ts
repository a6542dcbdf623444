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
  Checkpoint,
  Erasure,
  Explanation,
  ImportedLog,
  ndjson,
  ParkedEvents,
  streamProblems,
  RebuildProgress,
  RebuildReport,
  RecordedEvent,
  RedactedCard,
  RestoredBacklog,
  VerifyProgress,
  VerifyReport
} from "./answers.ts"
import { describeEndpoint, commandPayload, idempotencyHeader, jsonFields } from "./endpoint.ts"
import { problems } from "../problems.ts"
import {
  CardId,
  EventOptions,
  EventType,
  ListOptions,
  PruneReceipts,
  RemovalProgress,
  RemovalReport,
  Restored
} from "../../index.ts"

const { cardNotFound, checkpointMoved, commandIdConflict, damagedEvent, momentNotReached, undecodableEvent } = problems

/** After the event at a position, at a time, or after that event with leases judged by that time. */
const moment = {
  position: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))),
  time: Schema.optionalKey(Schema.DateTimeUtcFromString)
}

/** The same, or after one of the card's own events. */
const cardMoment = { id: CardId, ...moment, version: Schema.optionalKey(Version) }

/** What can go wrong in the middle of a stream of events. */
export const EventStreamProblem = Schema.Union([damagedEvent, momentNotReached, ...streamProblems])

/** A type by its name alone; whether there is such a type, the service says. */
const typeName = Name.annotate({
  description: `One of ${EventType.literals.join(", ")}; or a type that only a newer program knows, when the log has an event of it.`
})

/** Events as they come; what goes wrong is an event named `problem`, and the last. */
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

/** A whole log, a line for its header and one for each event. */
const logFile = HttpApiSchema.StreamUint8Array({ contentType: "application/x-ndjson" })

/** `AuditService`: an endpoint for each method, named as the method is. */
export const AuditGroup = HttpApiGroup.make("audit")
  .add(
    HttpApiEndpoint.get("history", "/history", {
      query: { id: CardId },
      success: ndjson(RecordedEvent, cardNotFound, damagedEvent),
      error: [cardNotFound, damagedEvent]
    }).annotateMerge(describeEndpoint("Every event of a card", "A line for each, first to last.")),
    HttpApiEndpoint.get("cardAt", "/card-at", {
      query: cardMoment,
      success: Card,
      error: [cardNotFound, momentNotReached, damagedEvent, undecodableEvent]
    }).annotateMerge(
      describeEndpoint("A card as it stood at a moment", "`position`, `time` or `version` says which moment.")
    ),
    HttpApiEndpoint.get("explainAt", "/explain-at", {
      query: cardMoment,
      success: Explanation,
      error: [cardNotFound, momentNotReached, damagedEvent, undecodableEvent]
    }).annotateMerge(describeEndpoint("Why a card could or could not be claimed at a moment")),
    HttpApiEndpoint.get("backlogAt", "/backlog-at", {
      query: moment,
      success: BacklogAt,
      error: [momentNotReached, damagedEvent, undecodableEvent]
    }).annotateMerge(describeEndpoint("The whole backlog as it stood at a moment, in numbers")),
    HttpApiEndpoint.get("backlogAtCards", "/backlog-at/cards", {
      query: { ...moment, ...jsonFields(ListOptions.fields) },
      success: ndjson(Card, cardNotFound, damagedEvent, undecodableEvent),
      error: [cardNotFound, momentNotReached, damagedEvent, undecodableEvent]
    }).annotateMerge(describeEndpoint("Cards in claim order as they stood at a moment", "A line for each.")),
    HttpApiEndpoint.get("events", "/events", {
      headers: { "last-event-id": Schema.optionalKey(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))) },
      query: { ...jsonFields(EventOptions.fields), type: Schema.optionalKey(typeName) },
      success: eventStream,
      error: [damagedEvent, momentNotReached]
    }).annotateMerge(
      describeEndpoint(
        "Events in the order of positions, those of the past and those to come",
        "Server-sent events, whose ids are positions: the stream continues after the position in the header `Last-Event-ID`, or else in `after`. With `follow=false` the stream ends at the end of the log. A position beyond the end of the log is refused with 404: the log was restored since it was seen."
      )
    ),
    HttpApiEndpoint.get("checkpoints", "/checkpoints", { success: Schema.Array(Checkpoint) }).annotateMerge(
      describeEndpoint("Every consumer's checkpoint")
    ),
    HttpApiEndpoint.get("checkpoint", "/checkpoint", {
      query: { consumer: Name },
      success: Schema.NullOr(Checkpoint)
    }).annotateMerge(describeEndpoint("A consumer's checkpoint", "`null` when it has none.")),
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
        "Moves a checkpoint, if it still is at `from`",
        "Of two consumers of one name only one moves it. It moves forward, to the end of the log at most; from beyond the end of the log, where a restore leaves it, it may be set back."
      )
    ),
    HttpApiEndpoint.post("park", "/park", {
      payload: Schema.Struct({ consumer: Name, position: Position, reason: Reason }),
      success: HttpApiSchema.NoContent,
      error: momentNotReached
    }).annotateMerge(describeEndpoint("Notes that a consumer has gone past an event, and why")),
    HttpApiEndpoint.get("parked", "/parked", {
      query: { consumer: Schema.optionalKey(Name) },
      success: ParkedEvents
    }).annotateMerge(describeEndpoint("What is parked, of every consumer or of one")),
    HttpApiEndpoint.post("unpark", "/unpark", {
      payload: Schema.Struct({ consumer: Name, position: Position }),
      success: Schema.Boolean
    }).annotateMerge(describeEndpoint("Takes an event off the list of parked ones", "`true` when it was on it.")),
    HttpApiEndpoint.post("verify", "/verify", {
      payload: Schema.Struct({ anchor: Schema.optionalKey(Anchor) }),
      success: ndjson(Schema.Struct({ progress: VerifyProgress }), Schema.Struct({ report: VerifyReport }))
    }).annotateMerge(
      describeEndpoint(
        "Verifies the whole log and the read model",
        "Lines that say how much is done, and then the report."
      )
    ),
    HttpApiEndpoint.get("anchor", "/anchor", { success: Anchor }).annotateMerge(
      describeEndpoint("Where the log ends now, to be kept elsewhere")
    ),
    HttpApiEndpoint.post("rebuild", "/rebuild", {
      payload: Schema.Struct({
        swapTimeoutMillis: Schema.optionalKey(Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0)))
      }),
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
      describeEndpoint(
        "Makes the read model anew from the log",
        "Lines that say how much is done, and then the report."
      )
    ),
    HttpApiEndpoint.post("redact", "/redact", {
      headers: idempotencyHeader,
      payload: commandPayload(Redact),
      success: RedactedCard,
      error: [cardNotFound, commandIdConflict, damagedEvent, undecodableEvent]
    }).annotateMerge(describeEndpoint("Erases parts of a card's events, for good")),
    HttpApiEndpoint.get("erasures", "/erasures", {
      query: jsonFields({ pending: Schema.optionalKey(Schema.Boolean) }),
      success: Schema.Array(Erasure)
    }).annotateMerge(
      describeEndpoint(
        "Redactions that erased something, and whether their bytes are still in the data files",
        "All, or the pending."
      )
    ),
    HttpApiEndpoint.post("removeErased", "/remove-erased", {
      payload: Schema.Struct({
        swapTimeoutMillis: Schema.optionalKey(Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0)))
      }),
      success: ndjson(
        Schema.Struct({ progress: RemovalProgress }),
        Schema.Struct({ report: RemovalReport }),
        problems.removalPending
      ),
      error: [problems.removalPending]
    }).annotateMerge(
      describeEndpoint(
        "Removes the bytes of all redactions from the data files",
        "Lines that say how much is done, and then the report. Only a server whose database role owns the tables can."
      )
    ),
    HttpApiEndpoint.post("pruneReceipts", "/prune-receipts", {
      payload: Schema.Struct(PruneReceipts.fields),
      success: Schema.Int
    }).annotateMerge(describeEndpoint("Removes receipts of commands by age", "Answers how many.")),
    HttpApiEndpoint.get("exportLog", "/export-log", {
      success: logFile,
      error: damagedEvent
    }).annotateMerge(describeEndpoint("The whole log", "A line for its header and one for each event.")),
    HttpApiEndpoint.post("restored", "/restored", {
      payload: commandPayload(Restored),
      success: RestoredBacklog
    }).annotateMerge(
      describeEndpoint(
        "Must be called after the backlog was restored from a backup",
        "Begins a new generation of tokens and ends every live claim, so that no token of the lost part of the log acts."
      )
    ),
    HttpApiEndpoint.post("importLog", "/import-log", {
      query: { actor: Schema.optionalKey(Name) },
      payload: logFile,
      success: ImportedLog,
      error: [problems.backlogNotEmpty, problems.logFileRefused, damagedEvent, undecodableEvent]
    }).annotateMerge(
      describeEndpoint(
        "Imports such lines into an empty backlog, all or nothing",
        "The body is read as it comes, however long. Claims in it are ended by `actor`."
      )
    )
  )
  .annotateMerge(
    OpenApi.annotations({ title: "Audit", description: "What happened, what was, and the proof of both." })
  )
