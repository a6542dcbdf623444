import { Data, Stream } from "effect"
import type { ImportFormat } from "./ImportReport.ts"
import type { NewCard } from "../index.ts"

/** A source of an import is not what its format says, so that nothing of it can be read. */
export class SourceUnreadable extends Data.TaggedError("SourceUnreadable")<{ readonly problem: string }> {
  override get message(): string {
    return this.problem
  }
}

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

/** What an issue depends on, or has otherwise to do with. */
export interface Edge {
  /** Whose edge it is, where that is another than the issue which tells of it. */
  readonly owner?: string | undefined
  readonly to: string
  /** What it is when it is no dependency: it is counted under this, and comes to nothing. */
  readonly otherType?: string | undefined
}

/** A claim that somebody holds in the source. It is no lease here: its token is not known. */
export interface SourceClaim {
  readonly owner: string | null
  /** ISO-8601; `null` when it never runs out. */
  readonly until: string | null
  /** Whether it had not run out when the source was read. */
  readonly live: boolean
}

/** An issue, task or row of another tracker, as a card could be made of it. */
export interface Issue {
  readonly id: string
  /** The status in the source's own words. */
  readonly status: string
  /** The card without its dependencies, which other issues may tell of too. */
  readonly card: Omit<typeof NewCard.Encoded, "dependsOn">
  readonly edges: ReadonlyArray<Edge>
  /** The issue that this one is a part of: that one is to wait for it. */
  readonly parent?: string | undefined
  /** Whether the source calls it deleted. */
  readonly isDeleted?: boolean
  /** Why no card can be made of it, where that is known already. */
  readonly problem?: string | undefined
  readonly claim?: SourceClaim | undefined
  /** Fields with something in them that a card has no place for. */
  readonly notCarriedOver: ReadonlyArray<string>
}

/** What a source has in one place, counted from 1: a line of a file, a row of a table, a task of a file, a file of a folder. */
export type SourceRecord =
  | { readonly _tag: "Blank"; readonly line: number }
  | { readonly _tag: "Malformed"; readonly line: number; readonly problem: string }
  | { readonly _tag: "Issue"; readonly line: number; readonly issue: Issue }

/** Something that issues can be imported from. */
export interface Source<E = never, R = never> {
  readonly format: ImportFormat
  /** For the report, and for what the events of an import have in common. */
  readonly name: string
  /** A place in words: "line 12". */
  readonly placeOf: (line: number) => string
  /** Fields of the format that the source does not have at all. */
  readonly missingFields: ReadonlyArray<string>
  /** The records, the same ones in the same order however often it is run. */
  readonly records: Stream.Stream<SourceRecord, E, R>
}
