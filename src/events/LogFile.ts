import { Result, Schema } from "effect"
import { describeJsonProblem, parseExactJson } from "../domain/parseExactJson.ts"
import { truncateMessage } from "../domain/displayText.ts"
import { parseStoredEvent, type StoredEvent } from "./StoredEvent.ts"

/**
 * An exported log: JSON Lines in UTF-8. The first line says where the log ends, each further line is an event with all
 * that its row holds, in order of position.
 */
export const LogFileHeader = Schema.Struct({
  format: Schema.Literal("mosaic-backlog-log"),
  formatVersion: Schema.Literal(1),
  /** The last event's position: how many lines follow. */
  position: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
  /** The last event's chain hash, in hexadecimal. */
  chainHash: Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/))
})

/** The first line of an exported log. */
export interface LogFileHeader extends Schema.Schema.Type<typeof LogFileHeader> {}

/** A file that is not an exported log, or not a whole one; nothing was imported. */
export class LogFileRefused extends Schema.TaggedError<LogFileRefused>()("LogFileRefused", {
  /** Counted from 1. */
  line: Schema.Int,
  problem: Schema.String
}) {
  override get message(): string {
    return `The file is not a whole exported log: line ${this.line}: ${this.problem}`
  }
}

const decodeHeader = Schema.decodeUnknownResult(LogFileHeader, { onExcessProperty: "error" })

/** The first line, without its end. */
export const formatHeader = (end: Pick<LogFileHeader, "position" | "chainHash">): string =>
  JSON.stringify({
    format: "mosaic-backlog-log",
    formatVersion: 1,
    position: end.position,
    chainHash: end.chainHash
  } satisfies LogFileHeader)

/** An event's line, without its end: a stored event is plain JSON as it is. */
export const formatEvent = (event: StoredEvent): string => JSON.stringify(event)

/** Reads the first line; the failure says what it is not. */
export const parseHeader = (text: string): Result.Result<LogFileHeader, string> =>
  Result.flatMap(parseJson(text), (value) =>
    Result.mapError(decodeHeader(value), (error) => truncateMessage(error.message))
  )

/** Reads an event's line; the failure says what it is not. */
export const parseEvent = (text: string): Result.Result<StoredEvent, string> =>
  Result.flatMap(parseJson(text), parseStoredEvent)

const parseJson = (text: string): Result.Result<unknown, string> =>
  Result.mapError(parseExactJson(text), (problem) => `it is not JSON that can be kept: ${describeJsonProblem(problem)}`)
