import { Schema } from "effect"
import type { LeftOut } from "./ImportReport.ts"
import type { SourceClaim } from "./Source.ts"

/** How many problems the message names. */
const named = 5

/** An import that was to be strict has issues that would be left out. Nothing was written. */
export class ImportRefused extends Schema.TaggedError<ImportRefused>()("ImportRefused", {
  file: Schema.String,
  problems: Schema.Array(Schema.Struct({ line: Schema.Int, place: Schema.String, problem: Schema.String }))
}) {
  override get message(): string {
    const lines = this.problems.slice(0, named).map(({ place, problem }) => `${place}: ${problem}`)
    const more = this.problems.length - lines.length
    return [`Nothing was imported from ${this.file}:`, ...lines, ...(more > 0 ? [`and ${more} more`] : [])].join("\n  ")
  }
}

/** A card that an import is going to make, unless it is there already: all but its texts. */
export interface PlannedCard {
  readonly line: number
  readonly id: string
  readonly status: "ready" | "blocked" | "done"
  readonly dependsOn: ReadonlyArray<string>
  /** Stands for what the issue says of the card: see `digestOfContent`. */
  readonly digest: string
  /** What the issue says anything of, besides what each does. */
  readonly says: { readonly time: boolean; readonly key: boolean }
  readonly claim: SourceClaim | undefined
  readonly notCarriedOver: ReadonlyArray<string>
}

/** A line of which nothing could be made. */
export interface MalformedLine {
  readonly line: number
  readonly problem: string
}

/** What becomes of a source, as far as the source alone says. */
export interface ImportPlan {
  readonly lines: number
  readonly blank: number
  readonly issues: number
  readonly malformed: ReadonlyArray<MalformedLine>
  readonly statuses: ReadonlyMap<string, number>
  readonly cards: ReadonlyMap<string, PlannedCard>
  readonly leftOut: ReadonlyArray<Omit<LeftOut, "place">>
  readonly edges: {
    readonly total: number
    readonly dependencies: number
    readonly repeated: number
    readonly otherTypes: Readonly<Record<string, number>>
    readonly ofIssuesLeftOut: number
    /** Dependencies that the source does not state, by whose they are. */
    readonly implied: ReadonlyMap<string, number>
  }
}
