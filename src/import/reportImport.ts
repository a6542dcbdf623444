import type { Card } from "../index.ts"
import type { Outcome } from "./importOutcome.ts"
import type { ImportReport } from "./ImportReport.ts"
import type { ImportPlan } from "./planImport.ts"

/** What an import did, from what was planned and what became of it. */
export const reportOf = (
  plan: ImportPlan,
  outcome: Outcome,
  existing: ReadonlyMap<string, Card>,
  about: Pick<ImportReport, "file" | "correlationId">
): ImportReport => {
  const leftOut = [...plan.leftOut, ...outcome.leftOut].sort((left, right) => left.line - right.line)
  const present = [...outcome.taken, ...outcome.unchanged, ...outcome.differing.map(({ planned }) => planned)]
  const known = new Set([...existing.keys(), ...present.map(({ card }) => card.id)])
  const whyMissing = new Map(leftOut.map(({ id, reason }) => [id, reason === "tombstone" ? "deleted" : "left out"]))
  const danglingEdges = present.flatMap(({ card }) =>
    card.dependsOn
      .filter((id) => !known.has(id))
      .map((dependsOn) => ({ id: card.id, dependsOn, why: whyMissing.get(dependsOn) ?? "not there" }))
  )
  // What the plan counted as dependencies, without those of cards that the backlog refused.
  const dependencies = present.reduce((sum, { card }) => sum + card.dependsOn.length, 0)
  const { edges } = plan
  return {
    format: "beads",
    ...about,
    lines: plan.file.lines,
    blank: plan.file.blank,
    malformed: plan.file.malformed.length,
    issues: plan.file.issues.length,
    taken: outcome.taken.length,
    unchanged: outcome.unchanged.length,
    differing: outcome.differing.length,
    leftOut: leftOut.length,
    leftOutFor: { tombstone: 0, duplicate: 0, refused: 0, cycle: 0, ...countBy(leftOut, ({ reason }) => reason) },
    takenAs: { ready: 0, blocked: 0, done: 0, ...countBy(outcome.taken, ({ card }) => card.status ?? "ready") },
    statuses: countBy(plan.file.issues, ({ issue }) => issue.status),
    edges: {
      ...edges,
      dependencies,
      ofIssuesLeftOut: edges.ofIssuesLeftOut + edges.dependencies - dependencies,
      dangling: danglingEdges.length
    },
    notCarriedOver: countBy(
      present.flatMap(({ notCarriedOver }) => notCarriedOver),
      (field) => field
    ),
    malformedLines: plan.file.malformed,
    leftOutIssues: leftOut.filter(({ reason }) => reason !== "tombstone"),
    differingCards: outcome.differing.map(({ fields, planned }) => ({
      line: planned.line,
      id: planned.card.id,
      fields
    })),
    danglingEdges
  }
}

const countBy = <A>(all: ReadonlyArray<A>, key: (one: A) => string): Record<string, number> => {
  const counts = new Map<string, number>()
  for (const one of all) counts.set(key(one), (counts.get(key(one)) ?? 0) + 1)
  return Object.fromEntries([...counts].sort(([left], [right]) => (left < right ? -1 : 1)))
}
