import { Result, Schema } from "effect"
import type { CardId } from "../domain/CardId.ts"
import { findCycle } from "../domain/DependencyGraph.ts"
import { describePath } from "../domain/Rejection.ts"
import { NewCard } from "../index.ts"
import { type BeadsIssue, cardOf, deletedStatus, dependencyType, inOneLine } from "./beads.ts"
import type { LeftOut, LeftOutReason } from "./ImportReport.ts"
import type { BeadsFile } from "./readBeads.ts"

/** A card that an import is going to make, unless it is there already. */
export interface PlannedCard {
  readonly line: number
  readonly card: typeof NewCard.Encoded & { readonly dependsOn: ReadonlyArray<string> }
  readonly notCarriedOver: ReadonlyArray<string>
}

/** What becomes of a file, as far as the file alone says. */
export interface ImportPlan {
  readonly file: BeadsFile
  readonly cards: ReadonlyArray<PlannedCard>
  readonly leftOut: ReadonlyArray<LeftOut>
  readonly edges: {
    readonly total: number
    readonly dependencies: number
    readonly repeated: number
    readonly otherTypes: Readonly<Record<string, number>>
    readonly ofIssuesLeftOut: number
  }
}

/**
 * Plans an import. The first line with an id counts; tombstones are left out, and so are issues whose values no card
 * can have and issues that wait for each other in a circle. Dependencies on what is left out stay.
 */
export const planImport = (file: BeadsFile): ImportPlan => {
  const leftOut: Array<LeftOut> = []
  const leave = (line: number, id: string, reason: LeftOutReason, detail: string): void => {
    leftOut.push({ line, id, reason, detail })
  }

  const candidates = new Map<string, { readonly line: number; readonly issue: BeadsIssue }>()
  const firstLines = new Map<string, number>()
  for (const { issue, line } of file.issues) {
    const first = firstLines.get(issue.id)
    if (first !== undefined) {
      leave(line, issue.id, "duplicate", `line ${first} has the same id`)
      continue
    }
    firstLines.set(issue.id, line)
    if (issue.status === deletedStatus) leave(line, issue.id, "tombstone", "it is deleted")
    else candidates.set(issue.id, { line, issue })
  }

  const edges = edgesOf(Array.from(candidates.values(), ({ issue }) => issue))
  const planned = new Map<string, PlannedCard>()
  for (const [id, { issue, line }] of candidates) {
    const card = { ...cardOf(issue, []), dependsOn: Array.from(edges.get(id)?.dependencies ?? []) }
    Result.match(decodeNewCard(card), {
      onFailure: (error) => leave(line, id, "refused", inOneLine(error.message)),
      onSuccess: () => planned.set(id, { line, card, notCarriedOver: issue.notCarriedOver })
    })
  }

  for (const { cycle, card } of removeCycles(planned)) {
    leave(card.line, card.card.id, "cycle", `it waits for itself: ${cycle}`)
  }

  return {
    file,
    cards: [...planned.values()],
    leftOut: leftOut.sort((left, right) => left.line - right.line),
    edges: countEdges(file, planned, edges)
  }
}

const decodeNewCard = Schema.decodeUnknownResult(NewCard)

interface EdgesOfIssue {
  readonly dependencies: Set<string>
  repeated: number
  readonly otherTypes: Map<string, number>
}

/** The edges of each issue: an edge belongs to the issue that it names, on whatever line it stands. */
const edgesOf = (issues: ReadonlyArray<BeadsIssue>): ReadonlyMap<string, EdgesOfIssue> => {
  const edges = new Map<string, EdgesOfIssue>()
  for (const issue of issues) {
    for (const edge of issue.dependencies ?? []) {
      const owner = edge.issue_id ?? issue.id
      const known = edges.get(owner) ?? { dependencies: new Set(), repeated: 0, otherTypes: new Map() }
      edges.set(owner, known)
      if (edge.type !== dependencyType) known.otherTypes.set(edge.type, (known.otherTypes.get(edge.type) ?? 0) + 1)
      else if (known.dependencies.has(edge.depends_on_id)) known.repeated++
      else known.dependencies.add(edge.depends_on_id)
    }
  }
  return edges
}

/**
 * Takes the cards of one cycle after the other out, until there is none. What was walked over without coming to a cycle
 * is not walked over again: it leads to none, however many are taken out elsewhere.
 */
function* removeCycles(
  planned: Map<string, PlannedCard>
): Generator<{ readonly card: PlannedCard; readonly cycle: string }> {
  const dependenciesOf = (id: CardId) => (planned.get(id)?.card.dependsOn ?? []) as ReadonlyArray<CardId>
  const finished = new Set<CardId>()
  for (const start of planned.keys() as Iterable<CardId>) {
    const find = () => findCycle([start], dependenciesOf, finished)
    for (let cycle = find(); cycle !== undefined; cycle = find()) {
      const path = describePath(cycle)
      for (const id of new Set(cycle)) {
        const card = planned.get(id)
        if (card !== undefined) yield { card, cycle: path }
        planned.delete(id)
      }
    }
  }
}

const countEdges = (
  file: BeadsFile,
  planned: ReadonlyMap<string, PlannedCard>,
  edges: ReadonlyMap<string, EdgesOfIssue>
): ImportPlan["edges"] => {
  const total = file.issues.reduce((sum, { issue }) => sum + (issue.dependencies ?? []).length, 0)
  let dependencies = 0
  let repeated = 0
  const otherTypes = new Map<string, number>()
  for (const id of planned.keys()) {
    const own = edges.get(id)
    if (own === undefined) continue
    dependencies += own.dependencies.size
    repeated += own.repeated
    for (const [type, count] of own.otherTypes) otherTypes.set(type, (otherTypes.get(type) ?? 0) + count)
  }
  const others = [...otherTypes.values()].reduce((sum, count) => sum + count, 0)
  return {
    total,
    dependencies,
    repeated,
    otherTypes: Object.fromEntries(otherTypes),
    ofIssuesLeftOut: total - dependencies - repeated - others
  }
}
