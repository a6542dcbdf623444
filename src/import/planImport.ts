import { type DateTime, Effect, Result, Schema, Stream } from "effect"
import type { CardId } from "../domain/CardId.ts"
import { findCycle } from "../domain/DependencyGraph.ts"
import { formatPath } from "../domain/Rejection.ts"
import { isName, storageProblem } from "../domain/Text.ts"
import {
  droppedType,
  type ImportPlan,
  ImportRefused,
  type LeftOut,
  type LeftOutReason,
  type MalformedLine,
  type OtherRecord,
  type PlannedCard
} from "./ImportPlan.ts"
import type { Issue, Source, SourceRecord } from "./Source.ts"
import { digestContent } from "./digestCard.ts"
import { describeSchemaError } from "./fields.ts"
import { implyEdges } from "./implyEdges.ts"
import { NewCard } from "../index.ts"

/** Maximum issues of one import. Each takes a few hundred bytes of memory. */
export const maxIssues = 2_000_000

/**
 * Plans an import. If several issues have the same id, the first counts, unless the source marks it as replaced by a later
 * one. Deleted issues, issues with values that a card cannot have, and open issues in a dependency cycle are left out;
 * dependencies on them stay. A cycle through a done issue is opened at that issue, which waits for nothing. Further dependencies follow from parts: see `implyEdges`.
 */
export const planImport = Effect.fnUntraced(function* <E, R>(source: Source<E, R>) {
  const planner = new Planner(source.placeOf)
  yield* Stream.runForEachArray(source.records, (records) => {
    for (const record of records) planner.add(record)
    return planner.issues <= maxIssues
      ? Effect.void
      : Effect.fail(
          new ImportRefused({
            file: source.name,
            problems: [
              {
                line: maxIssues + 1,
                place: source.placeOf(maxIssues + 1),
                problem: `an import takes at most ${maxIssues} issues`
              }
            ]
          })
        )
  })
  return planner.finish()
})

/** Plans an import of records in memory. */
export const planRecords = (
  records: Iterable<SourceRecord>,
  placeOf: Source["placeOf"] = (line) => `line ${line}`
): ImportPlan => {
  const planner = new Planner(placeOf)
  for (const record of records) planner.add(record)
  return planner.finish()
}

interface EdgesOfIssue {
  readonly dependencies: Set<string>
  repeated: number
  readonly otherTypes: Map<string, number>
  /** The wholes of which the issue is a part. */
  readonly wholes: Set<string>
  /** The wholes for which the issue waits, with their parts. */
  readonly gates: Map<string, "all" | "any">
}

/** An issue from which a card can be created, as far as it follows from the issue alone. */
interface Candidate extends Omit<PlannedCard, "id" | "dependsOn"> {
  readonly parent: string | undefined
}

/** Why the notes of an issue cannot be written, which only their texts decide; `undefined` if they can. */
const problemOfNotes = ({ notes = [] }: Issue): string | undefined => {
  const problem = notes.map(storageProblem).find((each) => each !== undefined)
  return problem === undefined ? undefined : `one of its notes ${problem}`
}

class Planner {
  #lines = 0
  #blank = 0
  issues = 0
  #totalEdges = 0
  readonly #malformed: Array<MalformedLine> = []
  readonly #otherRecords: Array<OtherRecord> = []
  readonly #leftOut: Array<Omit<LeftOut, "place">> = []
  readonly #statuses = new Map<string, number>()
  readonly #firstLines = new Map<string, number>()
  /** The issues that are neither done nor deleted. */
  readonly #open = new Set<string>()
  readonly #deferred = new Map<string, DateTime.Utc>()
  readonly #linesOfKeys = new Map<string, number>()
  readonly #candidates = new Map<string, Candidate>()
  readonly #edges = new Map<string, EdgesOfIssue>()
  readonly #fieldLists = new Map<string, ReadonlyArray<string>>()
  readonly #placeOf: Source["placeOf"]

  constructor(placeOf: Source["placeOf"]) {
    this.#placeOf = placeOf
  }

  add(record: SourceRecord): void {
    this.#lines++
    switch (record._tag) {
      case "Blank":
        this.#blank++
        return
      case "Malformed":
        this.#malformed.push({ line: record.line, problem: record.problem })
        return
      case "OtherKind":
        this.#otherRecords.push({ line: record.line, kind: record.kind })
        return
      case "Issue":
        this.issues++
        addTo(this.#statuses, record.issue.status)
        this.#totalEdges += record.issue.edges.length
        return this.#addIssue(record.line, record.issue)
    }
  }

  #addIssue(line: number, issue: Issue): void {
    const { id } = issue
    if (issue.replacedBy !== undefined) {
      return this.#leave(line, id, "duplicate", `${this.#placeOf(issue.replacedBy)} has the same id, and is later`)
    }
    const first = this.#firstLines.get(id)
    if (first !== undefined) return this.#leave(line, id, "duplicate", `${this.#placeOf(first)} has the same id`)
    this.#firstLines.set(id, line)
    if (issue.isDeleted === true) return this.#leave(line, id, "tombstone", "it is deleted")
    if (issue.card.status !== "done" && isName(id)) this.#open.add(id)
    if (issue.deferredUntil !== undefined) this.#deferred.set(id, issue.deferredUntil)
    this.#addEdges(issue)
    const key = issue.card.idempotencyKey ?? undefined
    const firstWithKey = key === undefined ? undefined : this.#linesOfKeys.get(key)
    const problem =
      issue.problem ??
      Result.match(decodeNewCard(issue.card), {
        onFailure: (error) => describeSchemaError(error.message),
        onSuccess: () => problemOfNotes(issue)
      })
    if (problem !== undefined) return this.#leave(line, id, "refused", problem)
    if (firstWithKey !== undefined) {
      return this.#leave(line, id, "duplicate", `${this.#placeOf(firstWithKey)} has the same idempotency key`)
    }
    if (key !== undefined) this.#linesOfKeys.set(key, line)
    this.#candidates.set(id, {
      line,
      status: issue.card.status ?? "ready",
      blockedReason: issue.card.blockedReason ?? undefined,
      notBefore: issue.card.notBefore ?? undefined,
      notes: issue.notes?.length ?? 0,
      digest: digestContent(issue.card),
      hasTime: issue.card.occurredAt !== undefined,
      hasKey: key !== undefined,
      claim: issue.claim,
      parent: issue.parent,
      notCarriedOver: this.#intern(issue.notCarriedOver)
    })
  }

  /** Shares equal lists, since most issues have the same fields and there may be millions. */
  #intern(fields: ReadonlyArray<string>): ReadonlyArray<string> {
    const key = fields.join("\n")
    const known = this.#fieldLists.get(key)
    if (known === undefined) this.#fieldLists.set(key, fields)
    return known ?? fields
  }

  /** An edge belongs to the issue that it names, whichever issue states it. */
  #addEdges(issue: Issue): void {
    for (const edge of issue.edges) {
      const owner = edge.owner ?? issue.id
      const known = this.#edges.get(owner) ?? {
        dependencies: new Set(),
        repeated: 0,
        otherTypes: new Map(),
        wholes: new Set(),
        gates: new Map()
      }
      this.#edges.set(owner, known)
      if (edge.implies === "whole") known.wholes.add(edge.to)
      else if (edge.implies !== undefined) known.gates.set(edge.to, edge.implies === "parts" ? "all" : "any")
      if (edge.otherType !== undefined) addTo(known.otherTypes, edge.otherType)
      else if (known.dependencies.has(edge.to)) known.repeated++
      else known.dependencies.add(edge.to)
    }
  }

  #leave(line: number, id: string, reason: LeftOutReason, detail: string): void {
    this.#leftOut.push({ line, id, reason, detail })
  }

  finish(): ImportPlan {
    const planned = new Map<string, PlannedCard>()
    const parents = new Map<string, string>()
    for (const [id, { parent, ...candidate }] of this.#candidates) {
      const dependsOn = Array.from(this.#edges.get(id)?.dependencies ?? nothing)
      const invalid = dependsOn.find((each) => !isName(each))
      if (invalid === undefined) {
        planned.set(id, { ...candidate, id, dependsOn })
        if (parent !== undefined) parents.set(id, parent)
      } else {
        const detail = `it depends on ${JSON.stringify(invalid.slice(0, 200))}, which is not a valid id`
        this.#leave(candidate.line, id, "refused", detail)
      }
    }
    const dropped = new Map<string, number>()
    for (const { card, cycle, isDropped } of openCycles(planned)) {
      if (isDropped) addTo(dropped, card.id)
      else this.#leave(card.line, card.id, "cycle", `it waits for itself: ${cycle}`)
    }
    const implied = implyEdges(planned, {
      parents,
      wholes: this.#collect(({ wholes }) => wholes),
      gates: this.#collect(({ gates }) => gates),
      deferred: this.#deferred,
      isOpen: (id) => this.#open.has(id)
    })
    return {
      lines: this.#lines,
      blank: this.#blank,
      issues: this.issues,
      malformed: this.#malformed,
      otherRecords: this.#otherRecords,
      statuses: this.#statuses,
      cards: planned,
      leftOut: this.#leftOut.sort((left, right) => left.line - right.line),
      edges: this.#countEdges(planned, implied, dropped)
    }
  }

  /** What the edges of each issue imply, without the issues for which that is nothing. */
  #collect<A extends { readonly size: number }>(of: (edges: EdgesOfIssue) => A): ReadonlyMap<string, A> {
    const found = new Map<string, A>()
    for (const [id, edges] of this.#edges) if (of(edges).size > 0) found.set(id, of(edges))
    return found
  }

  #countEdges(
    planned: ReadonlyMap<string, PlannedCard>,
    implied: ReturnType<typeof implyEdges>,
    dropped: ReadonlyMap<string, number>
  ): ImportPlan["edges"] {
    let stated = 0
    let repeated = 0
    const otherTypes = new Map<string, number>()
    for (const id of planned.keys()) {
      const own = this.#edges.get(id)
      if (own === undefined) continue
      const without = dropped.get(id) ?? 0
      if (without > 0) addTo(otherTypes, droppedType, without)
      stated += own.dependencies.size - without
      repeated += own.repeated
      for (const [type, count] of own.otherTypes) addTo(otherTypes, type, count)
    }
    const others = [...otherTypes.values()].reduce((sum, count) => sum + count, 0)
    if (implied.avoided > 0) addTo(otherTypes, avoidedType, implied.avoided)
    return {
      total: this.#totalEdges + implied.added + implied.avoided,
      dependencies: stated + implied.added,
      repeated,
      otherTypes: Object.fromEntries(otherTypes),
      ofIssuesLeftOut: this.#totalEdges - stated - repeated - others,
      implied: implied.by
    }
  }
}

const nothing: ReadonlySet<string> = new Set()

/** The type under which implied edges are counted that would close a cycle. */
const avoidedType = "implied, but would close a cycle"

const addTo = (counts: Map<string, number>, key: string, count = 1): void => {
  counts.set(key, (counts.get(key) ?? 0) + count)
}

const decodeNewCard = Schema.decodeUnknownResult(NewCard)

/**
 * Opens one cycle after the other, until none is left. A card that is done waits for nothing: its edge is dropped. The cards
 * of other cycles are removed. Cards from which no cycle was reached are not visited again: neither can create one.
 */
function* openCycles(
  planned: Map<string, PlannedCard>
): Generator<{ readonly card: PlannedCard; readonly cycle: string; readonly isDropped: boolean }> {
  const dependenciesOf = (id: CardId) => (planned.get(id)?.dependsOn ?? []) as ReadonlyArray<CardId>
  const finished = new Set<CardId>()
  for (const start of planned.keys() as Iterable<CardId>) {
    const find = () => findCycle([start], dependenciesOf, finished)
    for (let cycle = find(); cycle !== undefined; cycle = find()) {
      const path = formatPath(cycle)
      const doneAt = cycle.findIndex((id) => planned.get(id)?.status === "done")
      const done = planned.get(cycle[doneAt] ?? "")
      if (done === undefined) {
        for (const id of new Set(cycle)) {
          const card = planned.get(id)
          if (card !== undefined) yield { card, cycle: path, isDropped: false }
          planned.delete(id)
        }
      } else {
        yield { card: done, cycle: path, isDropped: true }
        planned.set(done.id, { ...done, dependsOn: done.dependsOn.filter((id) => id !== cycle[doneAt + 1]) })
      }
    }
  }
}
