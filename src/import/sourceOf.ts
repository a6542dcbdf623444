import { Stream } from "effect"
import type { Source, SourceRecord } from "./Source.ts"

/** A record and where it stands, in words. */
export interface PlacedRecord {
  readonly place: string
  readonly record: SourceRecord
}

/** A source whose records are at hand, the first of them on line 1. */
export const makeSource = (format: Source["format"], name: string, placed: ReadonlyArray<PlacedRecord>): Source => ({
  format,
  name,
  placeOf: (line) => placed[line - 1]?.place ?? `line ${line}`,
  missingFields: [],
  records: Stream.fromIterable(placed.map(({ record }) => record))
})
