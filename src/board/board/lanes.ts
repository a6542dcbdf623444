import type { CardSummary } from "../api/types.ts"
import { type Claimability, claimabilities } from "../components/Claimability.tsx"

/** By what the board groups cards into lanes. */
export type Grouping = "owner" | "phase" | "label"

/** By what the board can group cards into lanes. */
export const groupings: ReadonlyArray<Grouping> = ["owner", "phase", "label"]

/** Returns the grouping with a name, such as the value of the parameter `lanes`; `undefined` if there is none. */
export const toGrouping = (name: string | undefined): Grouping | undefined => groupings.find((each) => each === name)

/** The cards of each column. */
export type CardsByKind = Readonly<Partial<Record<Claimability, ReadonlyArray<CardSummary>>>>

/** A row of the board: the cards that have something in common, by columns. */
export interface Lane {
  /** What they have in common; `null` for the cards without an owner, a phase or labels. */
  readonly name: string | null
  readonly cards: CardsByKind
  readonly count: number
}

/** Groups cards into lanes, by name, and at the end the cards that have none. A card with several labels is in several lanes. */
export const makeLanes = (columns: CardsByKind, grouping: Grouping): ReadonlyArray<Lane> => {
  const lanes = new Map<string | null, { cards: Partial<Record<Claimability, Array<CardSummary>>>; count: number }>()
  for (const kind of claimabilities) {
    for (const card of columns[kind] ?? []) {
      for (const name of namesOf(card, grouping)) {
        const lane = lanes.get(name) ?? { cards: {}, count: 0 }
        lanes.set(name, lane)
        const cards = (lane.cards[kind] ??= [])
        cards.push(card)
        lane.count++
      }
    }
  }
  return Array.from(lanes, ([name, lane]) => ({ name, ...lane })).sort(compareLanes)
}

const namesOf = (card: CardSummary, grouping: Grouping): ReadonlyArray<string | null> => {
  switch (grouping) {
    case "owner":
      return [card.claimOwner]
    case "phase":
      return [card.phase]
    case "label":
      return card.labels.length === 0 ? [null] : card.labels
  }
}

const compareLanes = (left: Lane, right: Lane): number => {
  if (left.name === null || right.name === null) return Number(left.name === null) - Number(right.name === null)
  return left.name.localeCompare(right.name, undefined, { numeric: true })
}
