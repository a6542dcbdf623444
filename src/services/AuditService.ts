import { Context, DateTime, Duration, Effect, Layer, Option, type Scope, Stream } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type { Card } from "../domain/Card.ts"
import type { Explanation } from "../domain/Explanation.ts"
import type { Redact } from "../domain/Redaction.ts"
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
import { EventLog, type LogFailure } from "../events/EventLog.ts"
import type { LogFileRefused } from "../events/LogFile.ts"
import { type MomentNotReached, requireReached } from "../events/MomentNotReached.ts"
import type { RecordedEvent } from "../events/RecordedEvent.ts"
import { consume } from "../events/consume.ts"
import { feed } from "../events/feed.ts"
import { withReplicaErrors } from "../events/replica.ts"
import { makeCountsTable } from "../projections/CardCounts.ts"
import { makeCardTables } from "../projections/CardTables.ts"
import type { VerifyReport } from "../projections/Divergence.ts"
import type { FileLine } from "../projections/LogFileCheck.ts"
import { explainAt, PastBacklog } from "../projections/PastBacklog.ts"
import { ReadModel } from "../projections/ReadModel.ts"
import { makeReadModelBuilder } from "../projections/ReadModelBuilder.ts"
import { foldCards, type ReadFailure } from "../projections/foldCards.ts"
import {
  rebuild,
  type RebuildBlocked,
  type RebuildProgress,
  type RebuildRefused,
  type RebuildResult,
  type RebuildSuperseded
} from "../projections/rebuild.ts"
import type { RemovalPending } from "../projections/rewriteTables.ts"
import { verify, type VerifyOptions } from "../projections/verify.ts"
import { decodeListOptions, type ListOptions } from "./BacklogInput.ts"
import { type Erasure, Erasures, type RemovalOptions, type RemovalReport } from "./audit/Erasures.ts"
import { InvalidInput } from "./decodeInput.ts"
import { resolveEventType } from "./audit/EventTypeFilter.ts"
import {
  decodeAnchorOptions,
  decodeAt,
  decodeCardAt,
  decodeConsumer,
  decodeErasureOptions,
  decodeEventOptions,
  decodeId,
  decodeMove,
  decodeName,
  decodePosition,
  decodePruneReceipts,
  decodeReason,
  decodeRebuildOptions,
  decodeRedact,
  decodeRemovalOptions,
  decodeRestored,
  decodeVerifyOptions,
  type EventOptions,
  type PruneReceipts,
  type Restored
} from "./audit/auditInput.ts"
import { type BacklogNotEmpty, exportLog, type ImportedLog, importLog } from "./audit/logTransfer.ts"
import { type At, type CardAt, resolveCardMoment, resolveMoment } from "./audit/moments.ts"
import { redactCard, type RedactedCard } from "./audit/redactCard.ts"
import { makeRestoreBacklog, type RestoredBacklog } from "./audit/restoreBacklog.ts"
import { Receipts } from "./commands/Receipts.ts"
import type { BacklogMissing } from "./schema/BacklogOpening.ts"
import { createTables, type MigrationRefused, Migrations } from "./schema/Migrations.ts"
import { layerEventLog } from "./driverLayers.ts"
import { PollInterval } from "./waiting/CommitNotifications.ts"
import { withoutAnswerTimeout } from "../sql/AnswerTimeout.ts"
import { DatabaseClock, databaseNow } from "../sql/DatabaseClock.ts"
import { BacklogSchema } from "../sql/SchemaName.ts"
import { inTransaction } from "../sql/inTransaction.ts"

export { EventOptions, PruneReceipts, Restored } from "./audit/auditInput.ts"

/** How a consumer takes events: of those that a feed would give, each once. */
export interface ConsumerOptions<E, R> extends Omit<typeof EventOptions.Encoded, "after"> {
  /** The consumer's name, under which its checkpoint is kept. */
  readonly consumer: string
  /** What is done with each event. What it writes to this database is committed with the checkpoint. */
  readonly handler: (event: RecordedEvent) => Effect.Effect<void, E, R>
  /** Events in one transaction, 100 unless told otherwise. */
  readonly batchSize?: number | undefined
  /**
   * After how many tries an event that fails, or whose handler has a defect, is parked with its reason; when absent the
   * failure ends the consumer.
   */
  readonly parkAfter?: number | undefined
}

const secondsPerDay = 24 * 60 * 60

/** The backlog as it stood at a moment. */
export interface BacklogAt {
  /** The last event that had happened. */
  readonly position: number
  /** By which leases and retry times are judged: when that event was recorded, or the time that was asked for. */
  readonly time: DateTime.Utc
  readonly get: (id: string) => Effect.Effect<Option.Option<Card>, InvalidInput | ReadFailure>
  /** Cards in claim order, as `BacklogService.list` would have given them. */
  readonly list: (
    options?: typeof ListOptions.Encoded
  ) => Effect.Effect<ReadonlyArray<Card>, CardNotFound | InvalidInput | ReadFailure>
  /** The same, read as they are taken. */
  readonly cards: (
    options?: typeof ListOptions.Encoded
  ) => Stream.Stream<Card, CardNotFound | InvalidInput | ReadFailure>
  readonly stats: Stats
  readonly explain: (id: string) => Effect.Effect<Explanation, CardNotFound | InvalidInput | ReadFailure>
}

/** What a rebuild did, and what the verification after it found. */
export interface RebuildReport extends RebuildResult {
  readonly verification: VerifyReport
}

/** What happened, what was, and the proof of both, for those who must be able to say so. */
export class AuditService extends Context.Service<
  AuditService,
  {
    /** Every event of a card, first to last, also those of types that this program does not know. */
    readonly history: (id: string) => Stream.Stream<RecordedEvent, CardNotFound | InvalidInput | LogFailure>
    /** A card as it stood at a moment: `{ position }`, `{ version }` or `{ time }`; none when it did not exist then. */
    readonly cardAt: (
      id: string,
      at: typeof CardAt.Encoded
    ) => Effect.Effect<Option.Option<Card>, MomentNotReached | InvalidInput | ReadFailure>
    /** Why a card could or could not be claimed at a moment. */
    readonly explainAt: (
      id: string,
      at: typeof CardAt.Encoded
    ) => Effect.Effect<Explanation, CardNotFound | MomentNotReached | InvalidInput | ReadFailure>
    /**
     * The whole backlog as it stood at a moment: after the event at `{ position }`, or after the last that was recorded by
     * `{ time }`. Holds some hundred bytes a card, whatever the length of the log.
     */
    readonly backlogAt: (
      at: typeof At.Encoded
    ) => Effect.Effect<BacklogAt, MomentNotReached | InvalidInput | ReadFailure>
    /**
     * Events in the order of positions; with `follow` those to come too, without a gap or a duplicate in between, as soon
     * as they are committed, on any process. Fails with `MomentNotReached` when the log ends before `after`, or, under a
     * follower, before the last event that it has seen: the log was restored.
     */
    readonly events: (
      options?: typeof EventOptions.Encoded
    ) => Stream.Stream<RecordedEvent, InvalidInput | MomentNotReached | LogFailure>
    /**
     * Gives a consumer every event after its durable checkpoint, and moves that in the transaction in which the handler
     * writes: each event is handled once as far as this database can tell, whatever is killed when. An event that fails
     * `parkAfter` times is parked; what fails otherwise ends the consumer with the handler's error, after committing what
     * was done before it. Returns how many events were handled. Fails with `CheckpointAhead` when the checkpoint is beyond
     * the end of the log, as after a restore.
     */
    readonly consume: <E, R>(
      options: ConsumerOptions<E, R>
    ) => Effect.Effect<
      number,
      E | CheckpointAhead | CheckpointMoved | MomentNotReached | InvalidInput | LogFailure,
      Exclude<R, Scope.Scope>
    >
    /** Every consumer's checkpoint. */
    readonly checkpoints: Effect.Effect<ReadonlyArray<Checkpoint>, SqlError.SqlError>
    /** A consumer's checkpoint, if it has one. */
    readonly checkpoint: (
      consumer: string
    ) => Effect.Effect<Option.Option<Checkpoint>, InvalidInput | SqlError.SqlError>
    /**
     * Moves a checkpoint, in the caller's transaction where one is open, if it still is at `from` (0 when there is none):
     * of two consumers of one name only one moves it. It moves forward, to the end of the log at most; from beyond the end
     * of the log, where a restore leaves it, it may be set back to any position.
     */
    readonly advance: (
      consumer: string,
      from: number,
      to: number
    ) => Effect.Effect<void, CheckpointMoved | MomentNotReached | InvalidInput | SqlError.SqlError>
    /** Notes that a consumer has gone past an event, and why; in the caller's transaction where one is open. */
    readonly park: (
      consumer: string,
      position: number,
      reason: string
    ) => Effect.Effect<void, MomentNotReached | InvalidInput | SqlError.SqlError>
    /** What is parked, of every consumer or of one. */
    readonly parked: (consumer?: string) => Effect.Effect<ReadonlyArray<ParkedEvent>, InvalidInput | SqlError.SqlError>
    /** Takes an event off the list of parked ones, when it was dealt with; answers whether it was on it. */
    readonly unpark: (consumer: string, position: number) => Effect.Effect<boolean, InvalidInput | SqlError.SqlError>
    /**
     * Verifies the whole log and the read model in one consistent snapshot, while commands go on, and that the log still
     * holds to an anchor. Finding divergences is not a failure: the report has them. Must not be part of a transaction.
     */
    readonly verify: (options?: VerifyOptions) => Effect.Effect<VerifyReport, InvalidInput | SqlError.SqlError>
    /** Where the log ends now, to be kept elsewhere; signed when an Ed25519 private key in PEM is given. */
    readonly anchor: (options?: {
      readonly privateKey?: string | undefined
    }) => Effect.Effect<Anchor, AnchorRefused | SqlError.SqlError>
    /**
     * Makes the read model anew from the log, beside the live one, while commands go on, and swaps the two in one short
     * transaction; then verifies everything. Ended at any point it leaves a whole backlog, before the swap as it was. Must
     * not be part of a transaction. Needs the right to create schemas. `swapTimeout` is how long to try to get hold of the
     * tables, 1 minute unless told otherwise. What was added to the tables (an index, a trigger, a view on them) is not
     * made again: the rebuild is refused while there is any. A REPEATABLE READ transaction that began before the swap and
     * reads cards for the first time after it does not see them: Postgres shows it new tables without their rows.
     */
    readonly rebuild: (options?: {
      readonly onProgress?: ((progress: RebuildProgress) => Effect.Effect<void>) | undefined
      readonly swapTimeout?: Duration.Input | undefined
    }) => Effect.Effect<RebuildReport, RebuildBlocked | RebuildRefused | RebuildSuperseded | InvalidInput | ReadFailure>
    /**
     * Erases parts of a card's events from the log and the read model, permanently, and records who did so and why. The
     * events remain, visibly redacted, and every hash and anchor still holds. `state` says whether the bytes are still in
     * the data files: `removeErased` removes them, and so does the process that owns the tables, in the background. With a `commandId` it is carried out once,
     * like every command of `BacklogService`.
     */
    readonly redact: (
      input: typeof Redact.Encoded
    ) => Effect.Effect<RedactedCard, CardNotFound | CommandIdConflict | InvalidInput | ReadFailure>
    /** Redactions that erased something, and whether their bytes are still in the data files: all, or only the pending. */
    readonly erasures: (options?: {
      readonly pending?: boolean | undefined
    }) => Effect.Effect<ReadonlyArray<Erasure>, InvalidInput | SqlError.SqlError>
    /**
     * Removes the bytes of all redactions from the data files: copies the live rows of every table that can hold erasable
     * text into new files, while commands continue, and swaps these in, table by table. Does nothing where no redaction is
     * pending. A process whose role owns the tables does the same by itself (`RemovalSchedule`). `swapTimeout` is how long
     * to try to take the locks of a table. Defaults to 1 minute. Fails with `RemovalPending`, which says what keeps it from
     * completing; the redactions stay pending then. Must not be part of a transaction. Needs the right to create schemas. A
     * REPEATABLE READ transaction that began before a swap and first reads the table after it sees it empty.
     */
    readonly removeErased: (
      options?: RemovalOptions
    ) => Effect.Effect<RemovalReport, RemovalPending | InvalidInput | SqlError.SqlError>
    /**
     * Removes receipts of commands by age, and answers how many. A retry that comes after that is a new command, so keep
     * them for longer than anybody may retry.
     */
    readonly pruneReceipts: (
      input: typeof PruneReceipts.Encoded
    ) => Effect.Effect<number, InvalidInput | SqlError.SqlError>
    /**
     * The whole log as lines of text, for `importLog`, and to be verified without a database. Read in one snapshot, whose
     * transaction is open until the last line was taken.
     */
    readonly exportLog: Stream.Stream<string, LogFailure>
    /**
     * Must be called after a backlog was restored from a backup. Raises the generation, so that no token that was handed
     * out after the backup is handed out again, and ends every live claim with a `CardReclaimed` event. Tokens of older
     * generations then fail with `ClaimLost`. In one transaction, if no other program claims meanwhile. Calling it again
     * begins another generation. Must not be part of a transaction.
     */
    readonly restored: (
      input: typeof Restored.Encoded
    ) => Effect.Effect<RestoredBacklog, InvalidInput | SqlError.SqlError>
    /**
     * Imports such lines into an empty backlog, all or nothing, with the same positions, versions and hashes. Then does the
     * same as `restored`, by `actor`. Defaults to "import".
     */
    readonly importLog: <E, R>(
      lines: Stream.Stream<FileLine, E, R>,
      options?: {
        readonly actor?: string | undefined
        readonly onProgress?: ((done: number, total: number) => Effect.Effect<void>) | undefined
      }
    ) => Effect.Effect<ImportedLog, E | BacklogNotEmpty | InvalidInput | LogFileRefused | ReadFailure, R>
  }
>()("mosaic-backlog/services/AuditService") {
  /** Audit over any Postgres client, in the schema that `BacklogSchema` names. Applies the migrations that are missing. */
  static readonly layer: Layer.Layer<
    AuditService,
    BacklogMissing | MigrationRefused | SqlError.SqlError,
    SqlClient.SqlClient
  > = Layer.effect(
    AuditService,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const schema = yield* BacklogSchema
      const clock = yield* DatabaseClock
      const log = yield* EventLog
      const readModel = yield* ReadModel
      const checkpoints = yield* Checkpoints
      const receipts = yield* Receipts
      const pollInterval = yield* PollInterval
      const tables = makeCardTables(sql, schema)
      const counts = makeCountsTable(sql, schema)
      const build = makeReadModelBuilder(sql, log, tables)
      const erasures = yield* Erasures
      yield* Effect.forkScoped(erasures.removeInBackground)
      const endClaims = makeRestoreBacklog(sql, tables, log, readModel)
      const named = withReplicaErrors(sql)
      const namedStream = <A, E>(stream: Stream.Stream<A, E | SqlError.SqlError>) =>
        Stream.catch(stream, (error) => Stream.fromEffect(named(Effect.fail(error))))

      const now = Effect.map(
        Effect.suspend(() => sql<{ readonly now: Date }>`SELECT ${databaseNow(sql, clock.override)} AS now`),
        (rows) => DateTime.fromDateUnsafe(rows[0]?.now ?? new Date(Number.NaN))
      )

      /** What sees more than one state of the database, or commits in between, cannot be part of a transaction. */
      const alone = (what: string) =>
        Effect.flatMap(Effect.serviceOption(sql.transactionService), (open) =>
          Option.isSome(open)
            ? Effect.fail(new InvalidInput({ problem: `${what} cannot be part of a transaction` }))
            : Effect.void
        )

      // An embedded database never gathers statistics by itself, and a server not at once.
      const analyze = sql`ANALYZE ${sql(`${schema}.events`)}, ${tables.cards}, ${tables.dependencies}`

      // By the log alone: the read model may be what is doubted.
      const history = (input: string) =>
        Stream.unwrap(
          Effect.map(decodeId(input), (id) =>
            Stream.orElseIfEmpty(log.history(id), () => Stream.fail(new CardNotFound({ id })))
          )
        )

      const cardAt = Effect.fn("AuditService.cardAt")(function* (input: string, at: typeof CardAt.Encoded) {
        const id = yield* decodeId(input)
        const moment = yield* resolveCardMoment(log, now, id, yield* decodeCardAt(at))
        if (Option.isNone(moment)) return Option.none<Card>()
        const found = yield* Stream.runHead(foldCards(log, moment.value.position, [id]))
        return Option.map(found, ({ card }) => card)
      }, named)

      const explain = Effect.fn("AuditService.explainAt")(function* (input: string, at: typeof CardAt.Encoded) {
        const id = yield* decodeId(input)
        const moment = yield* resolveCardMoment(log, now, id, yield* decodeCardAt(at))
        const explanation = Option.isNone(moment) ? Option.none<Explanation>() : yield* explainAt(log, moment.value, id)
        return Option.isNone(explanation) ? yield* new CardNotFound({ id }) : explanation.value
      }, named)

      const backlogAt = Effect.fn("AuditService.backlogAt")(function* (input: typeof At.Encoded) {
        const moment = yield* resolveMoment(log, now, yield* decodeAt(input))
        return backlogAtOf(yield* PastBacklog.at(log, moment))
      }, named)

      const events = (input: typeof EventOptions.Encoded = {}) =>
        Stream.unwrap(
          Effect.gen(function* () {
            const options = yield* decodeEventOptions(input)
            const type = yield* resolveEventType(log, options.type)
            return feed(log, {
              ...options,
              type,
              after: options.after ?? 0,
              follow: options.follow === true,
              pollInterval
            })
          })
        )

      const verified = Effect.fn("AuditService.verify")(function* (input: VerifyOptions = {}) {
        const options = yield* decodeVerifyOptions(input)
        yield* alone("a verification")
        return yield* Effect.gen(function* () {
          // Before the snapshot is taken, so that no rebuild or removal swaps the tables between the two.
          yield* sql`LOCK TABLE ${tables.cards}, ${tables.dependencies}, ${sql(`${schema}.events`)} IN ACCESS SHARE MODE`
          return yield* verify(sql, log, tables, counts, yield* now, options)
        }).pipe(
          inTransaction(sql),
          Effect.provideService(SqlClient.BeginTransaction, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
          named
        )
      })

      const anchor = Effect.fn("AuditService.anchor")(function* (
        options: { readonly privateKey?: string | undefined } = {}
      ) {
        const { privateKey } = yield* decodeAnchorOptions(options)
        const { chainHash, position, recordedAt } = yield* log.head("read")
        // Where the database's clock was set back, or a log has come from a machine whose clock is ahead.
        const last = DateTime.makeUnsafe((recordedAt ?? 0) / 1000)
        const unsigned: Anchor = { position, chainHash, at: DateTime.max(yield* now, last), signature: null }
        return privateKey === undefined ? unsigned : yield* Effect.fromResult(signAnchor(unsigned, privateKey))
      }, named)

      const rebuilt: AuditService["Service"]["rebuild"] = Effect.fn("AuditService.rebuild")(function* (input = {}) {
        const options = yield* decodeRebuildOptions(input)
        yield* alone("a rebuild")
        const onProgress = options.onProgress ?? (() => Effect.void)
        const done = yield* withoutAnswerTimeout(
          rebuild({
            sql,
            log,
            schema,
            now,
            createTables: (beside) => createTables(sql, beside),
            onProgress,
            swapTimeout: Duration.fromInputUnsafe(options.swapTimeout ?? "1 minute")
          })
        )
        const verification = yield* verified({
          onProgress: (checked, total) => onProgress({ phase: "verifying", done: checked, total })
        })
        return { ...done, verification }
      }, named)

      return AuditService.of({
        history: (id) => namedStream(history(id)),
        cardAt,
        explainAt: explain,
        backlogAt,
        events: (options) => namedStream(events(options)),
        consume: <E, R>(input: ConsumerOptions<E, R>) =>
          Effect.gen(function* () {
            yield* alone("a consumer")
            const options = yield* decodeConsumer(input)
            return yield* consume<E, R>(sql, log, checkpoints, {
              ...options,
              type: yield* resolveEventType(log, options.type),
              handler: options.handler as typeof input.handler,
              follow: options.follow === true,
              batchSize: options.batchSize ?? 100,
              parkAfter: options.parkAfter,
              pollInterval
            })
          }).pipe(named),
        checkpoints: named(checkpoints.list),
        checkpoint: (consumer) => named(Effect.flatMap(decodeName(consumer), checkpoints.get)),
        advance: Effect.fn("AuditService.advance")(function* (consumer, from, to) {
          yield* decodeMove({ from, to })
          const name = yield* decodeName(consumer)
          if (to < from) {
            const head = yield* log.head("read")
            if (from <= head.position) {
              return yield* new InvalidInput({
                problem: `a checkpoint moves forward: from ${from} it is not set back to ${to}, since the log ends at ${head.position}`
              })
            }
          }
          return yield* checkpoints.advance(name, from, to)
        }, named),
        park: Effect.fn("AuditService.park")(function* (consumer, position, reason) {
          const name = yield* decodeName(consumer)
          const parked = yield* decodePosition(position)
          const why = yield* decodeReason(reason)
          yield* requireReached(log, parked)
          return yield* checkpoints.park(name, parked, why)
        }, named),
        parked: (consumer) =>
          named(
            consumer === undefined ? checkpoints.parked() : Effect.flatMap(decodeName(consumer), checkpoints.parked)
          ),
        unpark: Effect.fn("AuditService.unpark")(function* (consumer, position) {
          return yield* checkpoints.unpark(yield* decodeName(consumer), yield* decodePosition(position))
        }, named),
        verify: verified,
        anchor,
        rebuild: rebuilt,
        redact: Effect.fn("AuditService.redact")(function* (input) {
          const command = yield* decodeRedact(input)
          return yield* redactCard({ sql, schema, log, readModel, receipts, erasures }, command)
        }, named),
        erasures: Effect.fn("AuditService.erasures")(function* (input = {}) {
          return yield* erasures.list(yield* decodeErasureOptions(input))
        }, named),
        removeErased: Effect.fn("AuditService.removeErased")(function* (input = {}) {
          const options = yield* decodeRemovalOptions(input)
          yield* alone("a removal of erased bytes")
          return yield* erasures.remove(options)
        }, named),
        pruneReceipts: Effect.fn("AuditService.pruneReceipts")(function* (input) {
          const { olderThanDays } = yield* decodePruneReceipts(input)
          return yield* withoutAnswerTimeout(receipts.prune(olderThanDays * secondsPerDay))
        }, named),
        exportLog: namedStream(exportLog(sql, log, schema)),
        restored: Effect.fn("AuditService.restored")(function* (input) {
          const { actor } = yield* decodeRestored(input)
          yield* alone("a restore")
          return yield* endClaims.restored(actor)
        }, named),
        importLog: (lines, options = {}) =>
          Effect.flatMap(decodeRestored({ actor: options.actor ?? "import" }), ({ actor }) =>
            importLog({
              sql,
              log,
              build,
              recount: counts.recount,
              now,
              analyze,
              endClaims: (atLeast) => endClaims.begin("imported", actor, atLeast),
              lines,
              onProgress: options.onProgress ?? (() => Effect.void)
            })
          ).pipe(named)
      })
    })
  ).pipe(
    Layer.provide([Receipts.layer, Erasures.layer]),
    Layer.provide([layerEventLog, ReadModel.layer, Checkpoints.layer]),
    Layer.provide(Migrations.layer)
  )
}

const backlogAtOf = (past: PastBacklog): BacklogAt => {
  const get = (input: string) => Effect.flatMap(decodeId(input), (id) => past.get(id))
  const cards = (options: typeof ListOptions.Encoded = {}) =>
    Stream.unwrap(
      Effect.gen(function* () {
        const filter = yield* decodeListOptions(options)
        if (filter.after !== undefined && Option.isNone(yield* past.get(filter.after))) {
          return yield* new CardNotFound({ id: filter.after })
        }
        return past.cards(filter)
      })
    )
  return {
    position: past.moment.position,
    time: past.moment.now,
    get,
    list: (options) => Stream.runCollect(cards(options)),
    cards,
    stats: past.stats,
    explain: Effect.fnUntraced(function* (input) {
      const id = yield* decodeId(input)
      const explanation = yield* past.explain(id)
      return Option.isNone(explanation) ? yield* new CardNotFound({ id }) : explanation.value
    })
  }
}
