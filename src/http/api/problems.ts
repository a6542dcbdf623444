import {
  BacklogNotEmpty,
  CardAlreadyExists,
  CardIsClaimed,
  CardIsDone,
  CardNotFound,
  CheckpointMoved,
  ClaimLost,
  CommandIdConflict,
  DamagedEvent,
  DependencyCycle,
  DependencyNotFound,
  InvalidInput,
  LogFileRefused,
  MomentNotReached,
  RebuildBlocked,
  RebuildRefused,
  RebuildSuperseded,
  RemovalPending,
  ReadOnlyReplica,
  ReplicaBehind,
  ReplicaConflict,
  SelfDependency,
  UndecodableEvent
} from "../../index.ts"
import { Forbidden, TooManyRequests, Unauthorized } from "../access/problems.ts"
import { asProblem } from "../asProblem.ts"
import { BodyTooLarge } from "../BodyTooLarge.ts"
import { DatabaseFailed, DatabaseUnavailable, NotPermitted } from "../DatabaseTrouble.ts"

/** Every error that an endpoint answers with, as a problem with its status. */
export const problems = {
  invalidInput: asProblem(InvalidInput, 400, "Invalid input"),
  cardNotFound: asProblem(CardNotFound, 404, "Card not found"),
  dependencyNotFound: asProblem(DependencyNotFound, 404, "Dependency not found"),
  cardAlreadyExists: asProblem(CardAlreadyExists, 409, "Card already exists"),
  selfDependency: asProblem(SelfDependency, 409, "Self dependency"),
  dependencyCycle: asProblem(DependencyCycle, 409, "Dependency cycle"),
  claimLost: asProblem(ClaimLost, 409, "Claim lost", { status: "cardStatus" }),
  cardIsClaimed: asProblem(CardIsClaimed, 409, "Card is claimed"),
  cardIsDone: asProblem(CardIsDone, 409, "Card is done"),
  commandIdConflict: asProblem(CommandIdConflict, 409, "Command id conflict"),
  momentNotReached: asProblem(MomentNotReached, 404, "Moment not reached"),
  checkpointMoved: asProblem(CheckpointMoved, 409, "Checkpoint moved"),
  backlogNotEmpty: asProblem(BacklogNotEmpty, 409, "Backlog not empty"),
  logFileRefused: asProblem(LogFileRefused, 422, "Log file refused"),
  rebuildBlocked: asProblem(RebuildBlocked, 503, "Rebuild blocked"),
  rebuildRefused: asProblem(RebuildRefused, 409, "Rebuild refused"),
  rebuildSuperseded: asProblem(RebuildSuperseded, 409, "Rebuild superseded"),
  removalPending: asProblem(RemovalPending, 503, "Removal pending"),
  damagedEvent: asProblem(DamagedEvent, 500, "Damaged event"),
  undecodableEvent: asProblem(UndecodableEvent, 500, "Undecodable event", { type: "eventType" }),
  bodyTooLarge: asProblem(BodyTooLarge, 413, "Body too large"),
  databaseUnavailable: asProblem(DatabaseUnavailable, 503, "Database unavailable"),
  databaseFailed: asProblem(DatabaseFailed, 500, "Database failed"),
  readOnlyReplica: asProblem(ReadOnlyReplica, 503, "Read-only replica"),
  replicaBehind: asProblem(ReplicaBehind, 503, "Replica behind"),
  replicaConflict: asProblem(ReplicaConflict, 503, "Replica conflict"),
  notPermitted: asProblem(NotPermitted, 403, "Not permitted"),
  unauthorized: asProblem(Unauthorized, 401, "Unauthorized"),
  forbidden: asProblem(Forbidden, 403, "Forbidden"),
  tooManyRequests: asProblem(TooManyRequests, 429, "Too many requests")
} as const
