import { Schema, SchemaTransformation, Struct } from "effect"
import { HttpApiSchema } from "effect/http-api"
import {
  BodyTooLarge,
  DatabaseFailed,
  DatabaseUnavailable,
  Forbidden,
  NotPermitted,
  TooManyRequests,
  Unauthorized
} from "./errors.ts"
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
  ReadOnlyReplica,
  RebuildBlocked,
  RebuildRefused,
  RebuildSuperseded,
  RemovalPending,
  ReplicaBehind,
  ReplicaConflict,
  SelfDependency,
  UndecodableEvent
} from "../index.ts"

/** The media type of a problem, RFC 9457. */
export const problemMediaType = "application/problem+json"

/** What the member `type` of a problem says: a name, not an address. */
const problemType = (tag: string): string => `urn:mosaic-backlog:problem:${tag}`

/** What every problem has, in the order in which it is written. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly _tag: string
}

/** A problem of an error. */
export const problemOf = (tag: string, status: number, title: string, detail: string): Problem => ({
  type: problemType(tag),
  title,
  status,
  detail,
  _tag: tag
})

/** What is needed of the class of a tagged error. */
interface ErrorClass extends Schema.Top {
  readonly Type: Error
  readonly identifier: string
  readonly fields: Schema.Struct.Fields & { readonly _tag: Schema.tag<string> }
  new (fields: never): Error
}

/**
 * An error as a problem: its message is the `detail`, its tag is `_tag`, and its fields stand beside them, encoded as the
 * command line encodes them, those that are named in `renamed` by another name. Decoding a problem gives the error again.
 */
const problemSchema = <S extends ErrorClass>(
  error: S,
  status: number,
  title: string,
  renamed: Readonly<Record<string, string>> = {}
): Schema.Codec<InstanceType<S>, Problem> => {
  const tag = error.identifier
  const fields: Schema.Struct.Fields = Struct.omit(error.fields, ["_tag"])
  const members = Object.keys(fields).map((field) => ({ field, member: renamed[field] ?? field }))
  const problem = Schema.Struct({
    type: Schema.Literal(problemType(tag)),
    title: Schema.String,
    status: Schema.Literal(status),
    detail: Schema.String,
    _tag: Schema.Literal(tag),
    ...Object.fromEntries(members.map(({ field, member }) => [member, fields[field]]))
  }).annotate({ identifier: `${tag}Problem` })
  return problem.pipe(
    Schema.decodeTo(
      Schema.toType(error as Schema.Top),
      SchemaTransformation.transform({
        decode: (from: Readonly<Record<string, unknown>>): unknown =>
          new error(Object.fromEntries(members.map(({ field, member }) => [field, from[member]])) as never),
        encode: (value: unknown) => ({
          ...problemOf(tag, status, title, (value as Error).message),
          ...Object.fromEntries(
            members.map(({ field, member }) => [member, (value as Readonly<Record<string, unknown>>)[field]])
          )
        })
      }) as never
    ),
    HttpApiSchema.asJson({ contentType: problemMediaType }),
    HttpApiSchema.status(status)
  ) as unknown as Schema.Codec<InstanceType<S>, Problem>
}

/** Every error that an endpoint answers with, as a problem with its status. */
export const problems = {
  invalidInput: problemSchema(InvalidInput, 400, "Invalid input"),
  cardNotFound: problemSchema(CardNotFound, 404, "Card not found"),
  dependencyNotFound: problemSchema(DependencyNotFound, 404, "Dependency not found"),
  cardAlreadyExists: problemSchema(CardAlreadyExists, 409, "Card already exists"),
  selfDependency: problemSchema(SelfDependency, 409, "Self dependency"),
  dependencyCycle: problemSchema(DependencyCycle, 409, "Dependency cycle"),
  claimLost: problemSchema(ClaimLost, 409, "Claim lost", { status: "cardStatus" }),
  cardIsClaimed: problemSchema(CardIsClaimed, 409, "Card is claimed"),
  cardIsDone: problemSchema(CardIsDone, 409, "Card is done"),
  commandIdConflict: problemSchema(CommandIdConflict, 409, "Command id conflict"),
  momentNotReached: problemSchema(MomentNotReached, 404, "Moment not reached"),
  checkpointMoved: problemSchema(CheckpointMoved, 409, "Checkpoint moved"),
  backlogNotEmpty: problemSchema(BacklogNotEmpty, 409, "Backlog not empty"),
  logFileRefused: problemSchema(LogFileRefused, 422, "Log file refused"),
  rebuildBlocked: problemSchema(RebuildBlocked, 503, "Rebuild blocked"),
  rebuildRefused: problemSchema(RebuildRefused, 409, "Rebuild refused"),
  rebuildSuperseded: problemSchema(RebuildSuperseded, 409, "Rebuild superseded"),
  removalPending: problemSchema(RemovalPending, 503, "Removal pending"),
  damagedEvent: problemSchema(DamagedEvent, 500, "Damaged event"),
  undecodableEvent: problemSchema(UndecodableEvent, 500, "Undecodable event", { type: "eventType" }),
  bodyTooLarge: problemSchema(BodyTooLarge, 413, "Body too large"),
  databaseUnavailable: problemSchema(DatabaseUnavailable, 503, "Database unavailable"),
  databaseFailed: problemSchema(DatabaseFailed, 500, "Database failed"),
  readOnlyReplica: problemSchema(ReadOnlyReplica, 503, "Read-only replica"),
  replicaBehind: problemSchema(ReplicaBehind, 503, "Replica behind"),
  replicaConflict: problemSchema(ReplicaConflict, 503, "Replica conflict"),
  notPermitted: problemSchema(NotPermitted, 403, "Not permitted"),
  unauthorized: problemSchema(Unauthorized, 401, "Unauthorized"),
  forbidden: problemSchema(Forbidden, 403, "Forbidden"),
  tooManyRequests: problemSchema(TooManyRequests, 429, "Too many requests")
} as const
