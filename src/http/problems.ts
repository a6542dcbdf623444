import { Predicate, Result, Schema, SchemaTransformation, String, Struct } from "effect"
import { HttpServerResponse } from "effect/http"
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
  TooManyLabels,
  UndecodableEvent
} from "../index.ts"

/** The HTTP status and the title of every problem, by the `_tag` of its error. */
const problemStatus = {
  InvalidInput: [400, "Invalid input"],
  CardNotFound: [404, "Card not found"],
  DependencyNotFound: [404, "Dependency not found"],
  CardAlreadyExists: [409, "Card already exists"],
  SelfDependency: [409, "Self dependency"],
  DependencyCycle: [409, "Dependency cycle"],
  ClaimLost: [409, "Claim lost"],
  CardIsClaimed: [409, "Card is claimed"],
  CardIsDone: [409, "Card is done"],
  TooManyLabels: [409, "Too many labels"],
  CommandIdConflict: [409, "Command id conflict"],
  MomentNotReached: [404, "Moment not reached"],
  CheckpointMoved: [409, "Checkpoint moved"],
  BacklogNotEmpty: [409, "Backlog not empty"],
  LogFileRefused: [422, "Log file refused"],
  RebuildBlocked: [503, "Rebuild blocked"],
  RebuildRefused: [409, "Rebuild refused"],
  RebuildSuperseded: [409, "Rebuild superseded"],
  RemovalPending: [503, "Removal pending"],
  DamagedEvent: [500, "Damaged event"],
  UndecodableEvent: [500, "Undecodable event"],
  BodyTooLarge: [413, "Body too large"],
  DatabaseUnavailable: [503, "Database unavailable"],
  DatabaseFailed: [500, "Database failed"],
  ReadOnlyReplica: [503, "Read-only replica"],
  ReplicaBehind: [503, "Replica behind"],
  ReplicaConflict: [503, "Replica conflict"],
  NotPermitted: [403, "Not permitted"],
  Unauthorized: [401, "Unauthorized"],
  Forbidden: [403, "Forbidden"],
  TooManyRequests: [429, "Too many requests"],

  // Problems that are not errors of a service: the server refuses the request before or after an endpoint handles it.
  BadRequest: [400, "Bad request"],
  HostNotAllowed: [403, "Host not allowed"],
  OriginNotAllowed: [403, "Origin not allowed"],
  ForwardedRequest: [403, "Forwarded request"],
  UnknownPath: [404, "Unknown path"],
  UnknownSession: [404, "Unknown session"],
  MethodNotAllowed: [405, "Method not allowed"],
  NotAcceptable: [406, "Not acceptable"],
  UnsupportedMediaType: [415, "Unsupported media type"],
  Defect: [500, "Defect"],
  NotReady: [503, "Not ready"],
  Unavailable: [503, "Unavailable"]
} as const

/** The meaning of the problems that are not errors of a service, and what to do. The classes of the others document them. */
export const serverProblemMeanings = {
  BadRequest: { meaning: "The request cannot be parsed.", toDo: "Correct the request." },
  HostNotAllowed: {
    meaning: "The `Host` header has a name that is not one of the server's.",
    toDo: "Use a name of the server, or start it with `--allow-host`."
  },
  OriginNotAllowed: {
    meaning: "A page of another origin sent the request, or a page without a token sent a command.",
    toDo: "Start the server with `--allow-origin`, or with `--board write` for the pages of the server."
  },
  ForwardedRequest: {
    meaning: "A proxy forwarded the request to a server that requires no tokens.",
    toDo: "Start the server with `--trust-proxy`."
  },
  UnknownPath: {
    meaning: "There is no endpoint at this path.",
    toDo: "Check the path. `/openapi.json` lists the endpoints."
  },
  UnknownSession: {
    meaning: "The server does not know the session of an agent, because it was restarted or the session ended.",
    toDo: "Begin a new session."
  },
  MethodNotAllowed: {
    meaning: "The path does not accept this method. The member `allowed` and the header `Allow` list its methods.",
    toDo: "Use one of these methods."
  },
  NotAcceptable: {
    meaning: "The server has no response of a media type that the header `Accept` lists.",
    toDo: "Accept the media type of the endpoint."
  },
  UnsupportedMediaType: {
    meaning: "The body is compressed, or its media type is not that of the endpoint.",
    toDo: "Send the body without compression, and with the media type of the endpoint: `application/json`, except for logs."
  },
  Defect: {
    meaning: "This is an error in the server. Its log has the details.",
    toDo: "Report the error with the entry of the log."
  },
  NotReady: { meaning: "The server does not accept commands now. `detail` says why.", toDo: "Try again later." },
  Unavailable: { meaning: "The server cannot respond now.", toDo: "Try again later." }
} as const satisfies Partial<Readonly<Record<ProblemTag, { readonly meaning: string; readonly toDo: string }>>>

/** The tag of a problem that is not an error of a service. */
export type ServerProblemTag = keyof typeof serverProblemMeanings

/** The `_tag` of a problem. */
export type ProblemTag = keyof typeof problemStatus

/** The tags of all problems. */
export const problemTags = Object.keys(problemStatus) as ReadonlyArray<ProblemTag>

/** The media type of a problem, RFC 9457. */
export const problemMediaType = "application/problem+json"

/** The member `type` of a problem: a name, not an address. */
const problemType = (tag: string): string => `urn:mosaic-backlog:problem:${tag}`

/** The members of every problem, in the order in which they are written. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly _tag: string
}

/** Makes a problem. `status` overrides the one of the table. */
export const makeProblem = (tag: ProblemTag, detail: string, status?: number): Problem => ({
  type: problemType(tag),
  title: problemStatus[tag][1],
  status: status ?? problemStatus[tag][0],
  detail,
  _tag: tag
})

/** The response that carries a problem. */
export const problemResponse = (
  problem: Problem,
  headers: Readonly<Record<string, string>> = {}
): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.jsonUnsafe(problem, { status: problem.status, contentType: problemMediaType, headers })

/** The parts of a tagged error's class that `problemSchema` needs. */
interface ErrorClass extends Schema.Top {
  readonly Type: Error
  readonly identifier: string
  readonly fields: Schema.Struct.Fields & { readonly _tag: Schema.tag<ProblemTag> }
  new (fields: never): Error
}

/**
 * The schema of an error as a problem. The message is the `detail`, the tag is `_tag`, and the fields are members, encoded
 * as the command line encodes them. `renamed` gives fields other names. Decoding a problem gives the error.
 */
const problemSchema = <S extends ErrorClass>(
  error: S,
  renamed: Readonly<Record<string, string>> = {}
): Schema.Codec<InstanceType<S>, Problem> => {
  const tag = error.identifier as ProblemTag
  const [status] = problemStatus[tag]
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
          ...makeProblem(tag, (value as Error).message),
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

/** The problem of every error that an endpoint returns. */
export const problems = {
  invalidInput: problemSchema(InvalidInput),
  cardNotFound: problemSchema(CardNotFound),
  dependencyNotFound: problemSchema(DependencyNotFound),
  cardAlreadyExists: problemSchema(CardAlreadyExists),
  selfDependency: problemSchema(SelfDependency),
  dependencyCycle: problemSchema(DependencyCycle),
  claimLost: problemSchema(ClaimLost, { status: "cardStatus" }),
  cardIsClaimed: problemSchema(CardIsClaimed),
  cardIsDone: problemSchema(CardIsDone),
  tooManyLabels: problemSchema(TooManyLabels),
  commandIdConflict: problemSchema(CommandIdConflict),
  momentNotReached: problemSchema(MomentNotReached),
  checkpointMoved: problemSchema(CheckpointMoved),
  backlogNotEmpty: problemSchema(BacklogNotEmpty),
  logFileRefused: problemSchema(LogFileRefused),
  rebuildBlocked: problemSchema(RebuildBlocked),
  rebuildRefused: problemSchema(RebuildRefused),
  rebuildSuperseded: problemSchema(RebuildSuperseded),
  removalPending: problemSchema(RemovalPending),
  damagedEvent: problemSchema(DamagedEvent),
  undecodableEvent: problemSchema(UndecodableEvent, { type: "eventType" }),
  bodyTooLarge: problemSchema(BodyTooLarge),
  databaseUnavailable: problemSchema(DatabaseUnavailable),
  databaseFailed: problemSchema(DatabaseFailed),
  readOnlyReplica: problemSchema(ReadOnlyReplica),
  replicaBehind: problemSchema(ReplicaBehind),
  replicaConflict: problemSchema(ReplicaConflict),
  notPermitted: problemSchema(NotPermitted),
  unauthorized: problemSchema(Unauthorized),
  forbidden: problemSchema(Forbidden),
  tooManyRequests: problemSchema(TooManyRequests)
} as const

type ProblemEncoder = (error: unknown) => Result.Result<unknown, Schema.SchemaError>

/** Encoders of problems by the `_tag` of their errors, made when they are first needed. */
const problemEncoders = new Map<string, ProblemEncoder>()

/** The problem of an error; `undefined` if the error has none. */
export const problemOf = (error: unknown): Problem | undefined => {
  if (!Predicate.hasProperty(error, "_tag") || !Predicate.isString(error._tag)) return undefined
  const encode = problemEncoders.get(error._tag) ?? makeProblemEncoder(error._tag)
  return encode && (Result.getOrUndefined(encode(error)) as Problem | undefined)
}

const makeProblemEncoder = (tag: string): ProblemEncoder | undefined => {
  const name = String.uncapitalize(tag)
  if (!Object.hasOwn(problems, name)) return undefined
  const schema = problems[name as keyof typeof problems] as Schema.Codec<unknown>
  const encode = Schema.encodeUnknownResult(Schema.toCodecJson(schema))
  problemEncoders.set(tag, encode)
  return encode
}
