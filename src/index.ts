/**
 * Mosaic Backlog: an event-sourced backlog of record, as Effect layers.
 *
 * - **Services.** `BacklogService` creates, claims and completes cards, and reads them. `AuditService` reads the log and past
 *   states, and proves that nothing was altered.
 * - **Layers.** `layerPglite` and `layerPostgres` provide both services over a database, `layerTest` in memory with a test clock.
 *   `layerHttp` of `mosaic-backlog/http` provides them over a served backlog.
 * - **Errors.** Methods fail with tagged errors: a `Rejection` when a rule refuses a command, `InvalidInput`, `SqlError` when the
 *   database fails, and a `ServerFailure` over `layerHttp` only. After a `Rejection` or `InvalidInput` no card has changed.
 * - **Units.** Moments are `DateTime.Utc`. Fields whose names end in `Seconds`, `Millis` or `Days` are numbers in that unit; other
 *   durations are `Duration.Input`. Lengths are in characters (Unicode code points) or bytes of UTF-8.
 * - **Guarantees.** docs/guarantees.md states all guarantees with their conditions. For example, a command that succeeded is
 *   durable, and at most one claim on a card is live.
 *
 * @module
 */
export { ActiveClaim } from "./domain/ActiveClaim.ts"
export { Card, ClaimedCard, defaultTtlSeconds, LastNote, Priority, Status, TtlSeconds } from "./domain/Card.ts"
export { CardDiff } from "./domain/CardDiff.ts"
export { CardSummary, Claimability, ListOrder, type ListSelection } from "./domain/CardFilter.ts"
export { GraphCard, GraphEdge, Impact, Neighbourhood } from "./domain/CardGraph.ts"
export { CardId } from "./domain/CardId.ts"
export { CardNote } from "./domain/CardNote.ts"
export { type ClaimFacts, ClaimOutlook, NothingReason, OpenCounts } from "./domain/ClaimOutlook.ts"
export { ClaimFilter, type ClaimRequest, Command, CompleteMany, NewCard } from "./domain/Command.ts"
export { ErasablePart, Event, EventParts, EventType, redactedText } from "./domain/Event.ts"
export { Explanation, Obstacle, UnmetDependency } from "./domain/Explanation.ts"
export { Flow, FlowBucket, FlowBucketSize, FlowGroup, FlowGrouping, FlowTimes } from "./domain/Flow.ts"
export { Json } from "./domain/Json.ts"
export {
  CardAlreadyExists,
  CardIsClaimed,
  CardIsDone,
  CardNotFound,
  ClaimLost,
  CommandIdConflict,
  DependencyCycle,
  DependencyNotFound,
  Rejection,
  SelfDependency,
  TooManyLabels
} from "./domain/Rejection.ts"
export { Redact } from "./domain/Redaction.ts"
export { Stats } from "./domain/Stats.ts"
export {
  Anchor,
  formatAnchor,
  type AnchorLines,
  AnchorRefused,
  checkSignature,
  newestAnchor,
  parseAnchor,
  signAnchor
} from "./events/Anchor.ts"
export { Density, DensityBucket } from "./events/Density.ts"
export { Checkpoint, CheckpointAhead, CheckpointMoved, ParkedEvent } from "./events/Checkpoints.ts"
export { UndecodableEvent } from "./events/EventCodec.ts"
export { LogFileHeader, LogFileRefused } from "./events/LogFile.ts"
export { MomentNotReached } from "./events/MomentNotReached.ts"
export { PollInterval } from "./services/waiting/CommitNotifications.ts"
export type { LogFailure } from "./events/EventLog.ts"
export { decodeRecordedEvent, RecordedEvent, type RecordedEventType } from "./events/RecordedEvent.ts"
export { ReadOnlyReplica, ReplicaBehind, ReplicaConflict, replicaErrorOf, type ReplicaError } from "./events/replica.ts"
export { BacklogSchema } from "./sql/SchemaName.ts"
export { DamagedEvent, StoredEvent } from "./events/StoredEvent.ts"
export { Check, Divergence, VerifyReport } from "./projections/Divergence.ts"
export type { ReadFailure } from "./projections/foldCards.ts"
export { type FileLine, LogFileCheck, type WrongLine } from "./projections/LogFileCheck.ts"
export {
  RebuildBlocked,
  type RebuildProgress,
  RebuildRefused,
  RebuildSuperseded,
  type RebuildResult
} from "./projections/rebuild.ts"
export { RemovalPending, RemovalProgress } from "./projections/rewriteTables.ts"
export type { VerifyOptions } from "./projections/verify.ts"
export { AccessRole } from "./services/access/AccessRole.ts"
export {
  AccessToken,
  AccessTokenConflict,
  AccessTokenNotFound,
  AccessTokenRefused,
  NewAccessToken,
  type NewAccessTokenInput
} from "./services/access/AccessToken.ts"
export { AccessTokens, AccessTokenStaleness, type CreatedAccessToken } from "./services/access/AccessTokens.ts"
export { AnchorFileRefused, readAnchorFile } from "./services/audit/AnchorFile.ts"
export { GeneratedIdPrefix } from "./services/commands/generateIds.ts"
export type { CompletedCard } from "./services/commands/Outcome.ts"
export {
  type AnchorInput,
  type CardMomentInput,
  type ConsumeInput,
  type DensityInput,
  DensityOptions,
  type DiffInput,
  type ErasuresInput,
  EventOptions,
  type EventsInput,
  type FlowInput,
  FlowOptions,
  type ImportLogInput,
  type MomentInput,
  type ObservationsInput,
  ObservationsOptions,
  PruneReceipts,
  type PruneReceiptsInput,
  type RebuildInput,
  type RedactInput,
  Restored,
  type RestoredInput
} from "./services/AuditInput.ts"
export { AuditService, type BacklogAt, type RebuildReport } from "./services/AuditService.ts"
export { BacklogMissing, BacklogOpening, type Opening, type OpeningOptions } from "./services/schema/BacklogOpening.ts"
export { BacklogRoles, type RoleNames } from "./services/schema/BacklogRoles.ts"
export {
  BacklogService,
  type CommandFailure,
  type CompletionRejection,
  type QueryFailure
} from "./services/BacklogService.ts"
export { diagnose } from "./services/doctor/diagnose.ts"
export { Doctor } from "./services/doctor/Doctor.ts"
export { DoctorFacts } from "./services/doctor/DoctorFacts.ts"
export { DoctorFinding } from "./services/doctor/diagnose.ts"
export { DirectoryLocked, DirectoryUnusable } from "./services/files/directoryErrors.ts"
export { Erasure, Erasures, type RemovalOptions, RemovalReport } from "./services/audit/Erasures.ts"
export { MadeAnchor, Verification } from "./services/audit/Observations.ts"
export { EventTypeFilter, parseEventType } from "./services/audit/EventTypeFilter.ts"
export { DirectoryLost } from "./services/files/directoryErrors.ts"
export { InvalidInput } from "./services/decodeInput.ts"
export {
  type BacklogFailure,
  Forbidden,
  ServerFailure,
  TooManyRequests,
  Unauthorized,
  Unreachable
} from "./services/serverFailures.ts"
export { type AnchorOutcome, keepAnchors, type KeepAnchorsOptions } from "./services/keepAnchors.ts"
export {
  type BacklogServices,
  BacklogTestClock,
  layerPglite,
  layerPostgres,
  layerTest,
  layerTestOver,
  type PgliteOptions
} from "./services/layers.ts"
export {
  AwaitClaimable,
  type AwaitClaimableInput,
  AwaitClaimEnd,
  type AwaitClaimEndInput,
  type BlockInput,
  type ClaimInput,
  type ClaimManyInput,
  type ClaimsInput,
  ClaimsOptions,
  type CommandInputs,
  type CommandOrigin,
  type CompleteInput,
  type CompleteManyInput,
  type CompletionInput,
  type CreateInput,
  type CreateManyInput,
  type CriticalPathInput,
  CriticalPathOptions,
  type DependentsInput,
  DependentsOptions,
  type LinkInput,
  type ListInput,
  ListOptions,
  type NeighbourhoodInput,
  NeighbourhoodOptions,
  type NewCardInput,
  type NoteInput,
  type NotesInput,
  NotesOptions,
  type PastListInput,
  PastListOptions,
  type ReclaimInput,
  type ReleaseInput,
  type RenewInput,
  type ReopenInput,
  type ReviseInput,
  type UnblockInput,
  type UnlinkInput
} from "./services/BacklogInput.ts"
export { BacklogNotEmpty, type ImportedLog } from "./services/audit/logTransfer.ts"
export { MigrationRefused } from "./services/schema/Migrations.ts"
export type { PostgresOptions } from "./services/postgres/PostgresClient.ts"
export { withoutSecrets } from "./services/withoutSecrets.ts"
export { At, CardAt } from "./services/audit/moments.ts"
export type { ErasedCard, RedactedCard } from "./services/audit/redactCard.ts"
export { KeyframeSchedule, type KeyframeTimes } from "./services/audit/writeKeyframes.ts"
export { RemovalSchedule, type RemovalTimes } from "./services/audit/Erasures.ts"
export type { RestoredBacklog } from "./services/audit/restoreBacklog.ts"
