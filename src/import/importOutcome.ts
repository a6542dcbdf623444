import { DateTime } from "effect"
import type { Card } from "../index.ts"
import type { LeftOut } from "./ImportReport.ts"
import type { PlannedCard } from "./planImport.ts"

/** What became of the planned cards. */
export interface Outcome {
  readonly taken: Array<PlannedCard>
  readonly unchanged: Array<PlannedCard>
  readonly differing: Array<{ readonly planned: PlannedCard; readonly fields: ReadonlyArray<string> }>
  readonly leftOut: Array<LeftOut>
}

/** Settles a planned card that exists; `false` when it does not. */
export const settle = (outcome: Outcome, planned: PlannedCard, existing: Card | undefined): boolean => {
  if (existing === undefined) return false
  const fields = differences(planned.card, existing)
  if (fields.length === 0) outcome.unchanged.push(planned)
  else outcome.differing.push({ planned, fields })
  return true
}

/**
 * In which fields a card is not what the file says. Its status is the backlog's own from the import on, except that an
 * issue which the file says is closed should be done.
 */
const differences = (planned: PlannedCard["card"], existing: Card): ReadonlyArray<string> => {
  const same = {
    title: planned.title === existing.title,
    body: planned.body === existing.body,
    phase: planned.phase === existing.phase,
    priority: planned.priority === existing.priority,
    acceptance: planned.acceptance === existing.acceptance,
    dependsOn:
      planned.dependsOn.length === existing.dependsOn.length &&
      planned.dependsOn.every((id) => (existing.dependsOn as ReadonlyArray<string>).includes(id)),
    createdAt: planned.occurredAt === undefined || DateTime.Equivalence(planned.occurredAt, existing.createdAt),
    status: planned.status !== "done" || existing.status === "done"
  }
  return Object.entries(same)
    .filter(([, isSame]) => !isSame)
    .map(([field]) => field)
}
