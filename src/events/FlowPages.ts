import { Effect } from "effect"
import type { SqlError } from "effect/sql"
import type { FlowPage, FlowPageOptions, FlowReader } from "./FlowReader.ts"

/** The sizes of reads of the log, and of what is kept in memory. */
export interface FlowPageSizes {
  /** Positions that one statement reads. */
  readonly page: number
  /** Pages that are kept in memory. */
  readonly kept: number
}

/** What to read, and how. */
export interface FlowPagesRequest extends FlowPageOptions {
  /** The position before the first event. */
  readonly after: number
  /** The position of the last event. */
  readonly upTo: number
  /** Maximum number of statements that run at the same time. */
  readonly concurrency: number
}

/** Reads the events of a range of positions. */
export type ReadFlowPages = (request: FlowPagesRequest) => Effect.Effect<ReadonlyArray<FlowPage>, SqlError.SqlError>

/**
 * Makes a reader that keeps the pages which it used last, because events do not change: a range that was read before costs one
 * statement and its latest events. A kept page is used only if the log has the same chain hash at its end. Otherwise the log is
 * another one, such as a restored backup, and the page is read again.
 */
export const makeReadFlowPages = (reader: FlowReader, sizes: FlowPageSizes): ReadFlowPages => {
  const kept = new Map<string, FlowPage>()

  const keep = (key: string, page: FlowPage): void => {
    kept.delete(key)
    kept.set(key, page)
    for (const oldest of kept.keys()) {
      if (kept.size <= sizes.kept) return
      kept.delete(oldest)
    }
  }

  return Effect.fnUntraced(function* ({ after, allIds, concurrency, owners, upTo }) {
    const ranges = divideAtMultiples(after, upTo, sizes.page).map((range) => {
      const key = `${range.after} ${range.upTo} ${allIds} ${owners}`
      return { ...range, key, known: kept.get(key) }
    })
    const ends = ranges.filter(({ known }) => known !== undefined).map((range) => range.upTo)
    const hashes = ends.length === 0 ? undefined : yield* reader.chainHashes(ends)
    return yield* Effect.forEach(
      ranges,
      (range) => {
        const { key, known } = range
        if (known !== undefined && hashes?.get(range.upTo) === known.chainHash) {
          keep(key, known)
          return Effect.succeed(known)
        }
        return Effect.tap(reader.page(range.after, range.upTo, { allIds, owners }), (page) =>
          Effect.sync(() => {
            if (range.upTo - range.after === sizes.page) keep(key, page)
          })
        )
      },
      { concurrency }
    )
  })
}

/** Divides a range at the multiples of `size`, so that ranges which overlap have most parts in common. */
const divideAtMultiples = (
  after: number,
  upTo: number,
  size: number
): ReadonlyArray<{ readonly after: number; readonly upTo: number }> => {
  const ranges = []
  for (let start = after; start < upTo;) {
    const end = Math.min(upTo, (Math.floor(start / size) + 1) * size)
    ranges.push({ after: start, upTo: end })
    start = end
  }
  return ranges
}
