import { Cause, Exit, Redacted } from "effect"
import { SqlError } from "effect/sql"
import { redactSecrets } from "../domain/redactSecrets.ts"
import { type DatabaseFailure, describeClientError, describeServerError, isServerError } from "./databaseErrors.ts"

/** Maximum depth of a value. Deeper parts become "[deep]". */
const maxDepth = 12

/**
 * Sanitizes a value for logs and traces: redacts tokens and passwords, and replaces database errors by `DatabaseFailure`. A
 * value that needs neither is returned unchanged.
 */
export const sanitize = (value: unknown): unknown => sanitizeWithin(value, [])

/** Sanitizes a cause. Its reasons keep their annotations. */
export const sanitizeCause = <E>(cause: Cause.Cause<E>): Cause.Cause<E> => sanitizeReasons(cause, [])

/** Sanitizes an exit. */
export const sanitizeExit = <A, E>(exit: Exit.Exit<A, E>): Exit.Exit<A, E> => {
  if (Exit.isSuccess(exit)) return exit
  const cause = sanitizeCause(exit.cause)
  return cause === exit.cause ? exit : Exit.failCause(cause)
}

const sanitizeReasons = <E>(cause: Cause.Cause<E>, ancestors: ReadonlyArray<unknown>): Cause.Cause<E> => {
  const reasons = mapUnlessEqual(cause.reasons, (reason): Cause.Reason<E> => {
    if (Cause.isFailReason(reason)) {
      const error = sanitizeError(reason.error, ancestors)
      return error === reason.error ? reason : withAnnotations(Cause.makeFailReason(error as E), reason)
    }
    if (Cause.isDieReason(reason)) {
      const defect = sanitizeError(reason.defect, ancestors)
      return defect === reason.defect ? reason : withAnnotations(Cause.makeDieReason(defect), reason)
    }
    return reason
  })
  return reasons === cause.reasons ? cause : Cause.fromReasons(reasons)
}

/** Keeps the annotations of a reason: its spans and where it was raised. */
const withAnnotations = <R extends Cause.Reason<unknown>>(reason: R, like: Cause.Reason<unknown>): R =>
  Object.assign(reason, { annotations: like.annotations })

/** Sanitizes an error to an `Error`, which a tracer records as an exception. */
const sanitizeError = (error: unknown, ancestors: ReadonlyArray<unknown>): unknown => {
  const failure = toDatabaseFailure(error)
  if (failure !== undefined) return toError(failure, error)
  return sanitizeWithin(error, ancestors)
}

const toDatabaseFailure = (value: unknown): DatabaseFailure | undefined => {
  const failure = SqlError.isSqlError(value)
    ? describeClientError(value)
    : isServerError(value)
      ? describeServerError(value)
      : undefined
  return failure === undefined ? undefined : { ...failure, message: redactSecrets(failure.message) }
}

const toError = ({ message, ...fields }: DatabaseFailure, like: unknown): Error => {
  const error = new Error(message)
  error.name = fields.reason ?? fields.error
  // Keeps the stack frames of the client's error, whose message is a fixed text.
  const { stack = "" } = like instanceof Error && SqlError.isSqlError(like) ? like : {}
  const frames = stack.indexOf("\n    at ")
  error.stack = `${error.name}: ${message}${frames === -1 ? "" : stack.slice(frames)}`
  return Object.assign(error, fields)
}

const sanitizeWithin = (value: unknown, ancestors: ReadonlyArray<unknown>): unknown => {
  if (typeof value === "string") return redactSecrets(value)
  if (typeof value !== "object" || value === null || Redacted.isRedacted(value)) return value
  const failure = toDatabaseFailure(value)
  if (failure !== undefined) return failure
  if (ancestors.includes(value)) return "[circular]"
  if (ancestors.length >= maxDepth) return "[deep]"
  const path = [...ancestors, value]
  if (Cause.isCause(value)) return sanitizeReasons(value, path)
  if (value instanceof Error) return copyError(value, path)
  if (Array.isArray(value)) return mapUnlessEqual(value, (each: unknown) => sanitizeWithin(each, path))
  if (value instanceof Date || ArrayBuffer.isView(value)) return value
  if (value instanceof URL) return redactSecrets(value.href)
  if (value instanceof Map) return sanitizeWithin([...value], path)
  if (value instanceof Set) return sanitizeWithin([...value], path)
  if ("toJSON" in value && typeof value.toJSON === "function") return sanitizeWithin(value.toJSON(), path)
  return sanitizeFields(value, path)
}

/** Sanitizes the own fields of an object. Returns the same object if nothing changes. */
const sanitizeFields = (value: object, ancestors: ReadonlyArray<unknown>): object => {
  const entries: ReadonlyArray<readonly [string, unknown]> = Object.entries(value)
  const changed = mapUnlessEqual(entries, (entry): readonly [string, unknown] => {
    const [name, field] = [redactSecrets(entry[0]), sanitizeWithin(entry[1], ancestors)]
    return name === entry[0] && field === entry[1] ? entry : [name, field]
  })
  return changed === entries ? value : Object.fromEntries(changed)
}

/** Sanitizes message, stack, cause and own fields of an error. Returns the same error if nothing changes. */
const copyError = (error: Error, ancestors: ReadonlyArray<unknown>): Error => {
  const message = redactSecrets(error.message)
  const stack = error.stack === undefined ? undefined : redactSecrets(error.stack)
  const cause = sanitizeError(error.cause, ancestors)
  const own = Object.fromEntries(Object.entries(error).filter(([name]) => name !== "cause"))
  const fields = sanitizeFields(own, ancestors)
  if (message === error.message && stack === error.stack && cause === error.cause && fields === own) return error
  const copy = new Error(message, cause === undefined ? undefined : { cause })
  copy.name = error.name
  Object.assign(copy, fields, { message })
  copy.stack = stack ?? ""
  return copy
}

/** Maps an array. Returns the same array if no element changes. */
const mapUnlessEqual = <A>(array: ReadonlyArray<A>, change: (element: A) => A): ReadonlyArray<A> => {
  const changed = array.map(change)
  return changed.every((element, index) => element === array[index]) ? array : changed
}
