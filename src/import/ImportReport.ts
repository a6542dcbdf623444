import { Schema } from "effect"
import { droppedType, type ImportPlan, LeftOut, type PlannedCard } from "./ImportPlan.ts"
import { ImportFormat, placeFields, type Source } from "./Source.ts"

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
const Counts = Schema.Record(Schema.String, Count)

/** A card that exists and differs from the source. The import did not change it. */
const Differing = Schema.Struct({ ...placeFields, id: Schema.String, fields: Schema.Array(Schema.String) })

/** A dependency on a card that does not exist: the card waits until it exists and is done. */
const DanglingEdge = Schema.Struct({ id: Schema.String, dependsOn: Schema.String, why: Schema.String })

/** A card that this import created as blocked, for a reason that the source states or that follows from it. */
const BlockedIssue = Schema.Struct({ ...placeFields, id: Schema.String, why: Schema.String })

/** A claim in the source that was not imported: the card is `ready`. */
const EndedClaim = Schema.Struct({
  ...placeFields,
  id: Schema.String,
  owner: Schema.NullOr(Schema.String),
  /** When the claim expires in the source; `null` when it never expires. */
  until: Schema.NullOr(Schema.String),
  /** Whether the claim had not expired when the source was read. */
  live: Schema.Boolean
})

/**
 * What an import did. A line is one record of the source: a line of a file, a row of a table, a task or subtask, or a file of
 * a folder. The numbers add up:
 *
 * - `lines` = `blank` + `malformed` + `issues` + the sum of `otherKinds`
 * - `issues` = `taken` + `unchanged` + `differing` + `leftOut`, and the sum of `statuses`
 * - `leftOut` = the sum of `leftOutFor`; `taken` = the sum of `takenAs`
 * - `edges.total` = `dependencies` + `repeated` + the sum of `otherTypes` + `ofIssuesLeftOut`
 */
export const ImportReport = Schema.Struct({
  format: ImportFormat,
  file: Schema.String,
  /** The correlation id of the import's events; `null` when there are none. */
  correlationId: Schema.NullOr(Schema.String),
  lines: Count,
  blank: Count,
  malformed: Count,
  /** Records that the format has next to issues, by kind. They are not imported. */
  otherKinds: Counts,
  issues: Count,
  taken: Count,
  unchanged: Count,
  differing: Count,
  leftOut: Count,
  leftOutFor: Schema.Struct({ tombstone: Count, duplicate: Count, refused: Count, cycle: Count }),
  /** Notes that were written on cards, from comments and notes of the source. */
  notes: Count,
  takenAs: Schema.Struct({ ready: Count, blocked: Count, done: Count }),
  /** All issues, by the status that they have in the source. */
  statuses: Counts,
  edges: Schema.Struct({
    total: Count,
    dependencies: Count,
    /** Dependencies that the source states more than once. */
    repeated: Count,
    /** Edges of other types, which are not dependencies. */
    otherTypes: Counts,
    ofIssuesLeftOut: Count,
    /** The number of dependencies on cards that do not exist. */
    dangling: Count,
    /** The number of dependencies that the source does not state, because they follow from parts. */
    implied: Count
  }),
  /** The number of imported issues with a value in a field that cards do not have, by field. */
  notCarriedOver: Counts,
  /** Fields of the format that the source does not have. */
  missingFields: Schema.Array(Schema.String),
  malformedLines: Schema.Array(Schema.Struct({ ...placeFields, problem: Schema.String })),
  otherRecords: Schema.Array(Schema.Struct({ ...placeFields, kind: Schema.String })),
  /** The issues that were left out, except tombstones. */
  leftOutIssues: Schema.Array(LeftOut),
  differingCards: Schema.Array(Differing),
  danglingEdges: Schema.Array(DanglingEdge),
  /** The blocked cards that this import created, where there is a reason. */
  blockedIssues: Schema.Array(BlockedIssue),
  /** The claims of the cards that this import created as ready. */
  endedClaims: Schema.Array(EndedClaim)
})

/** What an import did. */
export interface ImportReport extends Schema.Schema.Type<typeof ImportReport> {}

/** What became of the planned cards. */
export interface Outcome {
  readonly taken: Array<PlannedCard>
  unchanged: number
  readonly differing: Array<{ readonly line: number; readonly id: string; readonly fields: ReadonlyArray<string> }>
  readonly leftOut: Array<Omit<LeftOut, "place">>
  /** Dependencies that were dropped because they would close a cycle through cards of the backlog, by card. */
  readonly dropped: Map<string, Set<string>>
  /** Cards of the backlog that are not in the source, and that planned cards depend on. */
  readonly targets: Set<string>
}

/** Makes the report from the plan and its outcome. */
export const makeReport = <E, R>(
  source: Source<E, R>,
  plan: ImportPlan,
  outcome: Outcome,
  notes: number,
  correlationId: string | null
): ImportReport => {
  const withPlaces = <A extends { readonly line: number }>(items: ReadonlyArray<A>) =>
    items.map((item) => ({ ...item, place: source.placeOf(item.line) })).sort((left, right) => left.line - right.line)
  const leftOut = withPlaces([...plan.leftOut, ...outcome.leftOut])
  const leftOutIds = new Set(outcome.leftOut.map(({ id }) => id))
  const present = Array.from(plan.cards.values()).flatMap((card) => {
    const dropped = outcome.dropped.get(card.id)
    if (leftOutIds.has(card.id)) return []
    return dropped === undefined ? [card] : [{ ...card, dependsOn: card.dependsOn.filter((id) => !dropped.has(id)) }]
  })
  const droppedEdges = present.reduce((sum, { id }) => sum + (outcome.dropped.get(id)?.size ?? 0), 0)
  const exists = (id: string): boolean => (plan.cards.has(id) ? !leftOutIds.has(id) : outcome.targets.has(id))
  const whyMissing = new Map(leftOut.map(({ id, reason }) => [id, reason === "tombstone" ? "deleted" : "left out"]))
  const danglingEdges = present.flatMap(({ dependsOn, id }) =>
    dependsOn
      .filter((each) => !exists(each))
      .map((each) => ({ id, dependsOn: each, why: whyMissing.get(each) ?? "not there" }))
  )
  // The plan's dependencies, without those of cards that the backlog refused.
  let dependencies = 0
  let implied = 0
  for (const { dependsOn, id } of present) {
    dependencies += dependsOn.length
    implied += plan.edges.implied.get(id) ?? 0
  }
  const { edges } = plan
  return {
    format: source.format,
    file: source.name,
    correlationId,
    lines: plan.lines,
    blank: plan.blank,
    malformed: plan.malformed.length,
    otherKinds: countBy(plan.otherRecords, ({ kind }) => kind),
    issues: plan.issues,
    taken: outcome.taken.length,
    unchanged: outcome.unchanged,
    differing: outcome.differing.length,
    leftOut: leftOut.length,
    leftOutFor: { tombstone: 0, duplicate: 0, refused: 0, cycle: 0, ...countBy(leftOut, ({ reason }) => reason) },
    notes,
    takenAs: { ready: 0, blocked: 0, done: 0, ...countBy(outcome.taken, ({ status }) => status) },
    statuses: toSortedRecord(plan.statuses),
    edges: {
      total: edges.total,
      dependencies,
      repeated: edges.repeated,
      otherTypes:
        droppedEdges === 0
          ? edges.otherTypes
          : { ...edges.otherTypes, [droppedType]: (edges.otherTypes[droppedType] ?? 0) + droppedEdges },
      ofIssuesLeftOut: edges.ofIssuesLeftOut + edges.dependencies - dependencies - droppedEdges,
      dangling: danglingEdges.length,
      implied
    },
    notCarriedOver: countBy(fieldsNotCarriedOver(present), (field) => field),
    missingFields: source.missingFields,
    malformedLines: withPlaces(plan.malformed),
    otherRecords: withPlaces(plan.otherRecords),
    leftOutIssues: leftOut.filter(({ reason }) => reason !== "tombstone"),
    differingCards: withPlaces(outcome.differing),
    danglingEdges,
    blockedIssues: withPlaces(
      outcome.taken.flatMap(({ blockedReason, id, line }) =>
        blockedReason === undefined ? [] : [{ line, id, why: blockedReason }]
      )
    ),
    endedClaims: withPlaces(
      outcome.taken.flatMap(({ claim, id, line, status }) =>
        claim === undefined || status !== "ready" ? [] : [{ line, id, ...claim }]
      )
    )
  }
}

/** A generator, because there may be millions of fields. */
function* fieldsNotCarriedOver(cards: Iterable<PlannedCard>): Generator<string> {
  for (const { notCarriedOver } of cards) yield* notCarriedOver
}

const countBy = <A>(items: Iterable<A>, key: (item: A) => string): Record<string, number> => {
  const counts = new Map<string, number>()
  for (const item of items) counts.set(key(item), (counts.get(key(item)) ?? 0) + 1)
  return toSortedRecord(counts)
}

const toSortedRecord = (counts: ReadonlyMap<string, number>): Record<string, number> =>
  Object.fromEntries([...counts].sort(([left], [right]) => (left < right ? -1 : 1)))
