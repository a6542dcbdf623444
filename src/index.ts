/**
 * Mosaic Backlog: an event-sourced backlog of record, as Effect layers.
 *
 * @module
 */
export { Card, defaultTtlSeconds, Priority, Status, TtlSeconds } from "./domain/Card.ts"
export { CardId } from "./domain/CardId.ts"
export { Command, NewCard } from "./domain/Command.ts"
export { Event } from "./domain/Event.ts"
export { Explanation, Obstacle, UnmetDependency } from "./domain/Explanation.ts"
export { Json } from "./domain/Json.ts"
export {
  CardAlreadyExists,
  CardIsClaimed,
  CardIsDone,
  CardNotFound,
  ClaimLost,
  DependencyCycle,
  DependencyNotFound,
  Rejection,
  SelfDependency
} from "./domain/Rejection.ts"
export { Stats } from "./domain/Stats.ts"
export { UndecodableEvent } from "./events/EventCodec.ts"
export { eventOf, RecordedEvent } from "./events/RecordedEvent.ts"
export { BacklogSchema } from "./events/SchemaName.ts"
export type { CompletedCard } from "./services/Answer.ts"
export { AuditService } from "./services/AuditService.ts"
export { BacklogService, type Input, ListOptions } from "./services/BacklogService.ts"
export { DirectoryLocked, DirectoryUnusable } from "./services/DirectoryLock.ts"
export { InvalidInput } from "./services/InvalidInput.ts"
export {
  type BacklogServices,
  BacklogTestClock,
  layerPglite,
  layerPostgres,
  layerTest,
  layerTestOver,
  type PgliteOptions
} from "./services/layers.ts"
export { MigrationRefused } from "./services/Migrations.ts"
export type { PostgresOptions } from "./services/Postgres.ts"
