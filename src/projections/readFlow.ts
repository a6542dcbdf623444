import { type DateTime, Effect, Option } from "effect"
import type { SqlClient, SqlError } from "effect/sql"
import type { Flow, FlowGrouping, FlowRange } from "../domain/Flow.ts"
import { FlowTally } from "../domain/FlowTally.ts"
import { type FlowPageSizes, makeReadFlowPages } from "../events/FlowPages.ts"
import { makeFlowReader } from "../events/FlowReader.ts"
import type { Shown } from "../events/ReadGate.ts"
import type { CardTables } from "./CardTables.ts"
import { FlowWindow } from "./FlowWindow.ts"
import { makeFlowCards } from "./flowCards.ts"

/** What `readFlow` reads. */
export interface FlowRequest extends FlowRange {
  readonly by: FlowGrouping | undefined
  /** The position of the last event before the range. */
  readonly after: number
  /** The position of the last event of the range. */
  readonly upTo: number
  /** The time as of which ready cards have their age. */
  readonly now: DateTime.Utc
}

/** How much is read at once, and how much of the log is kept. */
export interface FlowSizes extends FlowPageSizes {
  /** Positions whose events are in memory at the same time. */
  readonly window: number
  /** Cards or events that one statement looks up. */
  readonly lookups: number
}

const defaultSizes: FlowSizes = { page: 10_000, kept: 50, window: 500_000, lookups: 5000 }

/**
 * Counts the events of a range of positions.
 *
 * The events name their cards, and most of the facts about these cards are found by ranges as well: a card that was completed in
 * the range, and not reopened since, is in the index of done cards by time. Other cards are looked up one by one, if their
 * groups are needed. The first claim of most cards is in the range; the others are looked up. Two statements run at the same
 * time, unless a transaction is open.
 */
export const makeReadFlow = (
  sql: SqlClient.SqlClient,
  schema: string,
  tables: CardTables,
  sizes = defaultSizes
): ((request: FlowRequest) => Effect.Effect<Shown<Flow>, SqlError.SqlError>) => {
  const log = makeFlowReader(sql, schema)
  const readPages = makeReadFlowPages(log, sizes)
  const cards = makeFlowCards(sql, schema, tables)

  const readWindow = Effect.fnUntraced(function* (
    { by }: FlowRequest,
    [after, upTo]: readonly [number, number],
    tally: FlowTally,
    concurrency: number
  ) {
    const ofCards = by === "phase" || by === "label" ? by : undefined
    // The pages take the longest, so the other statement begins first.
    const [completed, pages] = yield* Effect.all(
      [
        cards.completedBetween([after + 1, upTo], ofCards),
        readPages({ after, upTo, allIds: ofCards !== undefined, owners: by === "owner", concurrency })
      ],
      { concurrency }
    )
    const window = new FlowWindow(pages, by, tally)
    window.addCards(completed)
    const lookUp = (ids: ReadonlyArray<string>) =>
      chunksOf(ids, sizes.lookups).map((chunk) =>
        Effect.map(cards.get(chunk, ofCards), (found) => window.addCards(found))
      )
    const others = ofCards === undefined ? [] : lookUp(window.unknownCards(false))
    yield* Effect.all(others, { concurrency, discard: true })
    yield* Effect.all(lookUp(window.unknownCards(true)), { concurrency, discard: true })
    const claims = yield* Effect.forEach(chunksOf(window.unknownClaims(), sizes.lookups), log.firstClaims, {
      concurrency
    })
    window.count(claims.flatMap((times) => [...times]))
  })

  return Effect.fnUntraced(function* (request) {
    const isInTransaction = Option.isSome(yield* Effect.serviceOption(sql.transactionService))
    const concurrency = isInTransaction ? 1 : 2
    const { after, bucket, by, from, now, to, upTo } = request
    const tally = new FlowTally(request)
    const windows = divide(after, upTo, sizes.window)
    const [ready] = yield* Effect.all(
      [
        cards.readyAges(by, now),
        Effect.forEach(windows, (window) => readWindow(request, window, tally, concurrency), { discard: true })
      ],
      { concurrency }
    )
    return {
      value: {
        startsAt: from,
        endsAt: to,
        bucket,
        by: by ?? null,
        position: upTo,
        ...tally.finish(ready.groups),
        readyAge: ready.all
      },
      position: Math.max(upTo, ready.position)
    }
  })
}

/** Divides the numbers after one and up to another into ranges of at most `size`. */
const divide = (after: number, upTo: number, size: number): ReadonlyArray<readonly [number, number]> =>
  Array.from({ length: Math.max(0, Math.ceil((upTo - after) / size)) }, (_, index) => [
    after + index * size,
    Math.min(upTo, after + (index + 1) * size)
  ])

const chunksOf = <A>(items: ReadonlyArray<A>, size: number): ReadonlyArray<ReadonlyArray<A>> =>
  divide(0, items.length, size).map(([start, end]) => items.slice(start, end))
