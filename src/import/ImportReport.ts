import { Schema } from "effect"

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
const Counts = Schema.Record(Schema.String, Count)

/** What issues can be imported from. */
export const ImportFormat = Schema.Literals(["beads", "table", "task-master", "backlog-md"])

/** What issues can be imported from. */
export type ImportFormat = typeof ImportFormat.Type

/** Where in the source: `line` counted from 1, and the same in words. */
const at = { line: Count, place: Schema.String }

/** Why an issue became no card. */
export const LeftOutReason = Schema.Literals(["tombstone", "duplicate", "refused", "cycle"])

/** Why an issue became no card. */
export type LeftOutReason = typeof LeftOutReason.Type

/** An issue that became no card, and why in words. */
export const LeftOut = Schema.Struct({
  ...at,
  id: Schema.String,
  reason: LeftOutReason,
  detail: Schema.String
})

/** An issue that became no card, and why in words. */
export interface LeftOut extends Schema.Schema.Type<typeof LeftOut> {}

/** A card that exists and is not what the source says. It was left as it is. */
export const Differing = Schema.Struct({ ...at, id: Schema.String, fields: Schema.Array(Schema.String) })

/** A dependency on a card that does not exist: the card waits until it does and is done. */
export const DanglingEdge = Schema.Struct({ id: Schema.String, dependsOn: Schema.String, why: Schema.String })

/** A claim that somebody holds in the source, and nobody here: the card was taken as ready. */
export const EndedClaim = Schema.Struct({
  ...at,
  id: Schema.String,
  owner: Schema.NullOr(Schema.String),
  /** When it runs out there; `null` when it never does. */
  until: Schema.NullOr(Schema.String),
  /** Whether it had not run out when the source was read. */
  live: Schema.Boolean
})

/**
 * What an import did. A line is what the source has in one place: a line of a file, a row of a table, a task or subtask,
 * a file of a folder. The numbers add up:
 *
 * - `lines` = `blank` + `malformed` + `issues`
 * - `issues` = `taken` + `unchanged` + `differing` + `leftOut`, and the sum of `statuses`
 * - `leftOut` = the sum of `leftOutFor`; `taken` = the sum of `takenAs`
 * - `edges.total` = `dependencies` + `repeated` + the sum of `otherTypes` + `ofIssuesLeftOut`
 */
export const ImportReport = Schema.Struct({
  format: ImportFormat,
  file: Schema.String,
  /** What the events of the import have in common; `null` when there are none. */
  correlationId: Schema.NullOr(Schema.String),
  lines: Count,
  blank: Count,
  malformed: Count,
  issues: Count,
  taken: Count,
  unchanged: Count,
  differing: Count,
  leftOut: Count,
  leftOutFor: Schema.Struct({ tombstone: Count, duplicate: Count, refused: Count, cycle: Count }),
  takenAs: Schema.Struct({ ready: Count, blocked: Count, done: Count }),
  /** All issues by the status that the source gives them. */
  statuses: Counts,
  edges: Schema.Struct({
    total: Count,
    dependencies: Count,
    /** Said twice. */
    repeated: Count,
    /** Edges of other types, which are no dependencies. */
    otherTypes: Counts,
    ofIssuesLeftOut: Count,
    /** How many of the dependencies name a card that does not exist. */
    dangling: Count,
    /** How many of the dependencies the source does not state: what is made of parts waits for them. */
    implied: Count
  }),
  /** How many issues that were not left out had something in a field that a card has no place for. */
  notCarriedOver: Counts,
  /** Fields of the format that the source does not have. */
  missingFields: Schema.Array(Schema.String),
  malformedLines: Schema.Array(Schema.Struct({ ...at, problem: Schema.String })),
  /** All but tombstones. */
  leftOutIssues: Schema.Array(LeftOut),
  differingCards: Schema.Array(Differing),
  danglingEdges: Schema.Array(DanglingEdge),
  /** Of the cards that were taken now. */
  endedClaims: Schema.Array(EndedClaim)
})

/** What an import did. */
export interface ImportReport extends Schema.Schema.Type<typeof ImportReport> {}
