import { Result, Schema } from "effect"
import { describeJsonProblem, parseExactJson } from "../domain/parseExactJson.ts"
import { truncateMessage } from "../domain/displayText.ts"
import { parseStoredEvent, type StoredEvent } from "./StoredEvent.ts"

/*
 * Format of an exported log: JSON Lines in UTF-8. The first line is a `LogFileHeader`, which contains the end of the log. Each
 * other line is a `StoredEvent`, in order of position.
 */

/** The first line of an exported log. */
export const LogFileHeader = Schema.Struct({
  format: Schema.Literal("mosaic-backlog-log"),
  formatVersion: Schema.Literal(1),
  /** The position of the last event, which is the number of lines that follow. */
  position: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
  /** The chain hash of the last event, in hexadecimal. */
  chainHash: Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/))
})

/** The first line of an exported log. */
export interface LogFileHeader extends Schema.Schema.Type<typeof LogFileHeader> {}

/**
 * The file is not a complete exported log. Nothing was imported.
 *
 * What to do: get a complete file: `backlog export` renames its file only when it is complete.
 */
export class LogFileRefused extends Schema.TaggedError<LogFileRefused>()("LogFileRefused", {
  /** The number of the line, from 1. */
  line: Schema.Int,
  problem: Schema.String
}) {
  override get message(): string {
    return `The file is not a whole exported log: line ${this.line}: ${this.problem}`
  }
}

const decodeHeader = Schema.decodeUnknownResult(LogFileHeader, { onExcessProperty: "error" })

/** Formats the first line, without a line feed. */
export const formatHeader = (end: Pick<LogFileHeader, "position" | "chainHash">): string =>
  JSON.stringify({
    format: "mosaic-backlog-log",
    formatVersion: 1,
    position: end.position,
    chainHash: end.chainHash
  } satisfies LogFileHeader)

/** Formats the line of an event, without a line feed. */
export const formatEvent = (event: StoredEvent): string => JSON.stringify(event)

/** Parses the first line. Fails with the problem. */
export const parseHeader = (text: string): Result.Result<LogFileHeader, string> =>
  Result.flatMap(parseJson(text), (value) =>
    Result.mapError(decodeHeader(value), (error) => truncateMessage(error.message))
  )

/** Parses the line of an event. Fails with the problem. */
export const parseEvent = (text: string): Result.Result<StoredEvent, string> =>
  Result.flatMap(parseJson(text), parseStoredEvent)

const parseJson = (text: string): Result.Result<unknown, string> =>
  Result.mapError(
    parseExactJson(text),
    (problem) => `it is not JSON that can be stored: ${describeJsonProblem(problem)}`
  )
