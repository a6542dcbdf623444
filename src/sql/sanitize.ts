import { Cause, Exit, Redacted } from "effect"
import { SqlError } from "effect/sql"
import { redactSecrets } from "../domain/redactSecrets.ts"
import { type DatabaseFailure, describeClientError, describeServerError, isServerError } from "./databaseErrors.ts"

/** How deep a value is walked through. */
const deepest = 12

/**
 * A value as it may be logged or traced: without tokens and passwords, and with failures of the database as
 * `DatabaseFailure`. A value without any is returned as it is.
 */
export const sanitize = (value: unknown): unknown => walked(value, [])

/** The same for a cause. Reasons keep their annotations. */
export const sanitizeCause = <E>(cause: Cause.Cause<E>): Cause.Cause<E> => causeWalked(cause, [])

/** The same for an exit. */
export const sanitizeExit = <A, E>(exit: Exit.Exit<A, E>): Exit.Exit<A, E> => {
  if (Exit.isSuccess(exit)) return exit
  const cause = sanitizeCause(exit.cause)
  return cause === exit.cause ? exit : Exit.failCause(cause)
}

const causeWalked = <E>(cause: Cause.Cause<E>, within: ReadonlyArray<unknown>): Cause.Cause<E> => {
  const reasons = kept(cause.reasons, (reason): Cause.Reason<E> => {
    if (Cause.isFailReason(reason)) {
      const error = errorWalked(reason.error, within)
      return error === reason.error ? reason : annotated(Cause.makeFailReason(error as E), reason)
    }
    if (Cause.isDieReason(reason)) {
      const defect = errorWalked(reason.defect, within)
      return defect === reason.defect ? reason : annotated(Cause.makeDieReason(defect), reason)
    }
    return reason
  })
  return reasons === cause.reasons ? cause : Cause.fromReasons(reasons)
}

/** The annotations of a reason have its spans and where it was raised. */
const annotated = <R extends Cause.Reason<unknown>>(reason: R, like: Cause.Reason<unknown>): R =>
  Object.assign(reason, { annotations: like.annotations })

/** An error as an error: what a tracer makes its exception of. */
const errorWalked = (error: unknown, within: ReadonlyArray<unknown>): unknown => {
  const failure = failureOf(error)
  if (failure !== undefined) return failureError(failure, error)
  return walked(error, within)
}

const failureOf = (value: unknown): DatabaseFailure | undefined => {
  const failure = SqlError.isSqlError(value)
    ? describeClientError(value)
    : isServerError(value)
      ? describeServerError(value)
      : undefined
  return failure === undefined ? undefined : { ...failure, message: redactSecrets(failure.message) }
}

const failureError = ({ message, ...fields }: DatabaseFailure, like: unknown): Error => {
  const error = new Error(message)
  error.name = fields.reason ?? fields.error
  // The frames of the client's own error, whose message is a fixed text.
  const { stack = "" } = like instanceof Error && SqlError.isSqlError(like) ? like : {}
  const frames = stack.indexOf("\n    at ")
  error.stack = `${error.name}: ${message}${frames === -1 ? "" : stack.slice(frames)}`
  return Object.assign(error, fields)
}

const walked = (value: unknown, within: ReadonlyArray<unknown>): unknown => {
  if (typeof value === "string") return redactSecrets(value)
  if (typeof value !== "object" || value === null || Redacted.isRedacted(value)) return value
  const failure = failureOf(value)
  if (failure !== undefined) return failure
  if (within.includes(value)) return "[circular]"
  if (within.length >= deepest) return "[deep]"
  const inside = [...within, value]
  if (Cause.isCause(value)) return causeWalked(value, inside)
  if (value instanceof Error) return errorCopied(value, inside)
  if (Array.isArray(value)) return kept(value, (each: unknown) => walked(each, inside))
  if (value instanceof Date || ArrayBuffer.isView(value)) return value
  if (value instanceof URL) return redactSecrets(value.href)
  if (value instanceof Map) return walked([...value], inside)
  if (value instanceof Set) return walked([...value], inside)
  if ("toJSON" in value && typeof value.toJSON === "function") return walked(value.toJSON(), inside)
  return fieldsWalked(value, inside)
}

/** An object with its own fields changed; the same one where none has to change. */
const fieldsWalked = (value: object, within: ReadonlyArray<unknown>): object => {
  const entries: ReadonlyArray<readonly [string, unknown]> = Object.entries(value)
  const changed = kept(entries, (entry): readonly [string, unknown] => {
    const [name, field] = [redactSecrets(entry[0]), walked(entry[1], within)]
    return name === entry[0] && field === entry[1] ? entry : [name, field]
  })
  return changed === entries ? value : Object.fromEntries(changed)
}

/** An error with its message, its stack, its cause and its own fields changed; the same one where none has to change. */
const errorCopied = (error: Error, within: ReadonlyArray<unknown>): Error => {
  const message = redactSecrets(error.message)
  const stack = error.stack === undefined ? undefined : redactSecrets(error.stack)
  const cause = errorWalked(error.cause, within)
  const own = Object.fromEntries(Object.entries(error).filter(([name]) => name !== "cause"))
  const fields = fieldsWalked(own, within)
  if (message === error.message && stack === error.stack && cause === error.cause && fields === own) return error
  const copy = new Error(message, cause === undefined ? undefined : { cause })
  copy.name = error.name
  Object.assign(copy, fields, { message })
  copy.stack = stack ?? ""
  return copy
}

/** The array with its elements changed; the same one where none has to change. */
const kept = <A>(array: ReadonlyArray<A>, change: (element: A) => A): ReadonlyArray<A> => {
  const changed = array.map(change)
  return changed.every((element, index) => element === array[index]) ? array : changed
}
