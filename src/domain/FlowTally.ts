import { compareIds } from "./CardId.ts"
import {
  bucketBounds,
  bucketIndex,
  countFlowBuckets,
  distributionOf,
  type Flow,
  type FlowBucket,
  type FlowGroup,
  type FlowRange,
  type FlowTimes
} from "./Flow.ts"

/** The number of the figure in which an event counts. */
export const flowKinds = { created: 0, claimed: 1, completed: 2, failed: 3, expired: 4 } as const

/** The number of the figure in which an event counts. */
export type FlowKind = (typeof flowKinds)[keyof typeof flowKinds]

/** A group; null for cards or events without one. */
export type Group = string | null

/** Maximum number of groups in an answer. */
const maxGroups = 100

/** Maximum number of buckets of all groups in an answer. */
const maxGroupBuckets = 20_000

/** The counts of a bucket by kind, and the times of its completions in milliseconds. */
interface Cell {
  readonly counts: [number, number, number, number, number]
  readonly lead: Array<number>
  readonly cycle: Array<number>
}

/** The figures of a group, by the number of the bucket. */
export type Cells = Array<Cell | undefined>

/**
 * Counts the events of a range, by bucket and by group. Keeps the counts and the times of completions, and no event. It counts
 * hundreds of thousands of events, so a caller looks up the cells of a group once, and passes them with each event.
 */
export class FlowTally {
  readonly #range: FlowRange
  readonly #indexOf: (time: number) => number
  readonly #all: Cells = []
  readonly #groups = new Map<Group, Cells>()

  constructor(range: FlowRange) {
    this.#range = range
    this.#indexOf = bucketIndex(range)
  }

  /** The cells of a group. */
  cellsOf(group: Group): Cells {
    let cells = this.#groups.get(group)
    if (cells === undefined) this.#groups.set(group, (cells = []))
    return cells
  }

  /**
   * Counts an event of the groups with these cells. Times are in milliseconds, `time` since 1970. `lead` and `cycle` are the
   * times of a completion, or NaN.
   */
  add(kind: FlowKind, time: number, groups: ReadonlyArray<Cells>, lead: number, cycle: number): void {
    const index = this.#indexOf(time)
    addTo(this.#all, index, kind, lead, cycle)
    for (const cells of groups) addTo(cells, index, kind, lead, cycle)
  }

  /** The figures, with the ages of ready cards of each group. */
  finish(
    ready: ReadonlyMap<Group, FlowTimes>
  ): Pick<Flow, keyof ReturnType<typeof figuresOf> | "buckets" | "groups" | "omittedGroups"> {
    const range = this.#range
    const count = countFlowBuckets(range)
    const found = [...new Set([...this.#groups.keys(), ...ready.keys()])]
      .map((group) => ({ group, cells: this.#groups.get(group) ?? [], age: ready.get(group) ?? distributionOf([]) }))
      .map((each) => ({ ...each, events: countEvents(each.cells) }))
      .filter(({ age, events }) => events > 0 || age.count > 0)
      .sort(
        (left, right) =>
          right.events - left.events || right.age.count - left.age.count || compareGroups(left.group, right.group)
      )
    const shown = found.slice(0, Math.min(maxGroups, Math.floor(maxGroupBuckets / Math.max(1, count))))
    return {
      ...figuresOf(this.#all),
      buckets: Array.from({ length: count }, (_, index) => bucketOf(range, index, this.#all[index])),
      groups: shown.map(({ age, cells, group }): FlowGroup => ({
        group,
        ...figuresOf(cells),
        readyAge: age,
        buckets: cells.flatMap((cell, index) => (cell === undefined ? [] : bucketOf(range, index, cell)))
      })),
      omittedGroups: found.length - shown.length
    }
  }
}

const addTo = (cells: Cells, index: number, kind: FlowKind, lead: number, cycle: number): void => {
  let cell = cells[index]
  if (cell === undefined) cells[index] = cell = { counts: [0, 0, 0, 0, 0], lead: [], cycle: [] }
  cell.counts[kind]++
  if (!Number.isNaN(lead)) cell.lead.push(lead)
  if (!Number.isNaN(cycle)) cell.cycle.push(cycle)
}

const figuresOf = (cells: Cells) => {
  const counts = [0, 0, 0, 0, 0] as Cell["counts"]
  const lead: Array<ReadonlyArray<number>> = []
  const cycle: Array<ReadonlyArray<number>> = []
  for (const cell of cells) {
    if (cell === undefined) continue
    for (const kind of Object.values(flowKinds)) counts[kind] += cell.counts[kind]
    lead.push(cell.lead)
    cycle.push(cell.cycle)
  }
  const [created, claimed, completed, failed, expired] = counts
  return {
    created,
    claimed,
    completed,
    failed,
    expired,
    leadTime: distributionOf(lead),
    cycleTime: distributionOf(cycle)
  }
}

const bucketOf = (range: FlowRange, index: number, cell: Cell | undefined): FlowBucket => ({
  ...bucketBounds(range, index),
  ...figuresOf([cell])
})

const countEvents = (cells: Cells): number => {
  let events = 0
  for (const cell of cells) if (cell !== undefined) for (const count of cell.counts) events += count
  return events
}

/** Compares groups by name. The one without a name is the last. */
const compareGroups = (left: Group, right: Group): number =>
  left === right ? 0 : left === null ? 1 : right === null ? -1 : compareIds(left, right)
