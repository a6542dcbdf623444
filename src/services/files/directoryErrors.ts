import { Context, Effect, Schema } from "effect"
import { SqlError } from "effect/sql"
import { explainFileError } from "./fileErrors.ts"

/**
 * Another process, or another part of this one, holds the directory and did not release it in time. `lockFile` is
 * `null` when the holder is known to run. When that cannot be checked from here (the holder ran on another machine, or
 * under another host name before a restart), `lockFile` is the file to delete after checking that the holder has ended.
 *
 * What to do: end the other process, or use the backlog through it. If `lockFile` is set, check that the holder has ended,
 * and delete the file.
 */
export class DirectoryLocked extends Schema.TaggedError<DirectoryLocked>()("DirectoryLocked", {
  directory: Schema.String,
  /** The holder's process id, on the machine `hostname`. */
  pid: Schema.Int,
  hostname: Schema.String,
  waitedSeconds: Schema.Finite,
  lockFile: Schema.NullOr(Schema.String),
  /** Why the holder cannot share the directory with this process, when that is known. */
  notShared: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    const held = `The backlog in ${this.directory} is in use by`
    const waited = `waited ${this.waitedSeconds} seconds for it`
    if (this.lockFile !== null) {
      return (
        `${held} process ${this.pid} on host ${this.hostname}, which this process cannot check from here; ${waited}. ` +
        `Check on ${this.hostname} that no process uses the directory: no backlog command, no program with this ` +
        `directory, no container that mounts it. If that host or container no longer exists, or restarted since, none ` +
        `does. Then delete ${this.lockFile}.`
      )
    }
    const holder = this.pid === process.pid ? "this same process" : "process"
    return (
      `${held} ${holder} ${this.pid}, which does not share it or does not respond; ${waited}. ` +
      (this.notShared === undefined ? "" : `${this.notShared} `) +
      "Wait until it is done, or stop it, or share a Postgres server instead (--db postgres://…)."
    )
  }
}

/**
 * The directory cannot be used for a backlog. `reason` says what is wrong and what to do.
 *
 * What to do: do what `reason` says, or choose another directory.
 */
export class DirectoryUnusable extends Schema.TaggedError<DirectoryUnusable>()("DirectoryUnusable", {
  directory: Schema.String,
  reason: Schema.String,
  cause: Schema.optional(Schema.Defect())
}) {
  override get message(): string {
    return `${this.directory} cannot be used as a backlog's directory: ${this.reason}`
  }
}

/**
 * This process no longer owns a directory that it held: the directory was moved, removed or replaced, or another
 * process took its lock. Every later command fails with this error, and nothing more is written. `reason` says what
 * happened.
 *
 * What to do: check which backlog is in that place now, then start the program again.
 */
export class DirectoryLost extends Schema.TaggedError<DirectoryLost>()("DirectoryLost", {
  directory: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return (
      `This process no longer owns the backlog in ${this.directory}: ${this.reason}. It writes nothing more there. ` +
      "Commands whose answer did not arrive may have been carried out. Check which backlog is in that place now, then " +
      "start this program again."
    )
  }
}

/** Returns the `DirectoryLost` that is the innermost cause of an error. */
export const findDirectoryLost = (cause: unknown): DirectoryLost | undefined => {
  if (cause instanceof DirectoryLost) return cause
  if (SqlError.isSqlError(cause)) return findDirectoryLost(cause.reason.cause)
  return cause instanceof Error && cause.cause !== undefined ? findDirectoryLost(cause.cause) : undefined
}

/** The message of `DirectoryLost` for callers of a server, who must not see the path. */
export const publicDirectoryLostMessage =
  "This server no longer owns the directory of its backlog, and carries out nothing more. Tell the people who run it."

/**
 * Called once when a layer loses its directory, so that a program that is idle at that moment can end. Defaults to a
 * function that does nothing. The next command fails with `DirectoryLost` in any case.
 */
export const OnDirectoryLost: Context.Reference<(lost: DirectoryLost) => void> = Context.Reference<
  (lost: DirectoryLost) => void
>("mosaic-backlog/services/OnDirectoryLost", { defaultValue: () => () => undefined })

/** Runs work on a directory. An error of another kind than `DirectoryUnusable` becomes its reason, in words. */
export const attemptIn = <A>(directory: string, work: () => Promise<A>): Effect.Effect<A, DirectoryUnusable> =>
  Effect.tryPromise({
    try: work,
    catch: (cause) =>
      cause instanceof DirectoryUnusable
        ? cause
        : new DirectoryUnusable({
            directory,
            reason:
              cause instanceof DirectoryLost
                ? `it was lost while it was opened: ${cause.reason}`
                : explainFileError(cause),
            cause
          })
  })
