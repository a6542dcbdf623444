import type { ImportReport, LeftOut } from "./ImportReport.ts"
import type { Source } from "./Source.ts"
import type { ImportPlan, PlannedCard } from "./ImportPlan.ts"

/** What became of the planned cards. */
export interface Outcome {
  readonly taken: Array<PlannedCard>
  unchanged: number
  readonly differing: Array<{ readonly line: number; readonly id: string; readonly fields: ReadonlyArray<string> }>
  readonly leftOut: Array<Omit<LeftOut, "place">>
  /** Cards of the backlog that are not in the source, and that planned cards depend on. */
  readonly targets: Set<string>
}

/** What an import did, from what was planned and what became of it. */
export const makeReport = <E, R>(
  source: Source<E, R>,
  plan: ImportPlan,
  outcome: Outcome,
  correlationId: string | null
): ImportReport => {
  const placed = <A extends { readonly line: number }>(all: ReadonlyArray<A>) =>
    all.map((one) => ({ ...one, place: source.placeOf(one.line) })).sort((left, right) => left.line - right.line)
  const leftOut = placed([...plan.leftOut, ...outcome.leftOut])
  const refusedHere = new Set(outcome.leftOut.map(({ id }) => id))
  const present = Array.from(plan.cards.values()).filter(({ id }) => !refusedHere.has(id))
  const isKnown = (id: string): boolean => (plan.cards.has(id) ? !refusedHere.has(id) : outcome.targets.has(id))
  const whyMissing = new Map(leftOut.map(({ id, reason }) => [id, reason === "tombstone" ? "deleted" : "left out"]))
  const danglingEdges = present.flatMap(({ dependsOn, id }) =>
    dependsOn
      .filter((each) => !isKnown(each))
      .map((each) => ({ id, dependsOn: each, why: whyMissing.get(each) ?? "not there" }))
  )
  // What the plan counted as dependencies, without those of cards that the backlog refused.
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
    issues: plan.issues,
    taken: outcome.taken.length,
    unchanged: outcome.unchanged,
    differing: outcome.differing.length,
    leftOut: leftOut.length,
    leftOutFor: { tombstone: 0, duplicate: 0, refused: 0, cycle: 0, ...countBy(leftOut, ({ reason }) => reason) },
    takenAs: { ready: 0, blocked: 0, done: 0, ...countBy(outcome.taken, ({ status }) => status) },
    statuses: sorted(plan.statuses),
    edges: {
      total: edges.total,
      dependencies,
      repeated: edges.repeated,
      otherTypes: edges.otherTypes,
      ofIssuesLeftOut: edges.ofIssuesLeftOut + edges.dependencies - dependencies,
      dangling: danglingEdges.length,
      implied
    },
    notCarriedOver: countBy(fieldsOf(present), (field) => field),
    missingFields: source.missingFields,
    malformedLines: placed(plan.malformed),
    leftOutIssues: leftOut.filter(({ reason }) => reason !== "tombstone"),
    differingCards: placed(outcome.differing),
    danglingEdges,
    endedClaims: placed(
      outcome.taken.flatMap(({ claim, id, line }) => (claim === undefined ? [] : [{ line, id, ...claim }]))
    )
  }
}

/** One by one: there may be millions. */
function* fieldsOf(cards: Iterable<PlannedCard>): Generator<string> {
  for (const { notCarriedOver } of cards) yield* notCarriedOver
}

const countBy = <A>(all: Iterable<A>, key: (one: A) => string): Record<string, number> => {
  const counts = new Map<string, number>()
  for (const one of all) counts.set(key(one), (counts.get(key(one)) ?? 0) + 1)
  return sorted(counts)
}

const sorted = (counts: ReadonlyMap<string, number>): Record<string, number> =>
  Object.fromEntries([...counts].sort(([left], [right]) => (left < right ? -1 : 1)))
