import { type DateTime, Schema } from "effect"
import { placeFields, type SourceClaim } from "./Source.ts"

/** A card that an import will create unless it exists: everything but its texts. */
export interface PlannedCard {
  readonly line: number
  readonly id: string
  readonly status: "ready" | "blocked" | "done"
  /** Why the card is blocked. */
  readonly blockedReason: string | undefined
  /** The time before which the card cannot be claimed, if it is ready. */
  readonly notBefore: DateTime.Utc | undefined
  /** The number of notes that the card gets. */
  readonly notes: number
  readonly dependsOn: ReadonlyArray<string>
  /** A digest of the issue's content: see `digestContent`. */
  readonly digest: string
  /** Whether the issue states when it was created. */
  readonly hasTime: boolean
  /** Whether the issue states an idempotency key. */
  readonly hasKey: boolean
  readonly claim: SourceClaim | undefined
  readonly notCarriedOver: ReadonlyArray<string>
}

/** A line from which no issue could be read. */
export interface MalformedLine {
  readonly line: number
  readonly problem: string
}

/** A record that is known and is not an issue. */
export interface OtherRecord {
  readonly line: number
  readonly kind: string
}

/** Why no card is created from an issue. */
export const LeftOutReason = Schema.Literals(["tombstone", "duplicate", "refused", "cycle"])

/** Why no card is created from an issue. */
export type LeftOutReason = typeof LeftOutReason.Type

/** An issue from which no card is created, with a description of why. */
export const LeftOut = Schema.Struct({
  ...placeFields,
  id: Schema.String,
  reason: LeftOutReason,
  detail: Schema.String
})

/** An issue from which no card is created, with a description of why. */
export interface LeftOut extends Schema.Schema.Type<typeof LeftOut> {}

/** The effects of an import, as far as they follow from the source alone. */
export interface ImportPlan {
  readonly lines: number
  readonly blank: number
  readonly issues: number
  readonly malformed: ReadonlyArray<MalformedLine>
  readonly otherRecords: ReadonlyArray<OtherRecord>
  readonly statuses: ReadonlyMap<string, number>
  readonly cards: ReadonlyMap<string, PlannedCard>
  readonly leftOut: ReadonlyArray<Omit<LeftOut, "place">>
  readonly edges: {
    readonly total: number
    readonly dependencies: number
    readonly repeated: number
    readonly otherTypes: Readonly<Record<string, number>>
    readonly ofIssuesLeftOut: number
    /** How many dependencies that the source does not state were added, by card. */
    readonly implied: ReadonlyMap<string, number>
  }
}

/** The type under which edges of done issues are counted that would close a cycle. */
export const droppedType = "of a done issue, but would close a cycle"

/** Maximum problems in the message of `ImportRefused`. */
const maxProblemsShown = 5

/**
 * The import was refused, because it is strict and would leave issues out, or too large. Nothing was written.
 *
 * What to do: correct the issues that `problems` lists, or import without `--strict`.
 */
export class ImportRefused extends Schema.TaggedError<ImportRefused>()("ImportRefused", {
  file: Schema.String,
  problems: Schema.Array(Schema.Struct({ line: Schema.Int, place: Schema.String, problem: Schema.String }))
}) {
  override get message(): string {
    const lines = this.problems.slice(0, maxProblemsShown).map(({ place, problem }) => `${place}: ${problem}`)
    const more = this.problems.length - lines.length
    return [`Nothing was imported from ${this.file}:`, ...lines, ...(more > 0 ? [`and ${more} more`] : [])].join("\n  ")
  }
}
