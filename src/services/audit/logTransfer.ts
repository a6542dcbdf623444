import { Array as Arr, type DateTime, Effect, Queue, Result, Schema, Stream } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import type { CardId } from "../../domain/CardId.ts"
import type { EventLog, LogFailure } from "../../events/EventLog.ts"
import { formatEvent, formatHeader, LogFileRefused } from "../../events/LogFile.ts"
import type { ReadGate } from "../../events/ReadGate.ts"
import type { StoredEvent } from "../../events/StoredEvent.ts"
import { withoutAnswerTimeout } from "../../sql/AnswerTimeout.ts"
import { inTransaction } from "../../sql/inTransaction.ts"
import type { ReadModelBuilder } from "../../projections/ReadModelBuilder.ts"
import type { ReadFailure } from "../../projections/foldCards.ts"
import type { Divergence } from "../../projections/Divergence.ts"
import { type FileLine, LogFileCheck } from "../../projections/LogFileCheck.ts"
import type { RestoredBacklog } from "./restoreBacklog.ts"

/**
 * A log can be imported only into an empty backlog. Nothing was imported.
 *
 * What to do: import into another schema or directory.
 */
export class BacklogNotEmpty extends Schema.TaggedError<BacklogNotEmpty>()("BacklogNotEmpty", {
  /** The position of the last event of the backlog's own log. */
  position: Schema.Int
}) {
  override get message(): string {
    return `A log can be imported only into an empty backlog, and this one has ${this.position} events. Choose another schema or directory.`
  }
}

/** The result of an import: the whole log with its positions, versions and hashes, and the claims that were ended after it. */
export interface ImportedLog {
  readonly position: number
  readonly chainHash: string
  readonly events: number
  readonly cards: number
  /** The generation of all later tokens. */
  readonly generation: number
  /** The cards whose claims were ended after the import, in the order of ids. Each has an event after the imported log. */
  readonly reclaimed: ReadonlyArray<CardId>
}

/** Maximum number of lines that are buffered. */
const maxBufferedLines = 2_000

/**
 * The lines of the whole log, without line ends, in one snapshot that is taken with the first line. A redaction during the
 * export is not in it: neither its event nor its erased parts.
 */
export const exportLog = (
  sql: SqlClient.SqlClient,
  log: EventLog["Service"],
  gate: ReadGate["Service"],
  schema: string
): Stream.Stream<string, LogFailure> =>
  Stream.callback<string, LogFailure>(
    (queue) =>
      gate.inSnapshot(
        Effect.gen(function* () {
          // Before the snapshot, so that no removal swaps the table in between.
          yield* sql`LOCK TABLE ${sql(`${schema}.events`)} IN ACCESS SHARE MODE`
          const head = yield* gate.end
          yield* Queue.offer(queue, formatHeader(head))
          yield* Stream.runForEachArray(log.between(0, head.position), (events) =>
            Queue.offerAll(queue, events.map(formatEvent))
          )
          yield* Queue.end(queue)
        })
      ),
    { bufferSize: maxBufferedLines, strategy: "suspend" }
  )

/** Maximum number of events in one insert. */
const eventsPerInsert = 2_000

/** Maximum number of characters of their lines. */
const charactersPerInsert = 8 * 1024 * 1024

interface LogImport<E, R> {
  readonly sql: SqlClient.SqlClient
  readonly log: EventLog["Service"]
  readonly build: ReadModelBuilder
  readonly recount: Effect.Effect<unknown, SqlError.SqlError>
  readonly now: Effect.Effect<DateTime.Utc, SqlError.SqlError>
  readonly analyze: Effect.Effect<unknown, SqlError.SqlError>
  /** Begins a generation greater than `atLeast` and ends every claim. */
  readonly endClaims: (atLeast: number) => Effect.Effect<RestoredBacklog, SqlError.SqlError>
  readonly lines: Stream.Stream<FileLine, E, R>
  readonly onProgress: (done: number, total: number) => Effect.Effect<void>
}

/**
 * Imports an exported log into an empty backlog in one transaction, all or nothing: it verifies every line before the commit, and
 * builds the read model from the log. The claims in the log are ended, because their owners work on the other backlog.
 */
export const importLog = <E, R>({
  analyze,
  build,
  endClaims,
  lines,
  log,
  now,
  onProgress,
  recount,
  sql
}: LogImport<E, R>): Effect.Effect<ImportedLog, E | BacklogNotEmpty | LogFileRefused | ReadFailure, R> =>
  inTransaction(sql)(
    Effect.gen(function* () {
      const before = yield* log.head("lock")
      if (before.position > 0) return yield* new BacklogNotEmpty({ position: before.position })
      const { generation: last, report } = yield* restoreLines(log, lines, onProgress)
      const { cards, chainHash, events, position } = report
      yield* build.insertAll(position, yield* now, (insertion) => insertion)
      yield* withoutAnswerTimeout(Effect.all([build.countUnmet, recount, analyze], { discard: true }))
      const ended = yield* endClaims(last)
      yield* onProgress(position, position)
      return { position, chainHash, events, cards, ...ended }
    })
  )

/** Verifies and inserts events line by line. Returns the report of the file and its last generation. */
const restoreLines = Effect.fnUntraced(function* <E, R>(
  log: EventLog["Service"],
  lines: Stream.Stream<FileLine, E, R>,
  onProgress: (done: number, total: number) => Effect.Effect<void>
) {
  const check = new LogFileCheck()
  let waiting: Array<StoredEvent> = []
  let size = 0
  let lastLine = 0
  let generation = 0
  const flush = Effect.suspend(() => {
    const events = waiting
    waiting = []
    size = 0
    return Arr.isArrayNonEmpty(events) ? log.restore(events) : Effect.void
  })

  yield* Stream.runForEach(lines, (line) =>
    Effect.suspend((): Effect.Effect<void, LogFileRefused | SqlError.SqlError> => {
      lastLine = line.number
      const pushed = check.push(line)
      if (Result.isFailure(pushed)) return new LogFileRefused(pushed.failure)
      const { firstDivergence, header } = check
      if (firstDivergence !== undefined) return refuseDivergence(line.number, "it does not hold", firstDivergence)
      const event = pushed.success
      if (event === undefined) return Effect.void
      waiting.push(event)
      generation = Math.max(generation, generationOf(event))
      size += "text" in line ? line.text.length : 0
      return waiting.length < eventsPerInsert && size < charactersPerInsert
        ? Effect.void
        : Effect.andThen(flush, onProgress(event.position, header?.position ?? event.position))
    })
  )
  const report = yield* Effect.fromResult(Result.mapError(check.end(), (wrong) => new LogFileRefused(wrong)))
  const divergence = report.divergences[0]
  if (divergence !== undefined) {
    return yield* refuseDivergence(lastLine, "after it, something does not hold", divergence)
  }
  yield* flush
  return { report, generation }
})

/** The generation of a `CardClaimed` event, 0 for any other event. */
const generationOf = ({ data, type }: StoredEvent): number =>
  type === "CardClaimed" && typeof data["generation"] === "number" ? data["generation"] : 0

const refuseDivergence = (line: number, what: string, { check, expected, found }: Divergence) =>
  new LogFileRefused({ line, problem: `${what} (${check}): expected ${expected}, found ${found}` })
