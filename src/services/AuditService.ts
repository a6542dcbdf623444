import { Clock, Context, DateTime, Duration, Effect, Layer, Option, type Scope, Stream } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type { Card } from "../domain/Card.ts"
import type { GraphCard, Impact, Neighbourhood } from "../domain/CardGraph.ts"
import type { CardId } from "../domain/CardId.ts"
import type { CardDiff } from "../domain/CardDiff.ts"
import type { Explanation } from "../domain/Explanation.ts"
import type { Flow } from "../domain/Flow.ts"
import { CardNotFound, type CommandIdConflict } from "../domain/Rejection.ts"
import type { Stats } from "../domain/Stats.ts"
import { type Anchor, type AnchorRefused, signAnchor } from "../events/Anchor.ts"
import {
  type Checkpoint,
  type CheckpointAhead,
  type CheckpointMoved,
  Checkpoints,
  type ParkedEvent
} from "../events/Checkpoints.ts"
import { type Density, makeReadDensity } from "../events/Density.ts"
import { EventLog, type LogFailure } from "../events/EventLog.ts"
import type { LogFileRefused } from "../events/LogFile.ts"
import type { MomentNotReached } from "../events/MomentNotReached.ts"
import { outsideLog, ReadGate, type Shown } from "../events/ReadGate.ts"
import type { RecordedEvent } from "../events/RecordedEvent.ts"
import { consume } from "../events/consume.ts"
import { feed } from "../events/feed.ts"
import { withReplicaErrors } from "../events/replica.ts"
import { makeCountsTable } from "../projections/CardCounts.ts"
import { makeCardTables } from "../projections/CardTables.ts"
import type { VerifyReport } from "../projections/Divergence.ts"
import type { FileLine } from "../projections/LogFileCheck.ts"
import { KeyframeInterval, makeKeyframes } from "../projections/Keyframes.ts"
import { makeKeyframeWriter } from "../projections/KeyframeWriter.ts"
import { explainAt, PastBacklog } from "../projections/PastBacklog.ts"
import { ReadModel } from "../projections/ReadModel.ts"
import { makeReadModelBuilder } from "../projections/ReadModelBuilder.ts"
import { diffCards } from "../projections/diffCards.ts"
import { foldCards, type ReadFailure } from "../projections/foldCards.ts"
import { makeReadFlow } from "../projections/readFlow.ts"
import {
  rebuild,
  type RebuildBlocked,
  type RebuildRefused,
  type RebuildResult,
  type RebuildSuperseded
} from "../projections/rebuild.ts"
import type { RemovalPending } from "../projections/rewriteTables.ts"
import { verify, type VerifyOptions } from "../projections/verify.ts"
import {
  type CriticalPathInput,
  decodeCriticalPathOptions,
  decodeDependentsOptions,
  decodeNeighbourhoodOptions,
  decodePastListOptions,
  defaultPageSize,
  type DependentsInput,
  type NeighbourhoodInput,
  type PastListInput,
  refuseLostPlace
} from "./BacklogInput.ts"
import { type Erasure, Erasures, type RemovalOptions, type RemovalReport } from "./audit/Erasures.ts"
import { InvalidInput } from "./decodeInput.ts"
import { resolveEventType } from "./audit/EventTypeFilter.ts"
import {
  type AnchorInput,
  type CardMomentInput,
  type ConsumeInput,
  decodeAnchorOptions,
  decodeAt,
  decodeCardAt,
  decodeConsumer,
  decodeDensityOptions,
  decodeDiff,
  decodeErasureOptions,
  decodeEventOptions,
  decodeFlow,
  decodeId,
  decodeMove,
  decodeName,
  decodeObservationsOptions,
  decodePosition,
  decodePruneReceipts,
  decodeReason,
  decodeRebuildOptions,
  decodeRedact,
  decodeRemovalOptions,
  decodeRestored,
  decodeVerifyOptions,
  type DensityInput,
  type DiffInput,
  type ErasuresInput,
  type EventsInput,
  type FlowInput,
  type ImportLogInput,
  type MomentInput,
  type ObservationsInput,
  type PruneReceiptsInput,
  type RebuildInput,
  type RedactInput,
  type RestoredInput
} from "./AuditInput.ts"
import { writeKeyframes } from "./audit/writeKeyframes.ts"
import { type BacklogNotEmpty, exportLog, type ImportedLog, importLog } from "./audit/logTransfer.ts"
import { resolveFlowRange } from "./audit/flowRange.ts"
import { type MadeAnchor, makeObservations, type Verification } from "./audit/Observations.ts"
import { resolveCardMoment, resolveMoment } from "./audit/moments.ts"
import { redactCard, type RedactedCard } from "./audit/redactCard.ts"
import { makeRestoreBacklog, type RestoredBacklog } from "./audit/restoreBacklog.ts"
import { Receipts } from "./commands/Receipts.ts"
import type { BacklogMissing } from "./schema/BacklogOpening.ts"
import { createTables, type MigrationRefused, Migrations } from "./schema/Migrations.ts"
import { layerEventLog } from "./driverLayers.ts"
import { layerReadGate } from "./readGates.ts"
import { requireOneEffect } from "./requireOneEffect.ts"
import type { BacklogFailure, ServerFailure } from "./serverFailures.ts"
import { PollInterval } from "./waiting/CommitNotifications.ts"
import { withoutAnswerTimeout } from "../sql/AnswerTimeout.ts"
import { DatabaseClock, databaseNow } from "../sql/DatabaseClock.ts"
import { requireEffect } from "../sql/requireEffect.ts"
import { BacklogSchema } from "../sql/SchemaName.ts"

const secondsPerDay = 24 * 60 * 60

/** The backlog as it was at a moment. */
export interface BacklogAt {
  /** The position of the last event before the moment. */
  readonly position: number
  /** The time as of which leases and retry times are judged: the requested time, or when that event was recorded. */
  readonly time: DateTime.Utc
  /** Returns a card, or `Option.none()` when it did not exist. */
  readonly get: (id: string) => Effect.Effect<Option.Option<Card>, InvalidInput | ReadFailure | ServerFailure>
  /** Lists cards as `BacklogService.list` does, but does not search for words. */
  readonly list: (
    options?: PastListInput
  ) => Effect.Effect<ReadonlyArray<Card>, CardNotFound | InvalidInput | ReadFailure | ServerFailure>
  /** Streams the same cards. */
  readonly cards: (
    options?: PastListInput
  ) => Stream.Stream<Card, CardNotFound | InvalidInput | ReadFailure | ServerFailure>
  readonly stats: Stats
  /** Explains why a card could or could not be claimed. */
  readonly explain: (
    id: string
  ) => Effect.Effect<Explanation, CardNotFound | InvalidInput | ReadFailure | ServerFailure>
  /** Returns the cards that depended on a card, as `BacklogService.dependents` does. */
  readonly dependents: (
    input: DependentsInput
  ) => Effect.Effect<ReadonlyArray<GraphCard>, CardNotFound | InvalidInput | ReadFailure | ServerFailure>
  /** Returns the cards around a card, as `BacklogService.neighbourhood` does. */
  readonly neighbourhood: (
    input: NeighbourhoodInput
  ) => Effect.Effect<Neighbourhood, CardNotFound | InvalidInput | ReadFailure | ServerFailure>
  /** Returns what the completion of a card would have made claimable, and how many open cards waited for it. */
  readonly impact: (id: string) => Effect.Effect<Impact, CardNotFound | InvalidInput | ReadFailure | ServerFailure>
  /** Returns a longest chain of cards that were open. */
  readonly criticalPath: (
    options?: CriticalPathInput
  ) => Effect.Effect<ReadonlyArray<GraphCard>, InvalidInput | ReadFailure | ServerFailure>
}

/** The result of a rebuild, and of the verification after it. */
export interface RebuildReport extends RebuildResult {
  readonly verification: VerifyReport
}

/**
 * The history of the backlog: reads events and past states, proves that nothing was altered, and maintains the log.
 *
 * **When to use**
 *
 * Use to audit, to feed other systems with events, and to operate a backlog: verify, rebuild, redact, export, restore. To
 * work on cards, use `BacklogService`.
 *
 * **Details**
 *
 * All methods may also fail with:
 *
 * - `InvalidInput`: the input does not fit its schema, or the method cannot be part of a transaction and one is open. Nothing
 *   was written.
 * - `SqlError`: the database failed.
 * - `Unauthorized`, `Forbidden`, `TooManyRequests`, `Unreachable` (`ServerFailure`): only over `layerHttp`, where the server
 *   refuses the caller or cannot be reached.
 * - `DamagedEvent`, `UndecodableEvent` (in `LogFailure` and `ReadFailure`): an event of the log cannot be read. `verify`
 *   reports all of them.
 */
export class AuditService extends Context.Service<
  AuditService,
  {
    /**
     * Streams the events of a card, from its first to its last, also events of types that only a newer version of this
     * package knows.
     *
     * **Rejections**
     *
     * - `CardNotFound`: the log has no event of this card.
     */
    readonly history: (
      id: string
    ) => Stream.Stream<RecordedEvent, CardNotFound | InvalidInput | LogFailure | ServerFailure>

    /**
     * Returns a card as it was at a moment, or `Option.none()` when it did not exist then.
     *
     * **Details**
     *
     * Folds the card's events. It does not read the read model.
     *
     * **Example** (Reading a card as of a time)
     *
     * ```ts
     * const card = yield* audit.cardAt("design", { time: DateTime.makeUnsafe("2026-01-31T12:00:00Z") })
     * ```
     *
     * **Rejections**
     *
     * - `MomentNotReached`: the log ends before the position, the card has fewer events, or the time is in the future.
     */
    readonly cardAt: (
      id: string,
      at: CardMomentInput
    ) => Effect.Effect<Option.Option<Card>, MomentNotReached | InvalidInput | ReadFailure | ServerFailure>

    /**
     * Explains why a card could or could not be claimed at a moment.
     *
     * **Rejections**
     *
     * - `CardNotFound`: the card did not exist at that moment.
     * - `MomentNotReached`: as for `cardAt`.
     */
    readonly explainAt: (
      id: string,
      at: CardMomentInput
    ) => Effect.Effect<Explanation, CardNotFound | MomentNotReached | InvalidInput | ReadFailure | ServerFailure>

    /**
     * Reads the whole backlog as it was at a moment.
     *
     * **Details**
     *
     * Takes a few hundred bytes of memory for each card, independent of the length of the log.
     *
     * **Rejections**
     *
     * - `MomentNotReached`: the log ends before the position, or the time is in the future.
     */
    readonly backlogAt: (
      at: MomentInput
    ) => Effect.Effect<BacklogAt, MomentNotReached | InvalidInput | ReadFailure | ServerFailure>

    /**
     * Streams the cards that changed between two moments, by id: their states at both, and which fields differ.
     *
     * **Details**
     *
     * Reads the events between the moments, and all events of the cards that they changed. Fails with `InvalidInput` if
     * `from` is later than `to`.
     *
     * **Rejections**
     *
     * - `MomentNotReached`: the log ends before a position, or a time is in the future.
     */
    readonly diff: (
      between: DiffInput
    ) => Stream.Stream<CardDiff, MomentNotReached | InvalidInput | ReadFailure | ServerFailure>

    /**
     * Returns how cards flow through the backlog: what was created, claimed, completed, failed and expired in each bucket of a
     * range of time, percentiles of lead times and cycle times, and the age of ready cards. `Flow` defines each figure.
     *
     * **When to use**
     *
     * Use for charts and reports of throughput. For counts of the present cards, use `BacklogService.stats`.
     *
     * **Details**
     *
     * Reads the events of the range and the present state of its cards, but not the events before. Fails with `InvalidInput` if
     * `from` is later than `to`, or if the range has more than 1,000 buckets. With `by`, the answer has the groups with the
     * most events, at most 100 groups and 20,000 buckets of groups, and `omittedGroups` says how many others there are.
     *
     * **Example** (The throughput of each phase in a day)
     *
     * ```ts
     * const { groups } = yield* audit.flow({
     *   from: DateTime.makeUnsafe("2026-01-30T00:00:00Z"),
     *   to: DateTime.makeUnsafe("2026-01-31T00:00:00Z"),
     *   bucket: "hour",
     *   by: "phase"
     * })
     * ```
     *
     * **Rejections**
     *
     * - `MomentNotReached`: a time is in the future.
     */
    readonly flow: (options?: FlowInput) => Effect.Effect<Flow, MomentNotReached | InvalidInput | BacklogFailure>

    /**
     * Returns when the events of a range of positions were recorded: divides the range into parts with equal numbers of
     * events, and returns the first and the last event of each, with their times.
     *
     * **When to use**
     *
     * Use to show how busy the backlog was along the log, for example on a slider over positions.
     *
     * **Details**
     *
     * Reads two entries of an index for each part, whatever the length of the log. Fails with `InvalidInput` if `from` is
     * after `to`. An empty log has no parts.
     *
     * **Rejections**
     *
     * - `MomentNotReached`: the log ends before `from` or `to`.
     */
    readonly density: (
      options?: DensityInput
    ) => Effect.Effect<Density, MomentNotReached | InvalidInput | BacklogFailure>

    /**
     * Streams events in the order of their positions. With `follow: true` the stream continues with new events.
     *
     * **When to use**
     *
     * Use to export events or to watch them. To process each event once, with a durable checkpoint, use `consume`.
     *
     * **Details**
     *
     * A follower receives events of all processes, without gaps and duplicates. Commit notifications wake it up. It also
     * polls at `PollInterval`, which defaults to 1 second, because a notification can be lost.
     *
     * **Rejections**
     *
     * - `MomentNotReached`: the log ends before `after`. Under a follower the log ends before the last event that it
     *   received: the log was restored.
     */
    readonly events: (
      options?: EventsInput
    ) => Stream.Stream<RecordedEvent, InvalidInput | MomentNotReached | LogFailure | ServerFailure>

    /**
     * Passes every event after a consumer's checkpoint to a handler, and returns how many events were handled.
     *
     * **When to use**
     *
     * Use to keep tables of your own, or to send messages, without losing or repeating an event.
     *
     * **Details**
     *
     * The checkpoint moves in the transaction in which the handler writes, so what it writes to this database happens once
     * for each event, also when processes are killed. With `follow: true` the consumer runs until it is interrupted. When an
     * event fails `parkAfter` times, it is parked and the consumer continues. Otherwise the consumer fails with the handler's
     * error, after it committed the events before.
     *
     * **Gotchas**
     *
     * Effects outside of this database, such as messages, can happen more than once. Must not be part of a transaction.
     *
     * **Example** (Keeping a table of completed cards)
     *
     * ```ts
     * yield* audit.consume({
     *   consumer: "report",
     *   type: "CardCompleted",
     *   follow: true,
     *   handler: ({ cardId, recordedAt }) =>
     *     Effect.asVoid(sql`INSERT INTO report VALUES (${cardId}, ${DateTime.toDateUtc(recordedAt)})`)
     * })
     * ```
     *
     * **Rejections**
     *
     * - `CheckpointAhead`: the checkpoint is after the end of the log, as it is after a restore. Set it back with `advance`.
     * - `CheckpointMoved`: another program with the same consumer name moved the checkpoint.
     * - `MomentNotReached`: the log was restored while the consumer followed it.
     */
    readonly consume: <E, R>(
      options: ConsumeInput<E, R>
    ) => Effect.Effect<
      number,
      E | CheckpointAhead | CheckpointMoved | MomentNotReached | InvalidInput | LogFailure | ServerFailure,
      Exclude<R, Scope.Scope>
    >

    /** Lists the checkpoints of all consumers. */
    readonly checkpoints: Effect.Effect<ReadonlyArray<Checkpoint>, BacklogFailure>

    /** Returns the checkpoint of a consumer, or `Option.none()` when it has none. */
    readonly checkpoint: (consumer: string) => Effect.Effect<Option.Option<Checkpoint>, InvalidInput | BacklogFailure>

    /**
     * Moves the checkpoint of a consumer from one position to another, if it is at `from`. A consumer without a checkpoint is
     * at 0.
     *
     * **When to use**
     *
     * Use for consumers that read `events` themselves, or to reset a checkpoint after a restore.
     *
     * **Details**
     *
     * Is part of the caller's transaction where one is open. A checkpoint moves forward, up to the end of the log. It moves
     * backward only from a position after the end of the log.
     *
     * **Rejections**
     *
     * - `CheckpointMoved`: the checkpoint is not at `from`.
     * - `MomentNotReached`: the log ends before `to`.
     */
    readonly advance: (
      consumer: string,
      from: number,
      to: number
    ) => Effect.Effect<void, CheckpointMoved | MomentNotReached | InvalidInput | BacklogFailure>

    /**
     * Records that a consumer skipped an event, and why. Is part of the caller's transaction where one is open.
     *
     * **Rejections**
     *
     * - `MomentNotReached`: the log ends before the position.
     */
    readonly park: (
      consumer: string,
      position: number,
      reason: string
    ) => Effect.Effect<void, MomentNotReached | InvalidInput | BacklogFailure>

    /** Lists parked events, of all consumers or of one. */
    readonly parked: (consumer?: string) => Effect.Effect<ReadonlyArray<ParkedEvent>, InvalidInput | BacklogFailure>

    /** Removes an event from the list of parked events. Returns whether it was on the list. */
    readonly unpark: (consumer: string, position: number) => Effect.Effect<boolean, InvalidInput | BacklogFailure>

    /**
     * Verifies the log and the read model, and returns a report with all divergences.
     *
     * **When to use**
     *
     * Use regularly, after a restore, and with an `anchor` from elsewhere to detect a log that was replaced or truncated.
     *
     * **Details**
     *
     * Reads everything in one consistent snapshot while commands continue. Adds the outcome to the list of
     * `verifications`, unless the role or the database may not write.
     *
     * **Gotchas**
     *
     * Succeeds also when it finds divergences: check the report. Must not be part of a transaction.
     */
    readonly verify: (options?: VerifyOptions) => Effect.Effect<VerifyReport, InvalidInput | BacklogFailure>

    /**
     * Returns an anchor: the last position of the log with its chain hash and the time.
     *
     * **When to use**
     *
     * Use to keep a proof of the log outside the database. `keepAnchors` appends anchors to a file.
     *
     * **Details**
     *
     * Adds the anchor to the list of `anchors`, unless `record` is false, a transaction is open, or the role or the database may
     * not write.
     *
     * **Rejections**
     *
     * - `AnchorRefused`: the private key is not an Ed25519 key in PEM format.
     */
    readonly anchor: (options?: AnchorInput) => Effect.Effect<Anchor, AnchorRefused | BacklogFailure>

    /**
     * Lists the last 1,000 verifications that ended, the latest first.
     *
     * **Gotchas**
     *
     * The list is not part of the log and proves nothing: each entry is what a program reported. Only `verify` shows whether the
     * log is intact now.
     */
    readonly verifications: (
      options?: ObservationsInput
    ) => Effect.Effect<ReadonlyArray<Verification>, InvalidInput | BacklogFailure>

    /**
     * Lists the last 1,000 anchors that were made, the latest first. The same anchor that is made several times in a row is
     * listed once.
     *
     * **Gotchas**
     *
     * The list is not part of the log and proves nothing: an attacker who can change the log can also change it. Compare the log with an
     * anchor that was kept elsewhere.
     */
    readonly anchors: (
      options?: ObservationsInput
    ) => Effect.Effect<ReadonlyArray<MadeAnchor>, InvalidInput | BacklogFailure>

    /**
     * Rebuilds the read model from the log, and verifies everything.
     *
     * **When to use**
     *
     * Use when `verify` reports that the read model diverges from the log.
     *
     * **Details**
     *
     * Builds new tables next to the live ones while commands continue, and swaps them in one short transaction. When it is
     * interrupted, the backlog remains complete. Needs the privilege to create schemas.
     *
     * **Gotchas**
     *
     * Must not be part of a transaction. A REPEATABLE READ transaction that began before the swap and first reads cards after
     * it sees no cards: Postgres shows it the new tables without rows.
     *
     * **Rejections**
     *
     * - `RebuildRefused`: the tables have an index, a trigger, a view or another addition, which the new ones would not have.
     * - `RebuildBlocked`: the tables could not be locked within `swapTimeout`.
     * - `RebuildSuperseded`: another rebuild completed first.
     */
    readonly rebuild: (
      options?: RebuildInput
    ) => Effect.Effect<
      RebuildReport,
      RebuildBlocked | RebuildRefused | RebuildSuperseded | InvalidInput | ReadFailure | ServerFailure
    >

    /**
     * Erases parts of a card's events from the log and the read model, permanently.
     *
     * **When to use**
     *
     * Use to remove a leaked secret or the data of a person.
     *
     * **Details**
     *
     * Records a `CardRedacted` event with the actor and the reason. The events remain, with `[redacted]` in place of the
     * parts, and all hashes and anchors remain valid.
     *
     * **Gotchas**
     *
     * No read returns the parts afterwards, but their bytes remain in the data files until `removeErased` removes them. A
     * process whose role owns the tables does that in the background. `state` in the result shows whether they are removed.
     *
     * **Rejections**
     *
     * - `CardNotFound`: no card has this id.
     * - `CommandIdConflict`: the actor used the `commandId` for a command with other content.
     */
    readonly redact: (
      input: RedactInput
    ) => Effect.Effect<RedactedCard, CardNotFound | CommandIdConflict | InvalidInput | ReadFailure | ServerFailure>

    /** Lists redactions that erased something, and whether their bytes are still in the data files. */
    readonly erasures: (options?: ErasuresInput) => Effect.Effect<ReadonlyArray<Erasure>, InvalidInput | BacklogFailure>

    /**
     * Removes the bytes of all redactions from the data files.
     *
     * **When to use**
     *
     * Use when the bytes must be removed now. A process whose role owns the tables does it in the background; see
     * `RemovalSchedule`.
     *
     * **Details**
     *
     * Copies the rows of every table that can hold erasable text into new files while commands continue, and swaps them in,
     * table by table. Does nothing when no redaction is pending. Needs the privilege to create schemas.
     *
     * **Gotchas**
     *
     * Must not be part of a transaction. A REPEATABLE READ transaction that began before a swap and first reads the table
     * after it sees no rows.
     *
     * **Rejections**
     *
     * - `RemovalPending`: the removal could not complete. The error says why; the redactions remain pending.
     */
    readonly removeErased: (
      options?: RemovalOptions
    ) => Effect.Effect<RemovalReport, RemovalPending | InvalidInput | BacklogFailure>

    /**
     * Removes receipts of commands that are older than a number of days, and returns how many it removed.
     *
     * **Gotchas**
     *
     * A command that is sent again afterwards is carried out again. Keep receipts for longer than any program retries.
     */
    readonly pruneReceipts: (input: PruneReceiptsInput) => Effect.Effect<number, InvalidInput | BacklogFailure>

    /**
     * Streams the whole log as lines of text, for `importLog` and for verification without a database.
     *
     * **Gotchas**
     *
     * Reads one snapshot: its transaction stays open until the last line is read.
     */
    readonly exportLog: Stream.Stream<string, LogFailure | ServerFailure>

    /**
     * Invalidates all claims and tokens after the backlog was restored from a backup.
     *
     * **When to use**
     *
     * Must be called after each restore, before workers start.
     *
     * **Details**
     *
     * Raises the generation of tokens, so that no token from after the backup is issued again, and ends every claim with a
     * `CardReclaimed` event. Older tokens then fail with `ClaimLost`. Runs in one transaction, unless another program claims
     * cards at the same time.
     *
     * **Gotchas**
     *
     * Must not be part of a transaction. Each call begins another generation.
     */
    readonly restored: (input: RestoredInput) => Effect.Effect<RestoredBacklog, InvalidInput | BacklogFailure>

    /**
     * Imports the lines of `exportLog` into an empty backlog, completely or not at all, with the same positions, versions
     * and hashes. Then it does the same as `restored`.
     *
     * **Rejections**
     *
     * - `BacklogNotEmpty`: the backlog has events.
     * - `LogFileRefused`: a line is damaged, missing, or does not continue the hash chain.
     */
    readonly importLog: <E, R>(
      lines: Stream.Stream<FileLine, E, R>,
      options?: ImportLogInput
    ) => Effect.Effect<
      ImportedLog,
      E | BacklogNotEmpty | InvalidInput | LogFileRefused | ReadFailure | ServerFailure,
      R
    >
  }
>()("mosaic-backlog/services/AuditService") {
  /**
   * The service over any Postgres client, in the schema that `BacklogSchema` names. Applies missing migrations, unless
   * `BacklogOpening` says `existing`.
   */
  static readonly layer: Layer.Layer<
    AuditService,
    BacklogMissing | MigrationRefused | SqlError.SqlError,
    SqlClient.SqlClient
  > = Layer.effect(
    AuditService,
    Effect.gen(function* () {
      yield* requireOneEffect
      const sql = yield* SqlClient.SqlClient
      const schema = yield* BacklogSchema
      const clock = yield* DatabaseClock
      const log = yield* EventLog
      const gate = yield* ReadGate
      const readModel = yield* ReadModel
      const checkpoints = yield* Checkpoints
      const receipts = yield* Receipts
      const pollInterval = yield* PollInterval
      const tables = makeCardTables(sql, schema)
      const counts = makeCountsTable(sql, schema)
      const build = makeReadModelBuilder(sql, log, tables)
      const erasures = yield* Erasures
      yield* Effect.forkScoped(erasures.removeInBackground)
      const keyframeInterval = yield* KeyframeInterval
      const keyframes = makeKeyframes(sql, schema, log, keyframeInterval)
      const keyframeWriter = makeKeyframeWriter(sql, schema, log, keyframes, keyframeInterval)
      yield* Effect.forkScoped(writeKeyframes(keyframeWriter, gate.end))
      const observations = makeObservations(sql, schema, clock)
      const restore = makeRestoreBacklog(sql, tables, log, readModel)
      const mapReplicaErrors = withReplicaErrors(sql)

      const now = Effect.map(
        Effect.suspend(() => sql<{ readonly now: Date }>`SELECT ${databaseNow(sql, clock.override)} AS now`),
        (rows) => DateTime.fromDateUnsafe(rows[0]?.now ?? new Date(Number.NaN))
      )

      /** Methods that commit in between, or that read a snapshot of their own, cannot be part of a transaction. */
      const requireNoTransaction = (what: string) =>
        Effect.flatMap(Effect.serviceOption(sql.transactionService), (open) =>
          Option.isSome(open)
            ? Effect.fail(new InvalidInput({ problem: `${what} cannot be part of a transaction` }))
            : Effect.void
        )

      // An embedded database never gathers statistics by itself, and a server only after a while.
      const analyze = sql`ANALYZE ${sql(`${schema}.events`)}, ${tables.cards}, ${tables.dependencies}, ${tables.search}, ${tables.claimableLabels}`

      // Reads the log only: the read model may be damaged.
      const history = gate.stream("AuditService.history", (input: string) =>
        Stream.unwrap(
          Effect.map(decodeId(input), (id) =>
            Stream.orElseIfEmpty(gate.showEach(log.history(id)), () => Stream.fail(new CardNotFound({ id })))
          )
        )
      )

      const cardAt = gate.read(
        "AuditService.cardAt",
        Effect.fnUntraced(function* (input: string, at: CardMomentInput) {
          const id = yield* decodeId(input)
          const moment = yield* resolveCardMoment(log, gate, now, id, yield* decodeCardAt(at))
          if (Option.isNone(moment)) return outsideLog(Option.none<Card>())
          const { position } = moment.value
          const found = yield* Stream.runHead(foldCards(log, position, [id]))
          return { value: Option.map(found, ({ card }) => card), position }
        })
      )

      const explain = gate.read(
        "AuditService.explainAt",
        Effect.fnUntraced(function* (input: string, at: CardMomentInput) {
          const id = yield* decodeId(input)
          const moment = yield* resolveCardMoment(log, gate, now, id, yield* decodeCardAt(at))
          const explanation = Option.isNone(moment)
            ? Option.none<Explanation>()
            : yield* explainAt(log, moment.value, id)
          if (Option.isNone(moment) || Option.isNone(explanation)) return yield* new CardNotFound({ id })
          return { value: explanation.value, position: moment.value.position }
        })
      )

      const backlogAt = gate.read(
        "AuditService.backlogAt",
        Effect.fnUntraced(function* (input: MomentInput) {
          const moment = yield* resolveMoment(log, gate, now, yield* decodeAt(input))
          return {
            value: backlogAtOf(log, gate, yield* PastBacklog.at(log, keyframes, moment)),
            position: moment.position
          }
        }),
        { answer: "slow" }
      )

      const diff = gate.stream("AuditService.diff", (between: DiffInput) =>
        Stream.unwrap(
          Effect.gen(function* () {
            const { from, to } = yield* decodeDiff(between)
            const { position: after } = yield* resolveMoment(log, gate, now, from)
            const { position: upTo } = yield* to === undefined ? gate.end : resolveMoment(log, gate, now, to)
            if (after > upTo) {
              return yield* new InvalidInput({
                problem: `the first moment (position ${after}) is later than the second (position ${upTo})\n  at ["from"]`
              })
            }
            yield* gate.awaitShowable(upTo)
            return diffCards(log, after, upTo)
          })
        )
      )

      const readFlow = makeReadFlow(sql, schema, tables)
      const flow = gate.read(
        "AuditService.flow",
        Effect.fnUntraced(function* (input: FlowInput = {}) {
          const { by, ...options } = yield* decodeFlow(input)
          return yield* readFlow({ ...(yield* resolveFlowRange(log, gate, now, options)), by })
        }),
        { answer: "slow" }
      )

      const readDensity = makeReadDensity(sql, schema)
      const density = gate.read(
        "AuditService.density",
        Effect.fnUntraced(function* (input: DensityInput = {}) {
          const { buckets = 100, from = 1, to } = yield* decodeDensityOptions(input)
          if (to !== undefined && from > to) {
            return yield* new InvalidInput({
              problem: `the range begins at position ${from}, after its end at position ${to}\n  at ["from"]`
            })
          }
          // The first position of the default range need not exist.
          const { position: end } = yield* gate.requireReached(to ?? (input.from === undefined ? 0 : from))
          const range = { from, to: to ?? end, buckets }
          return { value: yield* readDensity(range), position: range.to }
        })
      )

      const events = gate.stream("AuditService.events", (input: EventsInput = {}) =>
        Stream.unwrap(
          Effect.gen(function* () {
            const options = yield* decodeEventOptions(input)
            const type = yield* resolveEventType(log, options.type)
            return feed(log, gate, {
              ...options,
              type,
              after: options.after ?? 0,
              follow: options.follow === true,
              pollInterval
            })
          })
        )
      )

      const verified = gate.read(
        "AuditService.verify",
        Effect.fnUntraced(function* (input: VerifyOptions = {}) {
          const { actor, ...options } = yield* decodeVerifyOptions(input)
          yield* requireNoTransaction("a verification")
          const began = yield* Clock.currentTimeMillis
          // Shows at once that the verification has begun. A rebuild may hold the tables for a while.
          const head = Option.getOrUndefined(yield* log.findHead)
          yield* gate.awaitShowable(head?.position ?? 0)
          yield* options.onProgress?.(0, (head?.position ?? 0) * 2) ?? Effect.void
          const { anchorMatched, report } = yield* gate.inSnapshot(
            Effect.gen(function* () {
              // Before the snapshot is taken, so that no rebuild or removal swaps the tables in between.
              yield* sql`LOCK TABLE ${tables.cards}, ${tables.dependencies}, ${tables.search}, ${tables.claimableLabels}, ${sql(`${schema}.events`)} IN ACCESS SHARE MODE`
              return yield* verify(sql, schema, log, gate, tables, counts, yield* now, options)
            })
          )
          const durationMillis = Math.max(0, (yield* Clock.currentTimeMillis) - began)
          yield* observations.recordVerification({ report, anchorMatched, durationMillis, actor })
          return { value: report, position: report.position }
        }),
        { answer: "slow" }
      )

      const anchor = gate.read(
        "AuditService.anchor",
        Effect.fnUntraced(function* (options: AnchorInput = {}) {
          const { actor, privateKey, record = true } = yield* decodeAnchorOptions(options)
          const { chainHash, position, recordedAt } = yield* gate.end
          // The clock may have been set back, or the log imported from a machine whose clock is ahead.
          const last = DateTime.makeUnsafe((recordedAt ?? 0) / 1000)
          const unsigned: Anchor = { position, chainHash, at: DateTime.max(yield* now, last), signature: null }
          const signed =
            privateKey === undefined ? unsigned : yield* Effect.fromResult(signAnchor(unsigned, privateKey))
          if (record) yield* observations.recordAnchor(signed, actor)
          return { value: signed, position }
        })
      )

      const rebuilt: AuditService["Service"]["rebuild"] = Effect.fn("AuditService.rebuild")(function* (input = {}) {
        const options = yield* decodeRebuildOptions(input)
        yield* requireNoTransaction("a rebuild")
        const onProgress = options.onProgress ?? (() => Effect.void)
        const done = yield* withoutAnswerTimeout(
          rebuild({
            sql,
            log,
            gate,
            schema,
            now,
            createTables: (shadowSchema) => createTables(sql, shadowSchema),
            onProgress,
            swapTimeout: Duration.fromInputUnsafe(options.swapTimeout ?? "1 minute")
          })
        )
        const verification = yield* verified({
          onProgress: (checked, total) => onProgress({ phase: "verifying", done: checked, total })
        })
        return { ...done, verification }
      }, mapReplicaErrors)

      return AuditService.of({
        history,
        cardAt,
        explainAt: explain,
        backlogAt,
        diff,
        flow,
        density,
        events,
        consume: <E, R>(input: ConsumeInput<E, R>) =>
          gate.read(
            "AuditService.consume",
            Effect.fnUntraced(function* () {
              yield* requireNoTransaction("a consumer")
              const options = yield* decodeConsumer(input)
              const handled = yield* consume<E, R>(sql, log, gate, checkpoints, {
                ...options,
                type: yield* resolveEventType(log, options.type),
                handler: options.handler as typeof input.handler,
                follow: options.follow === true,
                batchSize: options.batchSize ?? 100,
                parkAfter: options.parkAfter,
                pollInterval
              })
              return outsideLog(handled)
            }),
            { answer: "slow" }
          )(),
        checkpoints: gate.read("AuditService.checkpoints", () => Effect.map(checkpoints.list, shownLast))(),
        checkpoint: gate.read("AuditService.checkpoint", (consumer: string) =>
          Effect.map(Effect.flatMap(decodeName(consumer), checkpoints.get), (found) => ({
            value: found,
            position: Option.match(found, { onNone: () => 0, onSome: ({ position }) => position })
          }))
        ),
        advance: Effect.fn("AuditService.advance")(function* (consumer, from, to) {
          yield* decodeMove({ from, to })
          const name = yield* decodeName(consumer)
          if (to < from) {
            const head = yield* gate.end
            if (from <= head.position) {
              return yield* new InvalidInput({
                problem: `a checkpoint moves forward: from ${from} it is not set back to ${to}, since the log ends at ${head.position}`
              })
            }
          }
          return yield* checkpoints.advance(name, from, to)
        }, mapReplicaErrors),
        park: Effect.fn("AuditService.park")(function* (consumer, position, reason) {
          const name = yield* decodeName(consumer)
          const parked = yield* decodePosition(position)
          const why = yield* decodeReason(reason)
          yield* gate.requireReached(parked)
          return yield* checkpoints.park(name, parked, why)
        }, mapReplicaErrors),
        parked: gate.read("AuditService.parked", (consumer?: string) =>
          Effect.map(
            consumer === undefined ? checkpoints.parked() : Effect.flatMap(decodeName(consumer), checkpoints.parked),
            shownLast
          )
        ),
        unpark: Effect.fn("AuditService.unpark")(function* (consumer, position) {
          return yield* checkpoints.unpark(yield* decodeName(consumer), yield* decodePosition(position))
        }, mapReplicaErrors),
        verify: verified,
        anchor,
        verifications: gate.read("AuditService.verifications", (input: ObservationsInput = {}) =>
          Effect.map(
            Effect.flatMap(decodeObservationsOptions(input), ({ limit = defaultPageSize }) =>
              observations.verifications(limit)
            ),
            shownLast
          )
        ),
        anchors: gate.read("AuditService.anchors", (input: ObservationsInput = {}) =>
          Effect.map(
            Effect.flatMap(decodeObservationsOptions(input), ({ limit = defaultPageSize }) =>
              observations.anchors(limit)
            ),
            shownLast
          )
        ),
        rebuild: rebuilt,
        redact: Effect.fn("AuditService.redact")(function* (input) {
          const command = yield* decodeRedact(input)
          return yield* redactCard({ sql, schema, log, readModel, receipts, erasures }, command)
        }, mapReplicaErrors),
        erasures: gate.read("AuditService.erasures", (input: ErasuresInput = {}) =>
          Effect.map(Effect.flatMap(decodeErasureOptions(input), erasures.list), shownLast)
        ),
        removeErased: Effect.fn("AuditService.removeErased")(function* (input = {}) {
          const options = yield* decodeRemovalOptions(input)
          yield* requireNoTransaction("a removal of erased bytes")
          return yield* erasures.remove(options)
        }, mapReplicaErrors),
        pruneReceipts: Effect.fn("AuditService.pruneReceipts")(function* (input) {
          const { olderThanDays } = yield* decodePruneReceipts(input)
          return yield* withoutAnswerTimeout(receipts.prune(olderThanDays * secondsPerDay))
        }, mapReplicaErrors),
        exportLog: gate.stream("AuditService.exportLog", () => exportLog(sql, log, gate, schema))(),
        restored: Effect.fn("AuditService.restored")(function* (input) {
          const { actor } = yield* decodeRestored(input)
          yield* requireNoTransaction("a restore")
          return yield* restore.restoreBacklog(actor)
        }, mapReplicaErrors),
        importLog: (lines, options = {}) =>
          Effect.flatMap(decodeRestored({ actor: options.actor ?? "import" }), ({ actor }) =>
            importLog({
              sql,
              log,
              build,
              recount: counts.recount,
              now,
              analyze,
              endClaims: (atLeast) => restore.beginGeneration("imported", actor, atLeast),
              lines,
              onProgress: requireEffect("onProgress", options.onProgress ?? (() => Effect.void))
            })
          ).pipe(mapReplicaErrors)
      })
    })
  ).pipe(
    Layer.provide([Receipts.layer, Erasures.layer, layerReadGate]),
    Layer.provide([layerEventLog, ReadModel.layer, Checkpoints.layer]),
    Layer.provide(Migrations.layer)
  )
}

/** Rows that name positions show the greatest of them. */
const shownLast = <A extends { readonly position: number }>(rows: ReadonlyArray<A>): Shown<ReadonlyArray<A>> => ({
  value: rows,
  position: rows.reduce((last, { position }) => Math.max(last, position), 0)
})

const backlogAtOf = (log: EventLog["Service"], gate: ReadGate["Service"], past: PastBacklog): BacklogAt => {
  const { now: time, position } = past.moment
  const found = <A, E>(id: CardId, query: Effect.Effect<Option.Option<A>, E>) =>
    Effect.flatMap(
      query,
      Option.match({
        onNone: () => Effect.fail(new CardNotFound({ id })),
        onSome: (value) => Effect.succeed({ value, position })
      })
    )
  const cards = gate.stream("BacklogAt.backlogAt.cards", (options: PastListInput = {}) =>
    Stream.unwrap(
      Effect.gen(function* () {
        const { changedSince, ...conditions } = yield* decodePastListOptions(options)
        yield* gate.awaitShowable(position)
        const place = conditions.after ?? conditions.before
        if (place !== undefined) {
          const card = yield* past.get(place)
          if (Option.isNone(card)) return yield* new CardNotFound({ id: place })
          yield* refuseLostPlace(conditions, Effect.succeed(card))
        }
        const changedAfter =
          changedSince === undefined ? undefined : yield* log.read.positionBefore(DateTime.toDateUtc(changedSince))
        return past.cards({ ...conditions, changedAfter })
      })
    )
  )
  return {
    position,
    time,
    get: gate.read("BacklogAt.backlogAt.get", (input: string) =>
      Effect.map(
        Effect.flatMap(decodeId(input), (id) => past.get(id)),
        (value) => ({ value, position })
      )
    ),
    list: gate.read("BacklogAt.backlogAt.list", (options?: PastListInput) =>
      Effect.map(Stream.runCollect(cards(options)), (value) => ({ value, position }))
    ),
    cards,
    stats: past.stats,
    explain: gate.read(
      "BacklogAt.backlogAt.explain",
      Effect.fnUntraced(function* (input: string) {
        const id = yield* decodeId(input)
        const explanation = yield* past.explain(id)
        return Option.isNone(explanation) ? yield* new CardNotFound({ id }) : { value: explanation.value, position }
      })
    ),
    dependents: gate.read(
      "BacklogAt.backlogAt.dependents",
      Effect.fnUntraced(function* (input: DependentsInput) {
        const { limit = defaultPageSize, ...filter } = yield* decodeDependentsOptions(input)
        return yield* found(filter.id, past.dependents({ ...filter, limit }))
      })
    ),
    neighbourhood: gate.read(
      "BacklogAt.backlogAt.neighbourhood",
      Effect.fnUntraced(function* (input: NeighbourhoodInput) {
        const { hops = 1, id, limit = defaultPageSize } = yield* decodeNeighbourhoodOptions(input)
        return yield* found(id, past.neighbourhood({ id, hops, limit }))
      })
    ),
    impact: gate.read(
      "BacklogAt.backlogAt.impact",
      Effect.fnUntraced(function* (input: string) {
        const id = yield* decodeId(input)
        return yield* found(id, past.impact(id))
      })
    ),
    criticalPath: gate.read("BacklogAt.backlogAt.criticalPath", (input: CriticalPathInput = {}) =>
      Effect.map(
        Effect.flatMap(decodeCriticalPathOptions(input), (options) => past.criticalPath(options)),
        (value) => ({ value, position })
      )
    )
  }
}
