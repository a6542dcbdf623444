import { Data, type DateTime, Schema, Stream } from "effect"
import type { NewCard } from "../index.ts"

/** The formats that issues can be imported from. */
export const ImportFormat = Schema.Literals(["beads", "table", "task-master", "backlog-md"])

/** A format that issues can be imported from. */
export type ImportFormat = typeof ImportFormat.Type

/** A dependency of an issue, or another relation. */
export interface Edge {
  /** The issue that the edge starts from, where that is not the issue that states it. */
  readonly owner?: string | undefined
  readonly to: string
  /** The type of an edge that is not a dependency. Such edges are counted by type and not imported. */
  readonly otherType?: string | undefined
  /**
   * Which dependencies follow from an edge of another type. `whole`: the owner is a part of `to`, and waits for what `to` waits
   * for. `parts`: the owner waits for `to` and all its parts. `anyPart`: the same, unless one of the parts is done.
   */
  readonly implies?: "whole" | "parts" | "anyPart" | undefined
}

/** A claim in the source. It is not imported as a lease, since its token is unknown. */
export interface SourceClaim {
  readonly owner: string | null
  /** When the claim expires, as ISO-8601; `null` when it never expires. */
  readonly until: string | null
  /** Whether the claim had not expired when the source was read. */
  readonly live: boolean
}

/** An issue, task or row of another tracker, in the form from which a card can be created. */
export interface Issue {
  readonly id: string
  /** The status as the source writes it. */
  readonly status: string
  /** The card without its dependencies, which other issues may state too. */
  readonly card: Omit<typeof NewCard.Encoded, "dependsOn">
  readonly edges: ReadonlyArray<Edge>
  /** The issue that this one is part of, and that waits for it. */
  readonly parent?: string | undefined
  /** The time until which the issue and its parts are deferred, where that is in the future. */
  readonly deferredUntil?: DateTime.Utc | undefined
  /** The texts that become notes on the card, in order. Defaults to none. */
  readonly notes?: ReadonlyArray<string> | undefined
  /** The line of a later version of the issue, which replaces this one. */
  readonly replacedBy?: number | undefined
  /** Whether the source marks the issue as deleted. */
  readonly isDeleted?: boolean
  /** Why no card can be created from the issue, where the reader already knows. */
  readonly problem?: string | undefined
  readonly claim?: SourceClaim | undefined
  /** Non-empty fields that a card has no place for. */
  readonly notCarriedOver: ReadonlyArray<string>
}

/** Where a record is in its source: `line` counts from 1, `place` describes it for people. */
export const placeFields = { line: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)), place: Schema.String }

/** One record of a source: a line of a file, a row of a table, a task of a file or a file of a folder. Lines count from 1. */
export type SourceRecord =
  | { readonly _tag: "Blank"; readonly line: number }
  | { readonly _tag: "Malformed"; readonly line: number; readonly problem: string }
  /** A record that the format has next to issues, such as a `memory` of beads. */
  | { readonly _tag: "OtherKind"; readonly line: number; readonly kind: string }
  | { readonly _tag: "Issue"; readonly line: number; readonly issue: Issue }

/** A source that issues can be imported from. */
export interface Source<E = never, R = never> {
  readonly format: ImportFormat
  /** The source's name in the report and in the correlation id of the import's events. */
  readonly name: string
  /** Describes a place for people: "line 12". */
  readonly placeOf: (line: number) => string
  /** Fields of the format that the source does not have at all. */
  readonly missingFields: ReadonlyArray<string>
  /** The records. Every run returns the same records in the same order. */
  readonly records: Stream.Stream<SourceRecord, E, R>
}

/** A record with a description of its place. */
export interface PlacedRecord {
  readonly place: string
  readonly record: SourceRecord
}

/** Makes a source of records in memory. The first record is on line 1. */
export const makeSource = (format: ImportFormat, name: string, placed: ReadonlyArray<PlacedRecord>): Source => ({
  format,
  name,
  placeOf: (line) => placed[line - 1]?.place ?? `line ${line}`,
  missingFields: [],
  records: Stream.fromIterable(placed.map(({ record }) => record))
})

/** The source is not in its format, so nothing of it can be read. */
export class SourceUnreadable extends Data.TaggedError("SourceUnreadable")<{ readonly problem: string }> {
  override get message(): string {
    return this.problem
  }
}
