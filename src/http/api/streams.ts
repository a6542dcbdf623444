import { ByteSize, Schema } from "effect"
import { HttpApiSchema } from "effect/http-api"
import { problems } from "./problems.ts"

/** A card or an event may have several parts of a mebibyte, which JSON makes longer. */
export const longestElement = ByteSize.mebibytes(64)

/** What can go wrong in the middle of any stream. */
export const passingProblems = [
  problems.invalidInput,
  problems.databaseUnavailable,
  problems.databaseFailed,
  problems.readOnlyReplica,
  problems.replicaBehind,
  problems.replicaConflict,
  problems.notPermitted
] as const

/**
 * Items, each on a line of its own. What goes wrong when some are on their way is a problem on the last line, and what
 * breaks off without one is not whole.
 */
export const lines = <const Items extends ReadonlyArray<Schema.Top>>(...items: Items) =>
  HttpApiSchema.StreamNdjson({ schema: Schema.Union([...items, ...passingProblems]), maxElementBytes: longestElement })
