import { Schema } from "effect"
import { CliError } from "effect/cli"
import { ServeRefused } from "../http/errors.ts"
import { ImportRefused } from "../import/ImportPlan.ts"
import {
  AccessTokenConflict,
  AccessTokenNotFound,
  AnchorFileRefused,
  AnchorRefused,
  BacklogMissing,
  BacklogNotEmpty,
  CardNotFound,
  CheckpointMoved,
  DamagedEvent,
  DependencyNotFound,
  DirectoryLocked,
  DirectoryLost,
  DirectoryUnusable,
  InvalidInput,
  LogFileRefused,
  MigrationRefused,
  MomentNotReached,
  ReadOnlyReplica,
  RebuildBlocked,
  RebuildRefused,
  RebuildSuperseded,
  Rejection,
  RemovalPending,
  ReplicaBehind,
  ReplicaConflict,
  ServerFailure,
  UndecodableEvent
} from "../index.ts"
import {
  ConsumerNotFound,
  ExecUnusable,
  FileExists,
  FileNotWritten,
  NeedsDatabase,
  NothingClaimable,
  NotParked
} from "./commandErrors.ts"
import { DatabaseFailed, DatabaseUnavailable, NotPermitted } from "./databaseErrors.ts"
import type { OutputLost } from "./ProcessIO.ts"
import { Forbidden, Unauthorized, UnexpectedAnswer, Unreachable } from "./servedErrors.ts"

/** The exit codes of the program. */
export const exitCodes = {
  done: 0,
  failed: 1,
  invalidInput: 2,
  nothingClaimable: 3,
  notFound: 4,
  refused: 5,
  unavailable: 6,
  interrupted: 130,
  /** The reader of standard output has gone. A shell reports the same for a program that SIGPIPE ended. */
  readerGone: 141
} as const

/** A failure as the command line reports it. */
export interface Failure {
  readonly exitCode: number
  /** For people. Empty if no command was given, because the list of commands is printed instead. */
  readonly message: string
  /** For programs: `_tag`, `message`, and the fields of the error. */
  readonly document: Readonly<Record<string, unknown>>
}

/** Every expected error of a command, with its exit code and its encoding. */
const kinds: ReadonlyArray<{
  readonly schema: Schema.Codec<unknown, unknown>
  readonly exitCode: number
}> = [
  { schema: InvalidInput, exitCode: exitCodes.invalidInput },
  { schema: ImportRefused, exitCode: exitCodes.invalidInput },
  { schema: NeedsDatabase, exitCode: exitCodes.invalidInput },
  { schema: NothingClaimable, exitCode: exitCodes.nothingClaimable },
  {
    schema: Schema.Union([
      CardNotFound,
      DependencyNotFound,
      MomentNotReached,
      ConsumerNotFound,
      NotParked,
      AccessTokenNotFound
    ]),
    exitCode: exitCodes.notFound
  },
  {
    schema: Schema.Union([
      Rejection,
      AccessTokenConflict,
      AnchorFileRefused,
      AnchorRefused,
      LogFileRefused,
      BacklogNotEmpty,
      CheckpointMoved,
      RebuildRefused,
      RebuildSuperseded,
      FileExists,
      ServeRefused
    ]),
    exitCode: exitCodes.refused
  },
  {
    schema: Schema.Union([
      DatabaseUnavailable,
      NotPermitted,
      Unreachable,
      Unauthorized,
      Forbidden,
      UnexpectedAnswer,
      BacklogMissing,
      DirectoryLocked,
      DirectoryLost,
      DirectoryUnusable,
      MigrationRefused,
      ReadOnlyReplica,
      ReplicaBehind,
      ReplicaConflict,
      RebuildBlocked,
      RemovalPending,
      ServerFailure
    ]),
    exitCode: exitCodes.unavailable
  },
  {
    schema: Schema.Union([DatabaseFailed, DamagedEvent, UndecodableEvent, ExecUnusable, FileNotWritten]),
    exitCode: exitCodes.failed
  },
  { schema: CliError.NonShowHelpErrors, exitCode: exitCodes.invalidInput }
]

/** Converts an expected error. Returns `undefined` for any other. */
export const toFailure = (error: unknown): Failure | undefined => {
  if (!(error instanceof Error)) return undefined
  const kind = kinds.find(({ schema }) => Schema.is(schema)(error))
  if (kind === undefined) return undefined
  const { _tag, ...fields } = Schema.encodeUnknownSync(kind.schema)(error) as Record<string, unknown>
  return {
    exitCode: kind.exitCode,
    message: error.message,
    document: { _tag, message: error.message, ...fields }
  }
}

/** Converts a standard output that cannot be written. */
export const outputFailure = ({ _tag, problem }: OutputLost): Failure => {
  const message = `Standard output cannot be written: ${problem.message}`
  return { exitCode: exitCodes.failed, message, document: { _tag, message } }
}

/** Converts arguments that cannot be parsed: the fields of the first problem, and the messages of all. */
export const usageFailure = (problems: CliError.ShowHelp): Failure => {
  const [first] = problems.errors
  const failure = first === undefined ? undefined : toFailure(first)
  const command = problems.commandPath.join(" ")
  if (failure === undefined) {
    return {
      exitCode: exitCodes.invalidInput,
      message: "",
      document: { _tag: "MissingCommand", message: `A command is missing: see '${command} --help'.` }
    }
  }
  const message = [...new Set(problems.errors.map((problem) => problem.message))].join("\n")
  return {
    ...failure,
    message: `${message}\nSee '${command} --help'.`,
    document: { ...failure.document, message }
  }
}

/** Converts an unexpected error, in one sentence. */
export const defectFailure = (defect: unknown): Failure => {
  const words = defect instanceof Error ? defect.message : String(defect)
  const message = `Internal error: ${words.split("\n")[0] ?? ""}`
  return { exitCode: exitCodes.failed, message, document: { _tag: "Defect", message } }
}
